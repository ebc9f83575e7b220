"""What training maximises as task: the labels, or agreement with the frozen network.

feature ──► frozen tail ──► its features, its output ─┐
feature' ─► tail ─────────► features, output ─────────┴──► objective ◄── label
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from bottleneck.tasks import Task


@dataclass
class Passage:
    """A batch that went through the bottleneck, for an objective to judge.

    Attributes:
        task: Knows the loss against labels.
        target: Labels, or whatever the task judges by.
        inputs: What `frozen` takes: the head's output, or the image where the head is trained too.
        frozen: The frozen tail, or the whole frozen network.
        output: What the tail made of the reconstructed feature.
        layers: What the layers that the objective names made of it on the way.
        sizes: What the tail was told beside the feature.
        reconstruction: The feature that came out of the unit.
        feature: The frozen network's own at the cut.
    """

    task: Task
    target: Any
    inputs: Tensor
    frozen: Any
    output: Any
    layers: dict[str, Tensor] = field(default_factory=dict)
    sizes: dict[str, Any] = field(default_factory=dict)
    reconstruction: Tensor | None = None
    feature: Tensor | None = None


class Objective(Protocol):
    """Judges a passage.

    Attributes:
        layers: Modules behind the cut whose features it wants to see.
        needs_output: Whether it looks at the output; if not, training ends behind the last layer.
    """

    layers: tuple[str, ...]
    needs_output: bool

    def __call__(self, passage: Passage) -> Tensor:
        """Loss of a batch, a scalar."""


class TaskLoss:
    """The task's own loss against the labels, as in the paper."""

    layers: tuple[str, ...] = ()
    needs_output = True

    def __call__(self, passage: Passage) -> Tensor:
        return passage.task.loss(passage.output, passage.target)


class FrozenLogits:
    """Match the frozen network's logits, of images or of pixels, on the same images; labels are not read.

    The Kullback-Leibler divergence from the frozen to the new distribution, both softened by a temperature
    and scaled by its square, so that the gradient keeps its size.

    Args:
        temperature: Larger: the small logits count for more.

    Raises:
        ValueError: If the temperature is not positive.

    Source: Hinton et al., "Distilling the knowledge in a neural network", arXiv:1503.02531.
    """

    layers: tuple[str, ...] = ()
    needs_output = True

    def __init__(self, temperature: float = 2.0):
        if not temperature > 0:
            raise ValueError(f"objective.temperature={temperature} must be positive.")
        self.temperature = temperature

    def __call__(self, passage: Passage) -> Tensor:
        with torch.no_grad():
            wanted = passage.frozen(passage.inputs.detach())
        logits, wanted = (output.movedim(1, -1).flatten(0, -2) for output in (passage.output, wanted))
        divergence = F.kl_div(
            F.log_softmax(logits / self.temperature, dim=1),
            F.softmax(wanted / self.temperature, dim=1),
            reduction="batchmean",
        )
        return self.temperature**2 * divergence


class FrozenFeatures:
    """Match the frozen network's features behind the cut; labels are not read.

    The mean over the layers of `relative_error`, so that no layer counts for more because its numbers are
    large.

    Args:
        layers: Names of modules behind the cut.

    Raises:
        ValueError: If no layer is named.

    Source: head distillation, Matsubara and Levorato, arXiv:2007.15818, whose squared error is not scaled.
    """

    needs_output = False

    def __init__(self, layers: Sequence[str]):
        if not layers or isinstance(layers, str):
            raise ValueError(f"objective.layers={layers!r} must be a list of modules behind the cut.")
        self.layers = tuple(layers)

    def __call__(self, passage: Passage) -> Tensor:
        with torch.no_grad():
            _, wanted = passage.frozen.watch(
                passage.inputs.detach(), self.layers, passage.sizes, finish=False
            )
        errors = [
            # Sequences of tokens, (b, L, C), have their channels last.
            relative_error(
                passage.layers[name], wanted[name], channel_axis=2 if wanted[name].dim() == 3 else 1
            )
            for name in self.layers
        ]
        return torch.stack(errors).mean()


class HeadDistillation:
    """Match the frozen network's feature at the cut, as it is; neither labels nor the tail are needed.

    Squared error per element, summed over the cut and, in the generalised form, layers behind it.

    Args:
        layers: Names of modules behind the cut that are matched as well.

    Source: Matsubara and Levorato, EMDL 2020, arXiv:2007.15818, who sum over elements; per element the weight
    does not depend on the image's size.
    """

    needs_output = False

    def __init__(self, layers: Sequence[str] = ()):
        if isinstance(layers, str):
            raise ValueError(f"objective.layers={layers!r} must be a list of modules behind the cut.")
        self.layers = tuple(layers)

    def __call__(self, passage: Passage) -> Tensor:
        if passage.reconstruction is None or passage.feature is None:
            raise ValueError("head distillation needs a frozen feature at the cut; use trainable=bottleneck.")
        error = F.mse_loss(passage.reconstruction, passage.feature)
        if self.layers:
            with torch.no_grad():
                _, wanted = passage.frozen.watch(passage.feature, self.layers, passage.sizes, finish=False)
            error = error + sum(F.mse_loss(passage.layers[name], wanted[name]) for name in self.layers)
        return error


class Sum:
    """Several objectives at once.

    Args:
        terms: Objectives by name.
        weights: What each of them is multiplied by, by the same names.

    Raises:
        ValueError: If the names differ, or there are none.
    """

    def __init__(self, terms: Mapping[str, Objective], weights: Mapping[str, float]):
        if not terms or set(terms) != set(weights):
            raise ValueError(
                f"objective.terms={sorted(terms)} and objective.weights={sorted(weights)} must name the same."
            )
        self.weighted = [(weights[name], term) for name, term in terms.items()]
        self.layers = tuple(dict.fromkeys(layer for term in terms.values() for layer in term.layers))
        self.needs_output = any(term.needs_output for term in terms.values())

    def __call__(self, passage: Passage) -> Tensor:
        return torch.stack([weight * term(passage) for weight, term in self.weighted]).sum()


def relative_error(value: Tensor, wanted: Tensor, channel_axis: int = 1) -> Tensor:
    """Squared error in units of each channel's variance over the batch, averaged over channels.

    Args:
        value: What is judged, `(b, ...)`.
        wanted: What it should be, of the same shape.
        channel_axis: The axis of the channels.

    Returns:
        A scalar: 0 for equal tensors, 1 for a `value` that holds each channel's mean alone.
    """
    rest = [axis for axis in range(wanted.dim()) if axis != channel_axis]
    squared = (value - wanted).square().mean(rest)
    variance = wanted.var(rest, correction=0)
    # A channel that never varies has nothing to be matched beyond its mean.
    return (squared / variance.clamp_min(1e-3 * variance.mean())).mean()
