"""Both sides of the link for one operating point.

image ──► Device ──► [sizes] + payload ┄┄► Server ──► output

`in_packets` makes payloads of which a part is an answer too (`Server.received_in_part`).
A detector's payload begins with the sizes that its tail needs (`ImageSizes`); images may then have any size.
That of a letterboxed image begins with its own size (`Letterboxed`), in whose pixels the answer's boxes are.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from bottleneck.channel import Channel
from bottleneck.codecs.image_sizes import (
    IMAGE_SIZES,
    LETTERBOXED_BYTES,
    PACKED_BYTES,
    ImageSizes,
    Letterboxed,
)
from bottleneck.codecs.packets.stage import packed, packets_in
from bottleneck.deploy.bundle import Bundle
from bottleneck.devices import device_of
from bottleneck.layouts import Layout
from bottleneck.lossy.concealment.base import Concealment
from bottleneck.models.suppression import objects_of
from bottleneck.preprocess import prepared, preprocess
from bottleneck.splitting import SplitModel

_MOST_PIXELS = 8192  # per side of a padded image; a server does not fill its memory because of damaged bytes

#: What a server makes of the network's output, by task; tasks without an entry get the output itself.
_ANSWERS: dict[str, Callable[[Any], Any]] = {"segmentation": lambda logits: logits.argmax(dim=1)}


class Device:
    """The device's side of one operating point, for one stream of images where its codec remembers any.

    Attributes:
        bundle: The operating point.
    """

    def __init__(self, bundle: Bundle, net: SplitModel):
        self.bundle = bundle
        self._net = net
        self._channel = Channel(bundle.codec, bundle.unit).session()
        self._preprocess = (
            prepared
            if bundle.preprocessing is None
            else preprocess(**bundle.preprocessing, channels=bundle.image_shape[0])
        )

    def __repr__(self) -> str:
        return f"Device of {self.bundle}"

    @property
    def layout(self) -> Layout:
        """How the axes of what the head gives are read."""
        return self._net.entry.layout

    def session(self) -> Self:
        """The same side for another stream."""
        return type(self)(self.bundle, self._net)

    def in_packets(self, by: str, mtu: int) -> Self:
        """The same side with payloads in packets that are decoded alone, where they can be.

        One piece stays what builds on earlier images, has several tensors, or begins with its image's sizes.

        Args:
            by: How samples are cut; see `codecs.packets.stage.Packets`.
            mtu: Bytes of a packet at most.

        Raises:
            ValueError: If no such packets can be made.
        """
        return type(self)(_packed(self.bundle, self._net, by, mtu), self._net)

    def packets(self, payload: bytes) -> list[bytes]:
        """What a payload of this side is made of; one that is no packets is one."""
        return packets_in(self.bundle.codec, payload)

    def refresh(self) -> None:
        """Make the next payload one that needs none before it, because the server has lost one."""
        self._channel.refresh()

    def __call__(self, image: Any, *, offset: float | None = None) -> bytes:
        """The payload of one image.

        Args:
            image: PIL image, or uint8 array or tensor C×H×W; it is resized and cropped as in training. A
                float array or tensor C×H×W where the network has a transform of its own (plugin).
            offset: How the latent is rounded: below 0.5 more values go towards zero, for fewer bytes and a
                less faithful answer. `None`: to the nearest, as in training.

        Raises:
            TypeError: If it is no image.
            ValueError: If it has another size than the network was split for, or the offset is out of range.
        """
        return self.encode(self.feature(image), offset)

    @torch.no_grad()
    def feature(self, image: Any) -> tuple[Tensor, bytes]:
        """What is the same for every point of a frontier.

        Returns:
            The head's output for one image, `(1, C, H, W)`, and the sizes that travel with it, if any.
        """
        pixels = self._preprocess(image)
        if pixels.is_floating_point():
            pixels = pixels.to(self._net.tail.dtype)
        if takes_sizes(self._net):
            images = pixels[None].to(device_of(self.bundle.unit))
            return self._net.head(images).float(), self._net.sizes(images)[IMAGE_SIZES].pack()
        if tuple(pixels.shape) != tuple(self.bundle.image_shape):
            raise ValueError(
                f"The image is {tuple(pixels.shape)} after preprocessing, this bundle takes "
                f"{tuple(self.bundle.image_shape)} (C, H, W)."
            )
        given = self._net.head(pixels[None].to(device_of(self.bundle.unit)))
        size = self.bundle.letterboxed(image)
        return (given.float() if given.is_floating_point() else given), b"" if size is None else size.pack()

    def encode(self, sent: tuple[Tensor, bytes], offset: float | None = None) -> bytes:
        """The payload of what `feature` returned; the offset is as for a call."""
        given, header = sent
        channel = self._channel if offset is None else self._channel.rounding(offset)
        (payload,) = channel.send(given)
        return header + payload

    @torch.no_grad()
    def answers(self, sent: tuple[Tensor, bytes], payload: bytes) -> tuple[Tensor, Tensor]:
        """The network's class for what `feature` returned, and the server's for a payload of it, `(1,)` each.

        The device then runs decoder and tail itself, which is cheap behind a late cut.

        Raises:
            ValueError: If the network does not classify images.
        """
        if self.bundle.task != "classification":
            raise ValueError(
                f"policy='verified' compares classes, and this network is for {self.bundle.task}. Choose a "
                "point by max_bytes= or min_metric=."
            )
        received = self._channel.receive([payload], device=device_of(self.bundle.unit))
        own, served = self._net.rest(sent[0]), self._net.tail(received)
        return own.argmax(1), served.argmax(1)


class Server:
    """The server's side of one operating point, for one device where its codec remembers any payloads.

    Attributes:
        bundle: The operating point.
    """

    def __init__(self, bundle: Bundle, net: SplitModel):
        self.bundle = bundle
        self._net = net
        self._channel = Channel(bundle.codec, bundle.unit).session()

    def __repr__(self) -> str:
        return f"Server of {self.bundle}"

    def session(self) -> Self:
        """The same side for another device's stream."""
        return type(self)(self.bundle, self._net)

    def in_packets(self, by: str, mtu: int) -> Self:
        """The side that receives what the device's `in_packets` sends."""
        return type(self)(_packed(self.bundle, self._net, by, mtu), self._net)

    def __call__(self, payload: bytes) -> Any:
        """The answer for one image: the class of every pixel, `(1, H, W)`, for segmentation, else `output`.

        Of a single-stage detector's rows: a list with what is in the image, as other detectors return it.

        Raises:
            ValueError: If the bytes cannot be a payload of this bundle.
        """
        output = self.output(payload)
        if (size := self.letterboxed(payload)) is not None:
            return [objects_of(output[0], size)]
        return _ANSWERS[self.bundle.task](output) if self.bundle.task in _ANSWERS else output

    @torch.no_grad()
    def output(self, payload: bytes) -> Any:
        """What the frozen network returns for a batch of one, such as logits.

        Raises:
            ValueError: If the bytes cannot be a payload of this bundle.
        """
        return self.tail(*self.received(payload))

    def received(self, payload: bytes) -> tuple[Tensor, dict[str, Any]]:
        """What the tail takes for one payload: a feature `(1, C, H, W)`, and sizes where images vary in size.

        Raises:
            ValueError: If the bytes cannot be a payload of this bundle.
        """
        sizes: dict[str, Any] = {}
        shape = None
        if self.letterboxed(payload) is not None:
            payload = payload[LETTERBOXED_BYTES:]
        if takes_sizes(self._net):
            header, payload = payload[:PACKED_BYTES], payload[PACKED_BYTES:]
            sizes = {IMAGE_SIZES: ImageSizes.unpack(header)}
            shape = self._channel.coded_shape(self._entry_shape(sizes[IMAGE_SIZES]))
        return self._channel.receive([payload], shape, device_of(self.bundle.unit)), sizes

    def letterboxed(self, payload: bytes) -> Letterboxed | None:
        """What a payload says of the image that was letterboxed; `None` where none is.

        Raises:
            ValueError: If it says what cannot be.
        """
        side = self.bundle.letterbox
        return None if side is None else Letterboxed.unpack(payload[:LETTERBOXED_BYTES], side)

    def received_in_part(self, packets: Iterable[bytes], concealment: Concealment) -> tuple[Tensor, float]:
        """What the tail takes where only some of a payload's packets arrived.

        Args:
            packets: Those, or several joined, in any order.
            concealment: Fitted on what this bundle's codec codes; fills in the rest.

        Returns:
            A feature `(1, C, H, W)`, and the share of what was sent that is missing.

        Raises:
            ValueError: If the payload is not in packets, or these cannot be its own.
        """
        return self._channel.receive_in_part(packets, concealment, device_of(self.bundle.unit))

    def warm_up(self) -> None:
        """Answer once for nobody: what compiles or allocates at first use has then done so."""
        if not takes_sizes(self._net):  # where images vary in size, so does what is allocated
            side = self.bundle.letterbox
            header = b"" if side is None else Letterboxed(side, side, side).pack()
            self.output(header + self._channel.nothing())

    @property
    def tail(self) -> nn.Module:
        """From features to the network's output; points of one split point share it."""
        return self._net.tail

    def _entry_shape(self, sizes: ImageSizes) -> tuple[int, ...]:
        """Shape of what entered the unit, which is a fixed fraction of the padded image.

        Raises:
            ValueError: If the image cannot have had such sizes.
        """
        seen = self._net.tail.sizes[IMAGE_SIZES].padded
        channels, *size = self._net.entry.shape
        if any(padded * part % whole for padded, part, whole in zip(sizes.padded, size, seen, strict=True)):
            raise ValueError(f"the payload says that the image was padded to {sizes.padded}; it was damaged.")
        if max(sizes.padded) > _MOST_PIXELS:
            raise ValueError(
                f"the payload says that the image was padded to {sizes.padded}, more than {_MOST_PIXELS}; it "
                "was damaged."
            )
        scaled = [p * part // whole for p, part, whole in zip(sizes.padded, size, seen, strict=True)]
        return (channels, *scaled)


def _packed(bundle: Bundle, net: SplitModel, by: str, mtu: int) -> Bundle:
    has_header = takes_sizes(net) or bundle.letterbox is not None
    codec = bundle.codec if has_header else packed(bundle.codec, by, mtu)
    return bundle if codec is bundle.codec else replace(bundle, codec=codec)


def takes_sizes(net: SplitModel) -> bool:
    """Whether a network takes images of any size, whose sizes travel with each payload."""
    return IMAGE_SIZES in net.tail.sizes
