"""The channel: the only place where PyTorch's features become bytes, and bytes become features.

    given ──► adapter ──► transform ──► codec.encode ──► payload
    head's    cut         unit, or       symbols,           ┊  the link
    output                nothing        latent, feature    ┊
    tail  ◄── adapter ◄── transform ◄── codec.decode ◄── payload

Everything that sends a feature goes through it: training, measuring, the plugin, device and server, analyses.
A device without PyTorch has all but the codec as one graph, and calls the codec itself (`runtime/device/`).
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from bottleneck.codecs import Codec
from bottleneck.codecs.checks import DTYPES
from bottleneck.codecs.packets.stage import Packets
from bottleneck.layouts import Part
from bottleneck.lossy.concealment.base import Concealment
from bottleneck.lossy.link import Link
from bottleneck.splitting.adapters import Direct
from bottleneck.unit import AsIs, EachAsIs, Symbols, Transform, Unit, UnitOutput, transform_for

Batches = Iterable[tuple[Tensor, Any]]

_MOST_SHAPES = 64  # whose codec is kept: payloads say what shape they have


@dataclass
class Transmission:
    """A batch that went through real bytes.

    Attributes:
        feature: What the tail takes.
        payload_bytes: Length of each sample's payload.
        packets: Packets that each sample took.
        ideal_bits: What an ideal coder with the same tables would need; empty for codecs without tables.
        zero_fractions: Share of zeros that a run-length coder met; empty for others.
    """

    feature: Tensor
    payload_bytes: list[int]
    packets: list[int]
    ideal_bits: list[float]
    zero_fractions: list[float]


class Channel:
    """A way to send what a head gives: a trained unit or nothing, and a codec.

    Args:
        codec: Makes and reads the bytes of one sample.
        unit: Trained, or in training; `None`: the feature itself is coded.
        layout: How the feature's axes are read where there is no unit.
        parts: The tensors that lie in the feature where several are sent together (`SplitPoint.parts`).
        adapter: What the cut puts between the head's output and the feature (`SplitModel.adapter`). A unit
            that replaces the module at the split point does the adapter's work itself.
        name: What results call it; empty: after its codec, and after `bottleneck` where there is a unit.
        family: The curve that it is a point of; its name where it is no setting of anything.
        setting: Which point of that curve; of a channel without a name, its codec's options.

    Attributes:
        link: What `transmit` sends through; `through` makes a channel with another.

    Raises:
        ValueError: If the codec does not code what the unit sends.
    """

    def __init__(
        self,
        codec: Codec,
        unit: Unit | None = None,
        *,
        layout: str = "CHW",
        parts: Sequence[Part] = (),
        adapter: Direct | None = None,
        name: str = "",
        family: str | None = None,
        setting: str | None = None,
    ):
        self.codec = codec
        self.unit = unit
        itself = EachAsIs(parts) if parts else AsIs(layout)
        self.transform: Transform = itself if unit is None else transform_for(unit, codec)
        own = adapter is None or (unit is not None and unit.replaces)
        self.adapter = Direct() if own or adapter is None else adapter
        self.link = Link()
        if not name:  # results need one, or other codecs' rows would be points of one curve
            family = family or (codec.name if unit is None else f"bottleneck-{codec.name}")
            setting = setting or ",".join(f"{key}={value}" for key, value in codec.options.items()) or None
            name = family if setting is None else f"{family}-{setting}"
        self.name, self.family, self.setting = name, family or name, setting
        self._reshaped: dict[tuple[int, ...], Codec] = {}

    def __repr__(self) -> str:
        sent = "the feature itself" if self.unit is None else f"the latent of a {self.unit.kind} unit"
        shape = "×".join(map(str, self.codec.shape))
        return f"Channel {self.name!r}: {sent}, {shape}, through {self.codec.name}"

    def session(self) -> Self:
        """The channel for one stream of samples; what remembers earlier ones begins anew here."""
        codec, link = self.codec.session(), self.link.session()
        if codec is self.codec and link is self.link:
            return self
        channel = copy.copy(self)
        channel.codec, channel.link, channel._reshaped = codec, link, {}
        return channel

    def refresh(self) -> None:
        """Send the next sample of a session without earlier ones, because the receiver has lost one."""
        self.codec.refresh()

    def through(self, link: Link) -> Self:
        """The same channel, its codec's tables included, on another link, which joins its name."""
        other = copy.copy(self)
        other.link, other.name = link, f"{self.name}-{link.name}"
        return other

    def rounding(self, offset: float, **label: Any) -> Self:
        """The same channel with another rounding of what is sent; what is received knows nothing of it.

        Args:
            offset: Of the unit's quantizer, from 0 to 0.5, where 0.5 is plain rounding; see `Quantizer`.
            label: The new channel's `name`, `family` and `setting`, where they differ.

        Raises:
            ValueError: If no symbols are sent, so that the codec rounds by itself.
        """
        if self.unit is None or self.codec.input != "symbols":
            raise ValueError(
                f"offset={offset} rounds a unit's symbols; codec {self.codec.name!r} codes "
                f"{self.codec.input} and rounds by itself. Leave the offset out."
            )
        other = copy.copy(self)
        other.transform = Symbols(self.unit, offset)
        vars(other).update(label)
        return other

    def quantised(self, given: Tensor) -> UnitOutput:
        """Send a batch without coding it, so that gradients pass: what the tail takes, and the latent.

        Raises:
            ValueError: If there is no unit.
        """
        if self.unit is None:
            raise ValueError(f"channel {self.name!r} has no unit, so there is nothing to be trained in it.")
        output = self.unit(self.adapter.before(given))
        return UnitOutput(self.adapter.after(output.feature, given), output.latent, output.exact)

    def coded(self, given: Tensor) -> np.ndarray:
        """What the codec is given for a batch, one array per sample: symbols, latents or features.

        Features of any precision are taken as float32, the units' own.
        """
        with torch.no_grad():
            feature = self.adapter.before(given)
            feature = feature.float() if feature.is_floating_point() else feature
            return self.transform.coded(feature).cpu().numpy()

    def fit(self, batches: Batches) -> Self:
        """Fit the codec's tables on training samples; a codec without tables reads none of them.

        Args:
            batches: What the head gives, and targets.
        """
        self._reshaped.clear()
        self.codec.fit(
            _as_shaped(array, self.codec.shape) for given, _ in batches for array in self.coded(given)
        )
        return self

    def nothing(self) -> bytes:
        """The payload of a sample that is zero everywhere, to warm up with."""
        return self.codec.encode(np.zeros(self.codec.shape, DTYPES[self.codec.input]))

    def send(self, given: Tensor) -> list[bytes]:
        """The payload of each sample of a batch."""
        arrays = self.coded(given)
        codec = self.codec_for(arrays.shape[1:])
        return [codec.encode(array) for array in arrays]

    def receive(
        self,
        payloads: Sequence[bytes],
        shape: tuple[int, ...] | None = None,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """The features that payloads stand for.

        Args:
            payloads: One for each sample.
            shape: Shape of what is coded for one sample, where it is not the codec's own (`coded_shape`).
            device: Where the features are wanted.

        Raises:
            ValueError: If bytes cannot be a payload of this channel.
        """
        codec = self.codec_for(shape or self.codec.shape)
        return self._restored([codec.decode(payload) for payload in payloads], codec, device)

    def receive_in_part(
        self, packets: Iterable[bytes], concealment: Concealment, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, float]:
        """The feature that some of a sample's packets stand for.

        Args:
            packets: Those that arrived, or several joined, in any order.
            concealment: Fills in what is missing, and takes note of the sample.
            device: Where the feature is wanted.

        Returns:
            A feature as a batch of one, and the share of what was sent that is missing, from 0 to 1.

        Raises:
            ValueError: If the codec makes no packets, or these cannot be its own.
        """
        if not isinstance(coder := self.codec.coder, Packets):
            raise ValueError(
                f"codec {self.codec.name!r} makes no packets, so that a part of a payload is nothing. Use "
                "codec 'packets'."
            )
        array, mask = coder.receive(packets)
        filled = concealment.fill(array, mask)
        return self._restored([filled], self.codec, device), 1 - float(mask.mean())

    def transmit(self, given: Tensor) -> Transmission:
        """Send a batch through real bytes, with everything that is to be known of them."""
        arrays = self.coded(given)
        codec = self.codec_for(arrays.shape[1:])
        carried = [self.link.carry(codec, array) for array in arrays]
        received = self._restored([sample.array for sample in carried], codec, given.device)
        ideal_bits = [codec.ideal_bits(array) for array in arrays]
        zero_fractions = [codec.zero_fraction(array) for array in arrays]
        return Transmission(
            feature=self.adapter.after(received, given),
            payload_bytes=[sample.n_bytes for sample in carried],
            packets=[sample.n_packets for sample in carried],
            ideal_bits=[bits for bits in ideal_bits if bits is not None],
            zero_fractions=[share for share in zero_fractions if share is not None],
        )

    def coded_shape(self, feature_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of what is coded for one feature of this shape.

        Raises:
            ValueError: If the unit takes no such feature.
        """
        return self.transform.coded_shape(feature_shape)

    def codec_for(self, shape: tuple[int, ...]) -> Codec:
        """The codec for samples of this shape, which varies where images do."""
        if shape == self.codec.shape:
            return self.codec
        codec = self._reshaped.get(shape)  # once, because another thread may clear them
        if codec is None:
            if len(self._reshaped) >= _MOST_SHAPES:
                self._reshaped.clear()
            codec = self._reshaped[shape] = self.codec.reshaped(shape)
        return codec

    def _restored(self, arrays: Sequence[np.ndarray], codec: Codec, device: torch.device | str) -> Tensor:
        stacked = np.stack(arrays) if arrays else np.empty((0, *codec.shape), DTYPES[codec.input])
        with torch.no_grad():
            return self.transform.restored(torch.from_numpy(stacked).to(device))


def _as_shaped(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A sample with other axes behind the channels thinned out, or repeated: its values are as frequent."""
    for axis, (found, wanted) in enumerate(zip(array.shape, shape, strict=False)):
        if axis and found != wanted:
            array = array.take(np.arange(wanted) * found // wanted, axis)
    return array
