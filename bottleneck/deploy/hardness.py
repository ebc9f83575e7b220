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
_FOLDS = 5
_REGULARISATION = 0.01  # scikit-learn's C
_PRICES = np.concatenate([[0.0], np.geomspace(1e-8, 10, 400)])  # of a byte, in risk


class Judged(NamedTuple):
    """What is known of some images.

    Attributes:
        means: `grid_means` of what the head gives, `(n, F)`.
        answers: The network's classes, `(n,)`.
        sureness: The probability of the answer to each point's payload, `(n, K)`; `(n, 0)` where only the
            classifier learns from them.
        payload_bytes: What each point sends, likewise.
    """

    means: NDArray[np.float32]
    answers: NDArray[np.int64]
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
    def fit(cls, known: Judged, unseen: Judged | None = None) -> Self:
        """Learn from training images.

        Args:
            known: Of training images; those of a class that the network gives to fewer than five are left
                out.
            unseen: Of images that neither units nor classifier have learned from, for risks and prices;
                `None`: the training images, each judged by a classifier that was fitted without it.

        Raises:
            ValueError: If fewer than two classes are left.
        """
        from sklearn.linear_model import LogisticRegression  # devices need none of it
        from sklearn.model_selection import cross_val_predict
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        classes, counts = np.unique(known.answers, return_counts=True)
        frequent = classes[counts >= _FOLDS]
        if len(frequent) < 2:
            raise ValueError(
                f"the network gives {len(frequent)} of its classes to {_FOLDS} or more of "
                f"{len(known.answers)} training images. A classifier needs two such classes: more images."
            )
        often = np.isin(known.answers, frequent)
        known = Judged(
            known.means[often], known.answers[often], known.sureness[often], known.payload_bytes[often]
        )
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=_REGULARISATION, max_iter=1000))
        if unseen is None:
            judged = known
            guesses = cross_val_predict(
                classifier, known.means, known.answers, cv=_FOLDS, method="predict_log_proba"
            )
        classifier.fit(known.means, known.answers)
        if unseen is not None:
            judged, guesses = unseen, classifier.predict_log_proba(unseen.means)
        margins = _margins(torch.from_numpy(np.asarray(guesses, np.float32))).numpy()
        scaler, linear = classifier[0], classifier[1]
        weight, bias = linear.coef_, linear.intercept_
        if len(weight) == 1:  # two classes have one logit
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        weight = weight / scaler.scale_
        risk = np.array([_logistic(margins, 1 - sureness) for sureness in judged.sureness.T])
        sizes = judged.payload_bytes.mean(0)
        found = cls(
            weight=_tensor(weight),
            bias=_tensor(bias - weight @ scaler.mean_),
            risk=_tensor(risk),
            payload_bytes=_tensor(sizes),
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
