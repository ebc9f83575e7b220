"""The harness: every method on the same samples, through real bytes.

    feature ──► [unit] ──► codec.encode ──► payload ──► codec.decode ──► [unit] ──► tail ──► metric

A reported size is the length of bytes that were decoded again, and a reported accuracy is what the tail
makes of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from bottleneck.codecs import Codec
from bottleneck.complexity import mac_count, parameter_count
from bottleneck.devices import device_of
from bottleneck.layouts import channels_back, channels_first
from bottleneck.results import Result, paired_interval, proportion_interval
from bottleneck.splitting import SplitModel
from bottleneck.tasks import Classification
from bottleneck.timing import median_ms
from bottleneck.unit import Unit

_TIMED_SAMPLES = 16

Batches = Iterable[tuple[Tensor, Tensor]]


class Transform(Protocol):
    """What stands between the feature and the codec."""

    def symbols(self, feature: Tensor) -> Tensor: ...

    def reconstruct(self, symbols: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Untransformed:
    """The feature itself is coded, channels first, as codecs expect of their arrays.

    Attributes:
        layout: The split point's layout.
    """

    layout: str = "CHW"

    def symbols(self, feature: Tensor) -> Tensor:
        return channels_first(feature, self.layout)

    def reconstruct(self, symbols: Tensor) -> Tensor:
        return channels_back(symbols, self.layout)


@dataclass
class Method:
    """One way to send a feature.

    Attributes:
        name: As in the results contract, such as `rle-4`.
        codec: Makes and reads the bytes.
        transform: A trained unit, or nothing.
    """

    name: str
    codec: Codec
    transform: Transform = field(default_factory=Untransformed)

    def fit(self, features: Batches) -> None:
        """Fit the codec's tables on training features; a codec without tables reads none of them."""
        self.codec.fit(array for feature, _ in features for array in self.arrays(feature))

    def arrays(self, feature: Tensor) -> np.ndarray:
        """What is coded for a batch of features, one array per sample."""
        return self.transform.symbols(feature).cpu().numpy()

    def receive(self, arrays: np.ndarray, device: torch.device) -> Tensor:
        """The features that the server goes on with, from decoded arrays."""
        return self.transform.reconstruct(torch.from_numpy(arrays).to(device))


class _Tally:
    """What became of the samples that one method sent."""

    def __init__(self, task: Classification):
        self.task = task
        self.metrics = task.metrics(synchronised=False)  # the other processes of a run are done
        self.scores: list[Tensor] = []
        self.payload_sizes: list[int] = []
        self.ideal_bits: list[float] = []
        self.zero_fractions: list[float] = []

    def judge(self, output: Any, target: Tensor) -> None:
        """Count a batch of the tail's outputs."""
        self.metrics.update(output.cpu(), target.cpu())
        self.scores.append(self.task.scores(output, target.to(output.device)).cpu())

    def values(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.metrics.compute().items()}

    def sample_scores(self) -> np.ndarray:
        return torch.cat(self.scores).numpy()


class _Outputs:
    """The tail's outputs for one batch, through several methods: what arrives alike is not computed twice."""

    def __init__(self, tail: nn.Module):
        self._tail = tail
        self._known: list[tuple[Tensor, Any]] = []

    def of(self, feature: Tensor) -> Any:
        for other, output in self._known:
            if torch.equal(feature, other):
                return output
        self._known.append((feature, self._tail(feature)))
        return self._known[-1][1]


@dataclass
class Reference:
    """What the frozen network, unsplit, did on some samples.

    Attributes:
        tally: Its metrics and scores.
        head_ms: Milliseconds that its head takes for one image; `tail_ms` likewise.
    """

    tally: _Tally
    head_ms: float
    tail_ms: float


@torch.no_grad()
def reference_on(net: SplitModel, features: Batches, task: Classification, image: Tensor) -> Reference:
    """Let the frozen network judge samples once, for many calls of `evaluate` on those samples.

    Args:
        net: The frozen network, split.
        features: `(features, targets)` batches.
        task: Says which metric.
        image: One image that enters the head, `(1, C, H, W)`.

    Raises:
        ValueError: If there are no samples.
    """
    device = device_of(net)
    tally, timed = _Tally(task), None
    for feature, target in features:
        feature = feature.to(device)
        timed = feature[:_TIMED_SAMPLES] if timed is None else timed
        tally.judge(net.tail(feature), target)
    return Reference(tally, *_halves_ms(net, image.to(device), timed))


@torch.no_grad()
def evaluate(
    net: SplitModel,
    features: Batches,
    methods: list[Method],
    task: Classification,
    image: Tensor,
    about: dict[str, Any],
    reference: Reference | None = None,
) -> list[Result]:
    """Measure the frozen network and every method on the same samples.

    Args:
        net: The network, split where the methods are to be measured; everything runs on its device.
        features: `(features, targets)` batches of the samples to report on.
        methods: Ways to send the feature, their codecs fitted.
        task: Says which metric.
        image: One image that enters the head, `(1, C, H, W)`; it counts the pixels and times the head.
        about: The rows' `dataset`, `model` and `seed`.
        reference: What the frozen network did on these very samples, if that is known already.

    Returns:
        A row for the frozen network, then one for each method.

    Raises:
        ValueError: If there are no samples.
    """
    net.eval()
    image = image.to(device_of(net))
    frozen = _Tally(task) if reference is None else reference.tally
    tallies = [_Tally(task) for _ in methods]
    timed: Tensor | None = None
    for feature, target in tqdm(features, "Measuring", unit="batch"):
        feature = feature.to(image.device)
        timed = feature[:_TIMED_SAMPLES] if timed is None else timed
        outputs = _Outputs(net.tail)
        if reference is None:
            frozen.judge(outputs.of(feature), target)
        for method, tally in zip(methods, tallies, strict=True):
            tally.judge(outputs.of(_send(method, feature, tally)), target)
    if reference is None:
        reference = Reference(frozen, *_halves_ms(net, image, timed))
    assert timed is not None, "a reference has samples"

    about = {"task": task.name, "metric": task.metric, "split": net.point.name, **about}
    about |= {"head_ms": reference.head_ms, "tail_ms": reference.tail_ms}
    pixels = image.shape[-2] * image.shape[-1]
    return [_row("frozen", frozen, frozen, about)] + [
        _row(
            method.name,
            tally,
            frozen,
            about
            | _rates(tally, pixels, timed[0].numel())
            | _times(method, timed)
            | _cost(method, net, timed),
        )
        for method, tally in zip(methods, tallies, strict=True)
    ]


def _halves_ms(net: SplitModel, image: Tensor, features: Tensor | None) -> tuple[float, float]:
    """Milliseconds of head and tail for one sample."""
    if features is None:
        raise ValueError("There are no samples to measure. Look at data.root and data.val_limit.")
    return median_ms(net.head, [image] * _TIMED_SAMPLES), median_ms(net.tail, features.split(1))


def _send(method: Method, feature: Tensor, tally: _Tally) -> Tensor:
    """Send a batch through real bytes, sample by sample, and return the features that arrive."""
    arrays = method.arrays(feature)
    payloads = [method.codec.encode(array) for array in arrays]
    tally.payload_sizes += [len(payload) for payload in payloads]
    ideal_bits = [method.codec.ideal_bits(array) for array in arrays]
    tally.ideal_bits += [bits for bits in ideal_bits if bits is not None]
    if (zero_fraction := getattr(method.codec, "zero_fraction", None)) is not None:
        tally.zero_fractions += [zero_fraction(array) for array in arrays]
    return method.receive(np.stack([method.codec.decode(payload) for payload in payloads]), feature.device)


def _row(name: str, tally: _Tally, frozen: _Tally, known: dict[str, Any]) -> Result:
    scores, reference = tally.sample_scores(), frozen.sample_scores()
    metrics, metric = tally.values(), tally.task.metric
    value, baseline = metrics[metric], frozen.values()[metric]
    return Result(
        method=name,
        n=len(scores),
        value=value,
        metrics=metrics,
        value_interval=proportion_interval(value, len(scores)),
        baseline=baseline,
        drop=baseline - value,
        drop_interval=paired_interval(reference, scores),
        **known,
    )


def _rates(tally: _Tally, pixels: int, elements: int) -> dict[str, Any]:
    payload_bytes = float(np.mean(tally.payload_sizes))
    return {
        "payload_bytes": payload_bytes,
        "payload_bytes_p95": float(np.percentile(tally.payload_sizes, 95)),
        "bpp": 8 * payload_bytes / pixels,
        "bits_per_element": 8 * payload_bytes / elements,
        "estimated_bpp": float(np.mean(tally.ideal_bits)) / pixels if tally.ideal_bits else None,
        "zero_fraction": float(np.mean(tally.zero_fractions)) if tally.zero_fractions else None,
    }


def _times(method: Method, features: Tensor) -> dict[str, float]:
    """Milliseconds that one sample takes from feature to payload and back."""
    payloads = [method.codec.encode(method.arrays(feature)[0]) for feature in features.split(1)]
    return {
        "encode_ms": median_ms(lambda x: method.codec.encode(method.arrays(x)[0]), features.split(1)),
        "decode_ms": median_ms(
            lambda payload: method.receive(method.codec.decode(payload)[None], features.device), payloads
        ),
    }


def _cost(method: Method, net: SplitModel, features: Tensor) -> dict[str, int]:
    """Parameters and multiply-accumulates of the unit, and of all that the device runs."""
    unit = method.transform
    if not isinstance(unit, Unit):
        return {"device_macs": net.point.macs}
    encoder_macs = mac_count(unit.encode, features[:1])
    return {
        "unit_params": parameter_count(unit),
        "unit_macs": mac_count(unit, features[:1]),
        "encoder_params": parameter_count(unit.encoder),
        "encoder_macs": encoder_macs,
        "device_macs": net.point.macs + encoder_macs,
    }
