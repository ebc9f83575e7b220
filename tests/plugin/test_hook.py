"""What becomes of a feature behind the split point."""

import copy

import pytest
import torch
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Subset

from bottleneck.loss import L1Rate
from tests.plugin.helpers import QUIET, assert_same, in_order, make_plugin, tensors_of

pytestmark = QUIET


def test_steps_that_cannot_learn_are_refused(plain, trainer_of):
    """A split point under no_grad, or one that the loss does not need, is an error in the first step."""
    module = plain.module

    def under_no_grad(batch, batch_idx):
        with torch.no_grad():
            feature = module.stage(module.stem(batch[0]))
        return F.cross_entropy(module.fc(feature.mean((2, 3))), batch[1])

    def without(batch, batch_idx):
        module.stage(module.stem(batch[0]))
        return module.fc(torch.ones(1, 32)).sum()

    for step, message in (
        (under_no_grad, "under torch.no_grad"),
        (without, "the loss does not depend on it"),
    ):
        module.training_step = step
        plugin = make_plugin()
        with pytest.raises(ValueError, match=message):
            trainer_of(plain.package, plugin).fit(module, plain.loader)
        plugin.detach(module)


def test_other_steps_may_call_the_training_step(plain, trainer_of):
    """In validation and test it is theirs alone, behind real bytes: nothing is trained or counted there."""
    module = plain.module

    def shared(batch, batch_idx):
        module.log("loss", module.training_step(batch, batch_idx))

    module.validation_step = module.test_step = shared
    trainer = trainer_of(plain.package, make_plugin())
    trainer.fit(module, plain.loader, in_order(plain.loader))
    (logged,) = trainer.test(module, in_order(plain.loader), verbose=False)
    assert set(logged) == {"loss", "test/payload_bytes", "test/bpp"}
    outputs = torch.cat(trainer.predict(module, in_order(plain.loader)))
    loss = F.cross_entropy(outputs, plain.loader.dataset.tensors[1])
    assert logged["loss"] == pytest.approx(loss.item(), rel=1e-4)


def test_mixed_precision_leaves_the_unit_in_float32(plain, trainer_of):
    """Under bf16-mixed the network computes in bfloat16, the unit's weights and latents stay float32."""
    dtypes = set()

    class Watched(L1Rate):
        def forward(self, output):
            if len(output.latent) > 1:
                dtypes.add((output.latent.dtype, plain.module.fc(torch.zeros(1, 32)).dtype))
            return super().forward(output)

    plugin = make_plugin(rate=Watched)
    trainer = trainer_of(plain.package, plugin, precision="bf16-mixed")
    trainer.fit(plain.module, plain.loader, plain.loader)
    assert dtypes == {(torch.float32, torch.bfloat16)}
    assert {parameter.dtype for parameter in plugin.unit.parameters()} == {torch.float32}
    assert trainer.callback_metrics["val/bpp"] > 0


def test_a_last_batch_of_one_trains(plain, trainer_of):
    """One value per channel has no variance: running statistics normalise that batch, and it counts."""
    loader = DataLoader(Subset(plain.loader.dataset, range(33)), batch_size=32)
    plugin, states = make_plugin(stride=4), []

    class Watch(plain.package.Callback):
        def on_train_batch_end(self, trainer, pl_module, *_):
            states.append(tensors_of(plugin.unit))

    trainer_of(plain.package, plugin, Watch()).fit(plain.module, loader)
    assert plugin.unit.latent_shape == (8, 1, 1)
    first, last = states
    moved = {name for name in last if not torch.equal(first[name], last[name])}
    assert {"encoder.0.weight", "decoder.3.weight"} <= moved
    assert not {name for name in moved if name.startswith("encoder") and "running" in name}
    assert plugin.unit.training


@pytest.mark.parametrize("whole", [True, False])
def test_gradient_checkpointing_changes_nothing(whole, plain, trainer_of):
    """A network that is run again in the backward pass trains the very unit, and counts each batch once."""
    units = []
    for again in (False, True):
        torch.manual_seed(0)
        module = copy.deepcopy(plain.module)
        inner = module if whole else module.stage
        if again:
            forward = inner.forward
            inner.forward = lambda x, forward=forward: checkpoint(forward, x, use_reentrant=False)
        plugin = make_plugin("stage" if whole else "stage.1")
        trainer_of(plain.package, plugin).fit(module, in_order(plain.loader))
        units.append({k: v for k, v in plugin.unit.state_dict().items() if "num_batches" not in k})
    assert_same(*units)


def test_reentrant_gradient_checkpointing_is_told_the_cure(plain, trainer_of):
    """PyTorch's older kind runs the network without gradients first; the message names the other."""
    forward = plain.module.forward
    plain.module.forward = lambda x: checkpoint(forward, x.requires_grad_(), use_reentrant=True)
    with pytest.raises(ValueError, match="use_reentrant=False"):
        trainer_of(plain.package, make_plugin()).fit(plain.module, plain.loader)
