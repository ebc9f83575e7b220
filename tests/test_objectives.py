"""Objectives: labels, or the frozen network's outputs."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bottleneck.objectives import FrozenLogits, Labels
from bottleneck.tasks import Classification

TASK = Classification(5)
FEATURE, TARGET = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 5
TAIL = nn.Identity()


def test_labels_are_the_tasks_cross_entropy():
    """The paper's objective is the mean cross-entropy of the output, and reads no feature."""
    output = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    assert Labels()(TASK, output, TARGET, None, None) == F.cross_entropy(output, TARGET)


def test_matching_is_zero_at_the_frozen_output_and_positive_elsewhere():
    """The divergence vanishes exactly where the output is the frozen one, whatever the labels say."""
    objective = FrozenLogits(2.0)
    assert objective(TASK, FEATURE + 3.0, TARGET, FEATURE, TAIL).item() == pytest.approx(0, abs=1e-6)
    assert objective(TASK, FEATURE.flip(1), TARGET, FEATURE, TAIL) > 0.1
    assert objective(TASK, FEATURE.flip(1), TARGET.flip(0), FEATURE, TAIL) == objective(
        TASK, FEATURE.flip(1), TARGET, FEATURE, TAIL
    )


def test_gradient_leads_to_the_frozen_output():
    """Descending the objective from a flat output ends at the frozen network's probabilities."""
    output = torch.zeros(6, 5, requires_grad=True)
    for _ in range(400):
        (gradient,) = torch.autograd.grad(FrozenLogits(2.0)(TASK, output, TARGET, FEATURE, TAIL), output)
        output = (output - 6 * gradient).detach().requires_grad_()
    torch.testing.assert_close(output.softmax(1), FEATURE.softmax(1), atol=1e-3, rtol=0)


def test_frozen_side_takes_no_gradient():
    """The frozen output is a constant: nothing flows back into the feature."""
    feature = FEATURE.clone().requires_grad_()
    output = torch.zeros(6, 5, requires_grad=True)
    FrozenLogits()(TASK, output, TARGET, feature, TAIL).backward()
    assert feature.grad is None
    assert output.grad is not None


def test_impossible_temperature_is_refused():
    """A temperature has to be positive."""
    with pytest.raises(ValueError, match=r"objective\.temperature=0"):
        FrozenLogits(0)
