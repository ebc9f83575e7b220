"""The harness: every method on the same samples, through real bytes.

    feature ──► [unit] ──► codec.encode ──► payload ──► codec.decode ──► [unit] ──► tail ──► metric

A reported size is the length of bytes that were decoded again, and a reported accuracy is what the tail
makes of them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from bottleneck.complexity import mac_count, parameter_count
from bottleneck.devices import device_of, moved
from bottleneck.methods import Batches, Method
from bottleneck.models.image_sizes import IMAGE_SIZES
from bottleneck.results import Result
from bottleneck.splitting import SplitModel
from bottleneck.tasks import Task
from bottleneck.timing import median_ms

_TIMED_SAMPLES = 16

Timed = tuple[Tensor, list[bytes]]  # a few of the head's outputs, and their headers


class _Tally:
    """What became of the samples that one method sent."""

    def __init__(self, task: Task):
        self.task = task
        self.metrics = task.metrics(synchronised=False)  # the other processes of a run are done
        self.scores: list[Tensor] = []
        self.payload_sizes: list[int] = []
        self.pixels: list[int] = []
        self.ideal_bits: list[float] = []
        self.zero_fractions: list[float] = []

    def judge(self, output: Any, target: Any) -> None:
        """Count a batch of the tail's outputs."""
        output, target = moved(output, "cpu"), moved(target, "cpu")
        self.metrics.update(output, target)
        self.scores.append(self.task.scores(output, target))

    def values(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.metrics.compute().items()}

    def sample_scores(self) -> np.ndarray:
        return torch.cat(self.scores).numpy()


class _Outputs:
    """The tail's outputs for one batch, through several methods: what arrives alike is not computed twice."""

    def __init__(self, tail: nn.Module):
        self._tail = tail
        self._known: list[tuple[Tensor, Any]] = []

    def of(self, feature: Tensor, sizes: dict[str, Any]) -> Any:
        for other, output in self._known:
            if torch.equal(feature, other):
                return output
        self._known.append((feature, self._tail(feature, sizes)))
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
def reference_on(net: SplitModel, features: Batches, task: Task, image: Tensor) -> Reference:
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
    for entry, target in features:
        entry, headers = entry.to(device), task.headers(target)
        timed = (entry[:_TIMED_SAMPLES], headers) if timed is None else timed
        tally.judge(net.tail(net.feature(entry), task.sizes(headers)), target)
    return Reference(tally, *_halves_ms(net, task, image.to(device), timed))


@torch.no_grad()
def evaluate(
    net: SplitModel,
    features: Batches,
    methods: list[Method],
    task: Task,
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
    timed: Timed | None = None
    for entry, target in tqdm(features, "Measuring", unit="batch"):
        entry, headers = entry.to(image.device), task.headers(target)
        timed = (entry[:_TIMED_SAMPLES], headers) if timed is None else timed
        outputs, sizes = _Outputs(net.tail), task.sizes(headers)
        feature = net.feature(entry)
        if reference is None:
            frozen.judge(outputs.of(feature, sizes), target)
        for method, tally in zip(methods, tallies, strict=True):
            given = entry if method.replaces else net.sent(feature)
            arrived = net.joined(_send(method, given, headers, tally), feature)
            tally.judge(outputs.of(arrived, sizes), target)
            tally.pixels += _pixels(sizes, image, len(headers))
    if reference is None:
        reference = Reference(frozen, *_halves_ms(net, task, image, timed))
    assert timed is not None, "a reference has samples"
    entries, _ = timed
    sent = net.sent(net.feature(entries))
    elements = sent[0].numel()

    about = {"task": task.name, "metric": task.metric, "split": net.point.name, **about}
    about |= {"head_ms": reference.head_ms, "tail_ms": reference.tail_ms, "beside": list(net.point.beside)}
    rows = [_row("frozen", frozen, frozen, about)]
    for method, tally in zip(methods, tallies, strict=True):
        given = entries if method.replaces else sent
        known = about | _rates(tally, elements) | _times(method, given) | _cost(method, net, given)
        rows.append(_row(method.name, tally, frozen, known))
    return rows


def _pixels(sizes: dict[str, Any], image: Tensor, count: int) -> list[int]:
    """Pixels of each image that enters the head: resized, and without padding."""
    if IMAGE_SIZES in sizes:
        return [height * width for height, width in sizes[IMAGE_SIZES].resized]
    return [image.shape[-2] * image.shape[-1]] * count


def _halves_ms(net: SplitModel, task: Task, image: Tensor, timed: Timed | None) -> tuple[float, float]:
    """Milliseconds of head and tail for one sample."""
    if timed is None:
        raise ValueError("There are no samples to measure. Look at data.root and data.val_limit.")
    entries, headers = timed
    sizes = task.sizes(headers[:1])
    tail_ms = median_ms(lambda feature: net.tail(feature, sizes), net.feature(entries).split(1))
    return median_ms(net.head, [image] * _TIMED_SAMPLES), tail_ms


def _send(method: Method, feature: Tensor, headers: list[bytes], tally: _Tally) -> Tensor:
    """Send a batch through real bytes, sample by sample, and return the features that arrive."""
    arrays = method.arrays(feature)
    codec = method.codec_for(arrays.shape[1:])
    payloads = [codec.encode(array) for array in arrays]
    tally.payload_sizes += [
        len(header) + len(payload) for header, payload in zip(headers, payloads, strict=True)
    ]
    ideal_bits = [codec.ideal_bits(array) for array in arrays]
    tally.ideal_bits += [bits for bits in ideal_bits if bits is not None]
    if (zero_fraction := getattr(codec, "zero_fraction", None)) is not None:
        tally.zero_fractions += [zero_fraction(array) for array in arrays]
    return method.receive(np.stack([codec.decode(payload) for payload in payloads]), feature.device)


def _row(name: str, tally: _Tally, frozen: _Tally, known: dict[str, Any]) -> Result:
    scores, reference = tally.sample_scores(), frozen.sample_scores()
    metrics, metric = tally.values(), tally.task.metric
    value, baseline = metrics[metric], frozen.values()[metric]
    return Result(
        method=name,
        n=len(scores),
        value=value,
        metrics=metrics,
        value_interval=tally.task.interval(scores, value),
        baseline=baseline,
        drop=baseline - value,
        drop_interval=tally.task.drop_interval(reference, scores),
        **known,
    )


def _rates(tally: _Tally, elements: int) -> dict[str, Any]:
    payload_bytes, pixels = float(np.mean(tally.payload_sizes)), float(np.mean(tally.pixels))
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
    codec = method.codec_for(method.arrays(features[:1]).shape[1:])
    payloads = [codec.encode(method.arrays(feature)[0]) for feature in features.split(1)]
    return {
        "encode_ms": median_ms(lambda x: codec.encode(method.arrays(x)[0]), features.split(1)),
        "decode_ms": median_ms(
            lambda payload: method.receive(codec.decode(payload)[None], features.device), payloads
        ),
    }


def _cost(method: Method, net: SplitModel, features: Tensor) -> dict[str, int]:
    """Parameters and multiply-accumulates of the unit, and of all that the device runs."""
    unit = method.unit
    if unit is None:
        return {"device_macs": net.point.macs}
    encoder_macs = mac_count(unit.encode, features[:1])
    before = net.entry if unit.replaces else net.point
    return {
        "unit_params": parameter_count(unit),
        "unit_macs": mac_count(unit, features[:1]),
        "encoder_params": parameter_count(unit.encoder),
        "encoder_macs": encoder_macs,
        "device_macs": before.macs + encoder_macs,
    }
