"""How hard an image is, told on the device before anything is sent: which point of a frontier it deserves.

    feature ──► means over a grid ──► linear: a class ──► margin ──► risk at each point
                                                          risk + price · bytes, the least ──► point

A tiny classifier guesses the network's answer from what the head gives. How sure it is of its guess says more
about what becomes of an image than the bytes that it takes, or than a regression of that from the same
means. The price is the one at which the images that it was calibrated on take as many bytes on average as are
asked for.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bottleneck.layouts import Layout

_GRID = 4  # cells of a side; finer ones say little more
_FEWEST = 5  # images of a class that can be learned
_REGULARISATION = 0.01  # scikit-learn's C
_PRICES = np.concatenate([[0.0], np.geomspace(1e-8, 10, 400)])  # of a byte, in risk


class Judged(NamedTuple):
    """What became of images that neither units nor classifier have learned from.

    Attributes:
        means: `grid_means` of what the head gives, `(n, F)`.
        sureness: The probability of the answer to each point's payload, `(n, K)`.
        payload_bytes: What each point sends, likewise.
    """

    means: NDArray[np.float32]
    sureness: NDArray[np.float64]
    payload_bytes: NDArray[np.float64]


class Hardness(NamedTuple):
    """Chooses among the K points of a frontier.

    Attributes:
        weight: Of the tiny classifier, `(classes, F)`.
        bias: Likewise, `(classes,)`.
        risk: Slope and offset of each point's risk, a logistic function of the margin, `(K, 2)`.
        payload_bytes: Mean payload of each point, `(K,)`.
        spent: Mean bytes of the images that it was calibrated on at each of some prices: price and bytes, the
            price rising, `(P, 2)`.
    """

    weight: Tensor
    bias: Tensor
    risk: Tensor
    payload_bytes: Tensor
    spent: Tensor

    @classmethod
    def fit(cls, means: NDArray[np.float32], answers: NDArray[np.int64], judged: Judged) -> Self:
        """Learn the classifier from training images, risks and prices from others.

        Args:
            means: `grid_means` of training images, `(m, F)`.
            answers: The network's classes, `(m,)`; those that it gives to fewer than five are left out.
            judged: Of other images: what units have learned from says little about what they do to the rest.

        Raises:
            ValueError: If fewer than two classes are left.
        """
        from sklearn.linear_model import LogisticRegression  # devices need none of it
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        classes, counts = np.unique(answers, return_counts=True)
        frequent = classes[counts >= _FEWEST]
        if len(frequent) < 2:
            raise ValueError(
                f"the network gives {len(frequent)} of its classes to {_FEWEST} or more of "
                f"{len(answers)} training images. A classifier needs two such classes: more images."
            )
        often = np.isin(answers, frequent)
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=_REGULARISATION, max_iter=1000))
        classifier.fit(means[often], answers[often])
        guesses = classifier.predict_log_proba(judged.means)
        margins = _margins(torch.from_numpy(np.asarray(guesses, np.float32))).numpy()
        scaler, linear = classifier[0], classifier[1]
        weight, bias = linear.coef_, linear.intercept_
        if len(weight) == 1:  # two classes have one logit
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        weight = weight / scaler.scale_
        risk = np.array([_logistic(margins, 1 - sureness) for sureness in judged.sureness.T])
        found = cls(
            weight=_tensor(weight),
            bias=_tensor(bias - weight @ scaler.mean_),
            risk=_tensor(risk),
            payload_bytes=_tensor(judged.payload_bytes.mean(0)),
            spent=torch.empty(0, 2),
        )
        every = np.arange(len(margins))
        spent = [judged.payload_bytes[every, found._at(margins, price)].mean() for price in _PRICES]
        return found._replace(spent=_tensor(np.stack([_PRICES, np.minimum.accumulate(spent)], 1)))

    def choose(self, means: Tensor, mean_bytes: float) -> NDArray[np.int64]:
        """The point of each image, by its place in the frontier's order, `(b,)`.

        Args:
            means: `grid_means` of what the head gives, `(b, F)`.
            mean_bytes: To be spent on average.

        Raises:
            ValueError: If that is no number or less than the cheapest point takes, or the feature another.
        """
        least = float(self.spent[-1, 1])
        if not isinstance(mean_bytes, (int, float)) or not mean_bytes >= least:
            raise ValueError(f"mean_bytes={mean_bytes} is too few: the cheapest point takes {least:.1f}.")
        if means.shape[1] != self.weight.shape[1]:
            raise ValueError(
                f"this frontier's hardness takes {self.weight.shape[1]} means of a feature, and here are "
                f"{means.shape[1]}. Let `evaluate.py adaptive.mean_bytes=...` write it again."
            )
        kept = self.spent[self.spent[:, 1] <= mean_bytes]
        logits = means.to(self.weight) @ self.weight.T + self.bias
        return self._at(_margins(logits.log_softmax(1)).numpy(), float(kept[0, 0]))

    def _at(self, margins: NDArray[np.float32], price: float) -> NDArray[np.int64]:
        slope, offset = self.risk.numpy().T
        risks = 1 / (1 + np.exp(-(np.outer(margins, slope) + offset)))
        return np.asarray((risks + price * self.payload_bytes.numpy()).argmin(1))

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds of it."""
        return self._asdict()

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], points: int) -> Self:
        """The inverse of `tensors`, for a frontier of so many points.

        Raises:
            ValueError: If something is missing, of another shape, or no finite number.
        """
        if set(tensors) != set(cls._fields):
            raise ValueError(f"it holds {sorted(tensors)}, not {sorted(cls._fields)}.")
        found = cls(**tensors)
        classes, means = (*found.weight.shape, 0, 0)[:2]
        shapes = [(classes, means), (classes,), (points, 2), (points,), (len(found.spent), 2)]
        for name, tensor, shape in zip(cls._fields, found, shapes, strict=True):
            if tuple(tensor.shape) != shape or tensor.dtype != torch.float32 or not tensor.numel():
                raise ValueError(
                    f"{name} is {tensor.dtype} of {tuple(tensor.shape)}, not float32 of {shape}."
                )
            if not tensor.isfinite().all():
                raise ValueError(f"{name} holds what is no finite number.")
        return found


def grid_means(feature: Tensor, layout: Layout) -> Tensor:
    """Means over a grid of 4×4 cells, or over fewer where a map is smaller, or over all tokens, `(b, F)`."""
    batch = layout.channels_first(feature).float()
    if batch.dim() == 4:
        batch = F.adaptive_avg_pool2d(batch, (min(_GRID, batch.shape[2]), min(_GRID, batch.shape[3])))
    elif batch.dim() == 3:
        batch = batch.mean(2)
    return batch.flatten(1)


def _margins(log_probabilities: Tensor) -> Tensor:
    """Logarithm of the odds of each image's likeliest class, `(b,)`."""
    best = log_probabilities.amax(1).clamp(-30.0, -1e-6)
    return best - torch.log(-torch.expm1(best))


def _logistic(margins: NDArray[np.float32], risks: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and offset of a logistic function of the margin that is as large as the risks are."""
    from sklearn.linear_model import LogisticRegression

    each = np.concatenate([margins, margins])[:, None]
    happens = np.repeat([1, 0], len(margins))
    weights = np.concatenate([risks, 1 - risks]).clip(1e-6)
    fitted = LogisticRegression(C=1e3).fit(each, happens, sample_weight=weights)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def _tensor(array: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))
