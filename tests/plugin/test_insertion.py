"""What the plugin changes in a module, and that nothing of it stays."""

import pytest
import torch

from tests.plugin.helpers import QUIET, assert_same, make_plugin, tensors_of

pytestmark = QUIET


@pytest.mark.sampled(2)
def test_detach_leaves_no_trace(style, trainer_of):
    """Methods, submodules, hooks, gradients and modes are as before, and the module trains on as its own."""
    module = style.module
    if style.name == "scheduled":
        module.configure_model()  # so that there is a network to compare
    module.train()
    module.get_submodule(style.at).eval()
    state = lambda: (  # noqa: E731
        sorted(name for name in module.__dict__ if not name.startswith("_")),
        [
            (name, child.training, len(child._forward_hooks), len(child._forward_pre_hooks))
            for name, child in module.named_modules()
        ],
        [(name, p.requires_grad) for name, p in module.named_parameters()],
    )
    before, tensors = state(), tensors_of(module)
    plugin = make_plugin(style.at)
    trainer_of(style.package, plugin).fit(module, style.loader, style.loader)
    assert state() != before
    plugin.detach(module)
    assert state() == before
    assert_same(tensors, tensors_of(module))
    plugin.detach(module)  # again: nothing to do
    trainer_of(style.package, max_steps=2).fit(module, style.loader, style.loader)
    after = tensors_of(module)
    assert any(not torch.equal(tensor, after[name]) for name, tensor in tensors.items())


def test_a_name_that_is_taken_stays_theirs(plain, trainer_of):
    """A module with an attribute of the unit's name is refused, and keeps it."""
    plain.module.bottleneck_unit = theirs = torch.nn.Identity()
    with pytest.raises(ValueError, match="has an attribute 'bottleneck_unit' already"):
        trainer_of(plain.package, make_plugin()).fit(plain.module, plain.loader)
    assert plain.module.bottleneck_unit is theirs
