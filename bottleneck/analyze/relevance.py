"""Which coefficients matter to the decision, and whether they are the large ones.

Three definitions, of the predicted class's probability y and the feature A:

- ``gradient``: |dy/dA|; how much a change of the coefficient matters, also where it is 0;
- ``gradient_x_activation``: dy/dA · A; what the coefficient contributes, nothing where it is 0;
- ``grad_cam``: ReLU(sum over channels of (mean gradient of the channel) · A), one map for all channels.

Source: Carra and Neglia, GLOBECOM 2023; Grad-CAM is Selvaraju et al., ICCV 2017.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bottleneck.analyze.coefficients import cumulative, value_grid

DEFINITIONS = ("gradient", "gradient_x_activation", "grad_cam")

_BATCH = 32  # images whose gradients are held at once


@dataclass(frozen=True)
class TopCoefficients:
    """The most relevant coefficients of each image under one definition, all images together.

    Attributes:
        cdf: Share of them at or below each of `Relevance.values`.
        mean_magnitude: Their mean absolute value, over that of all coefficients.
        zero_fraction: Share of them that are 0, in [0, 1].
        share_of_zeros: Share of all zeros that are among them.
    """

    cdf: list[float]
    mean_magnitude: float
    zero_fraction: float
    share_of_zeros: float


@dataclass(frozen=True)
class Relevance:
    """Relevant coefficients against all.

    Attributes:
        n: Images.
        top: Share of each image's coefficients that counts as the most relevant ones.
        values: See `value_grid`.
        cdf: Share of all coefficients at or below each of `values`.
        zero_fraction: Share of all coefficients that are 0.
        definitions: By name, as in the module's docstring.
    """

    n: int
    top: float
    values: list[float]
    cdf: list[float]
    zero_fraction: float
    definitions: dict[str, TopCoefficients]

    @property
    def summary(self) -> str:
        per_definition = (
            f"{name} {found.mean_magnitude:.2f} × the mean magnitude, {found.zero_fraction:.1%} zeros"
            for name, found in self.definitions.items()
        )
        return (
            f"{self.zero_fraction:.1%} of all coefficients are zero; most relevant {self.top:.0%}: "
            f"{'; '.join(per_definition)}"
        )

    @classmethod
    def of(
        cls, features: NDArray[np.float32], relevance: dict[str, NDArray[np.float64]], top: float
    ) -> "Relevance":
        """Compare the most relevant coefficients of each image with all.

        Args:
            features: Shape ``(n, C, H, W)``.
            relevance: By definition, of the same shape.
            top: Share of each image's coefficients, in (0, 1]. Only those of positive relevance count.

        Raises:
            ValueError: If `top` is no such share.
        """
        if not 0 < top <= 1:
            raise ValueError(f"relevance.top={top} is no share of the coefficients. Use above 0 to 1.")
        values = value_grid(features)
        definitions = {}
        for name, of_all in relevance.items():
            chosen = features[most_relevant(of_all, top)]
            definitions[name] = TopCoefficients(
                cdf=cumulative(chosen, values).tolist(),
                mean_magnitude=_mean(np.abs(chosen)) / (_mean(np.abs(features)) or 1.0),
                zero_fraction=_mean(chosen == 0),
                share_of_zeros=int((chosen == 0).sum()) / max(1, int((features == 0).sum())),
            )
        return cls(
            n=len(features),
            top=top,
            values=values.tolist(),
            cdf=cumulative(features, values).tolist(),
            zero_fraction=_mean(features == 0),
            definitions=definitions,
        )


def relevance(tail: Callable[[Tensor], Tensor], features: Tensor) -> dict[str, Tensor]:
    """Relevance of every coefficient under each definition.

    Args:
        tail: Feature to logits of two classes or more, ``(b, classes)`` or, pixel by pixel,
            ``(b, classes, H, W)``. Pixels are summed.
        features: Floating point, shape ``(b, C, H, W)``.

    Returns:
        By name of `DEFINITIONS`, float64, shape ``(b, C, H, W)``.
    """
    with torch.enable_grad():
        feature = features.detach().clone().requires_grad_()
        logits = tail(feature).double()
        predicted = logits.argmax(dim=1, keepdim=True)
        others = logits.scatter(1, predicted, -torch.inf).logsumexp(dim=1)
        # y = sigmoid(margin): in this form a class that is nearly certain still has a gradient.
        margin = logits.gather(1, predicted).squeeze(1) - others
        margin = margin.reshape(len(margin), -1)  # an image's pixels, or the image itself
        slope = (torch.sigmoid(margin) * torch.sigmoid(-margin)).detach()
        # Tiny slopes would be lost in float32, so each image's largest is multiplied in afterwards.
        largest = slope.amax(dim=1).clamp_min(torch.finfo(slope.dtype).tiny)
        (gradient,) = torch.autograd.grad((margin * slope / largest[:, None]).sum(), feature)
    gradient = gradient.double() * largest[:, None, None, None]
    activation = feature.detach().double()
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    grad_cam = F.relu((weights * activation).sum(dim=1, keepdim=True)).expand_as(activation)
    return dict(zip(DEFINITIONS, (gradient.abs(), gradient * activation, grad_cam), strict=True))


def relevance_of(
    tail: Callable[[Tensor], Tensor], features: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """`relevance` of any number of features, a few at a time. Shapes ``(n, C, H, W)``."""
    parts = [relevance(tail, part) for part in torch.from_numpy(features).split(_BATCH)]
    return {name: torch.cat([part[name].cpu() for part in parts]).numpy() for name in DEFINITIONS}


def most_relevant(relevance: NDArray[np.float64], top: float) -> NDArray[np.bool_]:
    """Where each image's share `top` of coefficients of greatest, positive relevance is. Shape as given."""
    images = relevance.reshape(len(relevance), -1)
    order = np.argsort(-images, axis=1, kind="stable")[:, : max(1, round(top * images.shape[1]))]
    chosen = np.zeros(images.shape, dtype=bool)
    np.put_along_axis(chosen, order, True, axis=1)
    return (chosen & (images > 0)).reshape(relevance.shape)


def _mean(array: NDArray[Any]) -> float:
    return float(array.mean(dtype=np.float64)) if array.size else 0.0
