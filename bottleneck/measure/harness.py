"""The harness: every channel on the same samples, through real bytes.

    what the head gives ──► channel ──► payload ──► channel ──► tail ──► metric

A reported size is the length of bytes that were decoded again, and a reported accuracy is what the tail
makes of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from bottleneck.channel import Batches, Channel, Transmission
from bottleneck.codecs import Codec
from bottleneck.codecs.image_sizes import IMAGE_SIZES
from bottleneck.devices import device_of, moved
from bottleneck.measure.complexity import mac_count, parameter_count
from bottleneck.measure.results import Result
from bottleneck.measure.timing import median_ms
from bottleneck.splitting import SplitModel
from bottleneck.tasks import Task

_TIMED_SAMPLES = 16


class Tally:
    """What became of samples that a tail has judged.

    Args:
        task: Says which metrics.
    """

    def __init__(self, task: Task):
        self.task = task
        self.metrics = task.metrics(synchronised=False)  # the other processes of a run are done
        self._scores: list[Tensor] = []
        self._sureness: list[Tensor] = []

    def judge(self, output: Any, target: Any) -> None:
        """Count a batch of the tail's outputs."""
        output, target = moved(output, "cpu"), moved(target, "cpu")
        self.metrics.update(output, target)
        self._scores.append(self.task.scores(output, target))
        self._sureness.append(self.task.sureness(output))

    def values(self) -> dict[str, float]:
        """The task's metrics."""
        return {name: float(value) for name, value in self.metrics.compute().items()}

    def scores(self) -> np.ndarray:
        """What each sample contributes."""
        return torch.cat(self._scores).numpy()

    def sureness(self) -> np.ndarray:
        """How sure the network was of each sample."""
        return torch.cat(self._sureness).numpy()


@dataclass(frozen=True)
class Measured:
    """A channel's row, and what became of each sample.

    Attributes:
        row: What is reported.
        payload_bytes: What was sent of each sample, `(n,)`.
        tally: What the tail made of them.
        frozen: What the frozen network made of them.
    """

    row: Result
    payload_bytes: np.ndarray
    tally: Tally
    frozen: Tally


class _Account:
    """The bytes of the samples that one channel sent."""

    def __init__(self) -> None:
        self.payload_sizes: list[int] = []
        self.packets: list[int] = []
        self.pixels: list[int] = []
        self.elements: list[float] = []
        self.ideal_bits: list[float] = []
        self.zero_fractions: list[float] = []

    def add(
        self, sent: Transmission, headers: Sequence[bytes], pixels: Sequence[int], elements: float
    ) -> None:
        self.payload_sizes += [
            len(header) + size for header, size in zip(headers, sent.payload_bytes, strict=True)
        ]
        self.packets += sent.packets
        self.pixels += pixels
        self.elements += [elements] * len(headers)
        self.ideal_bits += sent.ideal_bits
        self.zero_fractions += sent.zero_fractions

    def rates(self) -> dict[str, Any]:
        payload_bytes, pixels = float(np.mean(self.payload_sizes)), float(np.mean(self.pixels))
        return {
            "payload_bytes": payload_bytes,
            "payload_bytes_p95": float(np.percentile(self.payload_sizes, 95)),
            "packets": float(np.mean(self.packets)),
            "bpp": 8 * payload_bytes / pixels,
            "bits_per_element": 8 * payload_bytes / float(np.mean(self.elements)),
            "estimated_bpp": float(np.mean(self.ideal_bits)) / pixels if self.ideal_bits else None,
            "zero_fraction": float(np.mean(self.zero_fractions)) if self.zero_fractions else None,
        }


class _Outputs:
    """The tail's outputs for one batch, through all channels: what arrives alike is not computed twice."""

    def __init__(self, tail: nn.Module):
        self._tail = tail
        self._known: list[tuple[Tensor, Any]] = []

    def of(self, feature: Tensor, sizes: dict[str, Any]) -> Any:
        for other, output in self._known:
            if torch.equal(feature, other):
                return output
        self._known.append((feature, self._tail(feature, sizes)))
        return self._known[-1][1]


@dataclass(frozen=True)
class Times:
    """Milliseconds that each half of a network takes for one image."""

    head_ms: float
    tail_ms: float


@torch.no_grad()
def judge(
    answer: Callable[[Tensor, dict[str, Any]], Any], batches: Batches, task: Task, device: torch.device
) -> Tally:
    """What becomes of samples.

    Args:
        answer: From what the head gives for a batch, and sizes, to the network's output.
        batches: What the head gives, and targets.
        task: Says which metric.
        device: Where `answer` runs.

    Raises:
        ValueError: If there are no samples.
    """
    tally, empty = Tally(task), True
    for given, target in batches:
        tally.judge(answer(given.to(device), task.sizes(task.headers(target))), target)
        empty = False
    if empty:
        raise ValueError("There are no samples to measure. Look at data.root and data.val_limit.")
    return tally


def judge_frozen(net: SplitModel, batches: Batches, task: Task) -> Tally:
    """What the frozen network does with samples; see `judge`.

    Args:
        net: The network, split anywhere; it runs on its device.
        batches: What its head gives, and targets.
        task: Says which metric.

    Raises:
        ValueError: If there are no samples.
    """
    return judge(net.rest, batches, task, device_of(net))


@torch.no_grad()
def time_halves(net: SplitModel, batches: Batches, task: Task, image: Tensor) -> Times:
    """Time head and tail on a few samples, one at a time.

    Args:
        net: The network, split.
        batches: What its head gives, and targets.
        task: Knows what a tail takes beside the feature.
        image: One image that enters the head, `(1, C, H, W)`, on the network's device.
    """
    given, target = next(iter(batches))
    feature = net.at_cut(given[:_TIMED_SAMPLES].to(image.device))
    sizes = task.sizes(task.headers(target)[:1])
    return Times(
        head_ms=median_ms(net.head, [image] * _TIMED_SAMPLES),
        tail_ms=median_ms(lambda one: net.tail(one, sizes), feature.split(1)),
    )


@torch.no_grad()
def measure(
    net: SplitModel,
    batches: Batches,
    channels: Sequence[Channel],
    task: Task,
    image: Tensor,
    frozen: Tally,
    about: dict[str, Any],
) -> list[Measured]:
    """Measure channels on the same samples.

    Args:
        net: The network, split where the channels send; everything runs on its device.
        batches: What its head gives, and targets, of the samples to report on.
        channels: Their codecs fitted.
        task: Says which metric.
        image: One image that enters the head, `(1, C, H, W)`, on the network's device; its pixels count.
        frozen: What the frozen network did on these very samples.
        about: What the rows say of network, data and times.

    Returns:
        For each channel its row and its samples.
    """
    net.eval()
    channels = [channel.session() for channel in channels]  # samples in order may be a stream
    tallies, accounts = [Tally(task) for _ in channels], [_Account() for _ in channels]
    few: Tensor | None = None
    title = f"Sending in {len(channels)} way{'s'[: len(channels) != 1]} at {net.point.name}"
    for given, target in tqdm(batches, title, unit="batch", leave=False, disable=None):
        given, headers = given.to(image.device), task.headers(target)
        if few is None:
            few = given[:_TIMED_SAMPLES]
            at_cut = net.adapter.before(few)[0].numel() / few[0].numel()
        outputs, sizes = _Outputs(net.tail), task.sizes(headers)
        pixels = _pixels(sizes, image, len(headers))
        for channel, tally, account in zip(channels, tallies, accounts, strict=True):
            sent = channel.transmit(given)
            account.add(sent, headers, pixels, at_cut * given[0].numel())
            tally.judge(outputs.of(sent.feature, sizes), target)
    assert few is not None, "the frozen network has seen samples"
    spent: dict[Codec, dict[str, Any]] = {}  # whatever the link
    for channel in channels:
        if channel.codec not in spent:
            spent[channel.codec] = {**_times(channel, few), **_cost(channel, net, few)}
    found = []
    for channel, tally, account in zip(channels, tallies, accounts, strict=True):
        own = row(
            tally,
            frozen,
            method=channel.name,
            kind="untrained" if channel.unit is None else "trained",
            family=channel.family,
            setting=channel.setting,
            **about,
            **channel.link.about,
            **account.rates(),
            **spent[channel.codec],
        )
        found.append(Measured(own, np.array(account.payload_sizes), tally, frozen))
    return found


def row(tally: Tally, frozen: Tally, **known: Any) -> Result:
    """A row of results.

    Args:
        tally: What became of the samples.
        frozen: What the frozen network did on them.
        known: Every other field.
    """
    scores, task = tally.scores(), tally.task
    metrics = tally.values()
    value, baseline = metrics[task.metric], frozen.values()[task.metric]
    return Result(
        task=task.name,
        metric=task.metric,
        n=len(scores),
        value=value,
        metrics=metrics,
        value_interval=task.interval(scores, value),
        baseline=baseline,
        drop=baseline - value,
        drop_interval=None if tally is frozen else task.drop_interval(frozen.scores(), scores),
        **known,
    )


def _pixels(sizes: dict[str, Any], image: Tensor, count: int) -> list[int]:
    """Pixels of each image that enters the head: resized, and without padding."""
    if IMAGE_SIZES in sizes:
        return [height * width for height, width in sizes[IMAGE_SIZES].resized]
    return [image.shape[-2] * image.shape[-1]] * count


def _times(channel: Channel, given: Tensor) -> dict[str, float]:
    """Milliseconds that one sample takes from what the head gives to its payload, and back."""
    ones, channel = given.split(1), channel.session()
    shape = channel.coded(ones[0]).shape[1:]
    payloads = [channel.send(one) for one in ones]
    return {
        "encode_ms": median_ms(channel.send, ones),
        "decode_ms": median_ms(lambda sent: channel.receive(sent, shape, given.device), payloads),
    }


def _cost(channel: Channel, net: SplitModel, given: Tensor) -> dict[str, int]:
    """Parameters and multiply-accumulates of the unit, and of all that the device runs, its coder too."""
    unit, coder_macs = channel.unit, channel.codec.macs
    if unit is None:
        return {"device_macs": net.point.macs + coder_macs}
    feature = channel.adapter.before(given[:1])
    encoder_macs = mac_count(unit.encode, feature)
    before = net.entry if unit.replaces else net.point
    return {
        "unit_params": parameter_count(unit),
        "unit_macs": mac_count(unit, feature),
        "encoder_params": parameter_count(unit.encoder),
        "encoder_macs": encoder_macs,
        "device_macs": before.macs + encoder_macs + coder_macs,
    }
