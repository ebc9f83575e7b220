"""What is weighed as task: the labels, or agreement with the frozen network.

feature ──► frozen tail ──► its features, its output ─┐
feature' ─► tail ─────────► features, output ─────────┴──► objective ◄── label
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from bottleneck.layouts import Layout
from bottleneck.tasks import Task


@dataclass
class Passage:
    """A batch that went through the bottleneck, for an objective to judge.

    Attributes:
        task: Knows the loss against labels.
        target: Labels, or whatever the task judges by.
        output: What the tail made of the reconstructed feature; `None` where no objective needs it.
        layers: What the layers that the objective names made of it on the way.
        reconstruction: What the tail was given.
        frozen: What the frozen network has there on the same images.
        probes: Gradients of its logits in the feature, `(b, K, *feature)`, where the objective wants them.
    """

    task: Task
    target: Any
    output: Any
    layers: dict[str, Tensor]
    reconstruction: Tensor
    frozen: "Frozen"
    probes: Tensor | None = None


class Frozen(Protocol):
    """The frozen network on the images of a batch; it computes what it is asked for, without gradients."""

    def feature(self) -> Tensor:
        """What its tail takes."""

    def output(self) -> Any:
        """Its output."""

    def layers(self, names: Sequence[str]) -> dict[str, Tensor]:
        """The outputs of modules of its tail."""

    def layout(self, name: str) -> Layout:
        """How the axes of a layer's output are read."""

    def parts(self, feature: Tensor) -> list[tuple[Tensor, Layout]]:
        """The tensors that a feature holds, and their layouts: itself, or several that are sent together."""


class Objective(Protocol):
    """Judges a passage.

    Attributes:
        layers: Modules behind the cut whose features it wants to see.
        needs_output: Whether it looks at the output; if not, training ends behind the last layer.
        reads_labels: Whether it looks at the target.
        probes: How many gradient probes of each sample it wants to see (`features.probes`); 0: none.
    """

    layers: tuple[str, ...]
    needs_output: bool
    reads_labels: bool
    probes: int

    def __call__(self, passage: Passage) -> Tensor:
        """Loss of each sample of the batch, `(b,)`."""


class TaskLoss:
    """The task's own loss against the labels, as in the paper."""

    layers: tuple[str, ...] = ()
    needs_output = True
    reads_labels = True
    probes = 0

    def __call__(self, passage: Passage) -> Tensor:
        return passage.task.loss(passage.output, passage.target)


class FrozenLogits:
    """Match the frozen network's output on the same images, as the task compares them; labels are not read.

    Of logits, of images or of pixels: the Kullback-Leibler divergence from the frozen to the new
    distribution, both softened by a temperature and scaled by its square, so that the gradient keeps its
    size. Of a single-stage detector's rows: see `tasks.single_stage`.

    Args:
        temperature: Larger: the small logits count for more.

    Raises:
        ValueError: If the temperature is not positive.

    Source: Hinton et al., "Distilling the knowledge in a neural network", arXiv:1503.02531.
    """

    layers: tuple[str, ...] = ()
    needs_output = True
    reads_labels = False
    probes = 0

    def __init__(self, temperature: float = 4.0):
        if not temperature > 0:
            raise ValueError(f"objective.temperature={temperature} must be positive.")
        self.temperature = temperature

    def __call__(self, passage: Passage) -> Tensor:
        return passage.task.divergence(passage.output, passage.frozen.output(), self.temperature)


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
    reads_labels = False
    probes = 0

    def __init__(self, layers: Sequence[str]):
        self.layers = _checked_layers(layers)
        if not layers:
            raise ValueError(f"objective.layers={layers!r} must be a list of modules behind the cut.")

    def __call__(self, passage: Passage) -> Tensor:
        wanted = passage.frozen.layers(self.layers)
        errors = [
            relative_error(passage.layers[name], wanted[name], passage.frozen.layout(name).channel_axis)
            for name in self.layers
        ]
        return torch.stack(errors).mean(0)


class Matching:
    """Match the frozen feature at the cut by `relative_error`; neither labels nor the tail are needed."""

    layers: tuple[str, ...] = ()
    needs_output = False
    reads_labels = False
    probes = 0

    def __call__(self, passage: Passage) -> Tensor:
        wanted = passage.frozen.parts(passage.frozen.feature())
        errors = [
            relative_error(value, right, layout.channel_axis)
            for (value, layout), (right, _) in zip(
                passage.frozen.parts(passage.reconstruction), wanted, strict=True
            )
        ]
        return torch.stack(errors).mean(0)


class HeadDistillation:
    """Match the frozen network's feature at the cut, as it is; neither labels nor the tail are needed.

    Squared error per element, summed over the cut and, in the generalised form, layers behind it.

    Args:
        layers: Names of modules behind the cut that are matched as well.

    Source: Matsubara and Levorato, EMDL 2020, arXiv:2007.15818, who sum over elements; per element the weight
    does not depend on the image's size.
    """

    needs_output = False
    reads_labels = False
    probes = 0

    def __init__(self, layers: Sequence[str] = ()):
        self.layers = _checked_layers(layers)

    def __call__(self, passage: Passage) -> Tensor:
        error = _per_sample((passage.reconstruction - passage.frozen.feature()).square())
        if self.layers:
            wanted = passage.frozen.layers(self.layers)
            errors = [_per_sample((passage.layers[name] - wanted[name]).square()) for name in self.layers]
            error = error + torch.stack(errors).sum(0)
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
        if not isinstance(terms, Mapping) or not isinstance(weights, Mapping):
            raise ValueError(
                f"objective.weights={weights} must be a mapping by name, and so must objective.terms."
            )
        if not terms or set(terms) != set(weights):
            raise ValueError(
                f"objective.terms={sorted(terms)} and objective.weights={sorted(weights)} must name the same."
            )
        self.weighted = [(weights[name], term) for name, term in terms.items()]
        self.layers = tuple(dict.fromkeys(layer for term in terms.values() for layer in term.layers))
        self.needs_output = any(term.needs_output for term in terms.values())
        self.probes = max(term.probes for term in terms.values())
        self.reads_labels = any(weight != 0 and term.reads_labels for weight, term in self.weighted)

    def __call__(self, passage: Passage) -> Tensor:
        return torch.stack([weight * term(passage) for weight, term in self.weighted]).sum(0)


def relative_error(value: Tensor, wanted: Tensor, channel_axis: int = 1) -> Tensor:
    """Squared error in units of each channel's variance over the batch, averaged over channels.

    Args:
        value: What is judged, `(b, ...)`.
        wanted: What it should be, of the same shape.
        channel_axis: The axis of the channels.

    Returns:
        For each sample, `(b,)`: 0 for equal tensors; on average 1 for a `value` that holds each channel's
        mean alone.
    """
    by_channel = wanted.movedim(channel_axis, 1).flatten(1).unflatten(1, (wanted.shape[channel_axis], -1))
    squared = (value - wanted).square().movedim(channel_axis, 1).reshape(by_channel.shape).mean(2)
    variance = by_channel.var((0, 2), correction=0)
    # A channel that never varies has nothing to be matched beyond its mean.
    found: Tensor = (squared / variance.clamp_min(1e-3 * variance.mean())).mean(1)
    return found


def _per_sample(values: Tensor) -> Tensor:
    return values.flatten(1).mean(1) if values.dim() > 1 else values


def _checked_layers(layers: Sequence[str]) -> tuple[str, ...]:
    if isinstance(layers, str) or not isinstance(layers, Sequence):
        raise ValueError(f"objective.layers={layers!r} must be a list of modules behind the cut.")
    return tuple(layers)
