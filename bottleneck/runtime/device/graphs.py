"""What the device computes, without PyTorch: graphs that `bottleneck export` wrote, NumPy and Pillow."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bottleneck import codecs
from bottleneck.codecs.image_sizes import Letterboxed
from bottleneck.codecs.packets.stage import packed, packets_in
from bottleneck.runtime.answers import answer_of, require_top
from bottleneck.runtime.datagrams.packetiser import room
from bottleneck.runtime.datagrams.packing import Packing
from bottleneck.runtime.device.exports import Export, exports_in
from bottleneck.runtime.device.routes import Route, key_of, routes_of
from bottleneck.runtime.pictures import picture_codec

_WIDE = 16  # times its shorter side: what is longer is cut before it is resized, as `preprocess` does


class GraphHalf:
    """The device's half of exported points. Alone, it finishes with the server's graph.

    Args:
        folders: What `bottleneck export` wrote, or frontiers or bundles with such an `onnx/` in each bundle.
        top: Most classes of an answer.
        packing: How payloads are cut; `None`: they are not.

    Raises:
        FileNotFoundError: If nothing was exported there.
        ModuleNotFoundError: If ONNX Runtime is missing.
        ValueError: If it was changed since, or exported by an older release, or `top` names no class.
    """

    def __init__(self, folders: Sequence[Path], top: int = 5, packing: Packing | None = None):
        require_top(top)
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("half=onnx needs ONNX Runtime: pip install onnxruntime") from error
        self._session = onnxruntime.InferenceSession
        self._top, self.packing = top, packing
        self._points: dict[str, _Point] = {}
        self._pictures: dict[str, codecs.Codec] = {}
        self._values: dict[str, float] = {}
        points = []
        exports = [export for folder in folders for export in exports_in(folder)]
        for export in sorted(exports, key=lambda export: -export.value):
            bundle = export.about["bundle"]
            self._values[bundle] = export.value
            self._points[bundle] = _Point(export, self._session(export.graph("device")), packing)
            points.append((export.about["split"], export.point, bundle))
        self.routes = routes_of(points)
        self._best = self._points[self.routes[0].bundle or ""]
        self.network: str = self._best.about["network"]
        self._tail: Any = None

    def payload(self, image: Any, route: Route) -> bytes:
        """What is sent for one image.

        Raises:
            ValueError: If it has another size than the graph takes, or the route was not exported.
        """
        if route.codec is not None:
            return self._best.header(image) + self._picture(route).encode(self._best.prepared(image))
        point = self._point(route)
        return point.header(image) + point.codec.encode(point.coded(image))

    def packets(self, payload: bytes, route: Route) -> list[bytes]:
        """What a payload is made of: packets that are of use alone, or itself; a picture is one piece."""
        return [payload] if route.codec is not None else packets_in(self._point(route).codec, payload)

    def refresh(self, route: Route) -> None:
        """Have the next payload of a route build on none before it; pictures never do."""
        if route.codec is None:
            self._point(route).codec.refresh()

    def alone(self, image: Any) -> dict[str, Any]:
        """The best point's answer, with nothing sent."""
        if self._tail is None:
            self._tail = self._session(self._best.export.graph("server"))
        (given,) = self._tail.get_inputs()  # older exports call it otherwise
        (output,) = self._tail.run(None, {given.name: self._best.coded(image)[None]})
        return answer_of(output, self._best.about["task"], self._top, self._best.letterboxed(image))

    def value(self, route: Route) -> float:
        """What the frontier says of a point's metric; alone, the best point is what answers."""
        return self._values[route.bundle or self.routes[0].bundle or ""]

    def _picture(self, route: Route) -> codecs.Codec:
        if (key := key_of(route)) not in self._pictures:
            shape = self._best.about["image_shape"]
            self._pictures[key] = picture_codec(route.codec or {}, shape)
        return self._pictures[key]

    def _point(self, route: Route) -> "_Point":
        if route.bundle not in self._points:
            raise ValueError(f"{route.name} was not exported. Run `bottleneck export bundle=...` for it.")
        return self._points[route.bundle]


class _Point:
    """One exported operating point."""

    def __init__(self, export: Export, graph: Any, packing: Packing | None):
        self.export, self.about, self._graph = export, export.about, graph
        codec = codecs.from_dict(self.about["codec"])
        if packing is not None and self.about["letterbox"] is None:  # else the image's size stands in front
            codec = packed(codec, packing.by, room(packing.mtu))
        self.codec = codec.session()

    def prepared(self, image: Any) -> np.ndarray:
        """The array that enters the head, `(C, H, W)`."""
        return prepared(image, self.about["preprocessing"], self.about["image_shape"])

    def coded(self, image: Any) -> np.ndarray:
        """What the codec codes."""
        (coded,) = self._graph.run(None, {"image": self.prepared(image)[None]})
        found: np.ndarray = coded[0]
        return found

    def letterboxed(self, image: Any) -> Letterboxed | None:
        """See `Bundle.letterboxed`."""
        side = self.about["letterbox"]
        return None if side is None else Letterboxed.of(image, side)

    def header(self, image: Any) -> bytes:
        """What a payload begins with, before the codec's bytes."""
        return b"" if (size := self.letterboxed(image)) is None else size.pack()


def prepared(image: Any, preprocessing: dict[str, Any] | None, shape: list[int]) -> np.ndarray:
    """The array that enters the head: what `bottleneck.preprocess` makes, with Pillow and NumPy alone.

    Args:
        image: A PIL image, or uint8 C×H×W; a float array where the network has a transform of its own.
        preprocessing: Options of `preprocess`; `None`: the array is taken as it is.
        shape: What the graph takes, (C, H, W).

    Raises:
        ValueError: If the image has another size in the end.
    """
    if preprocessing is None:
        array = np.asarray(image, np.float32)
    else:
        picture = image if isinstance(image, Image.Image) else _picture(np.asarray(image))
        picture = picture.convert("L" if shape[0] == 1 else "RGB")
        finding = Image.Resampling[preprocessing.get("interpolation", "bilinear").upper()]
        if (short := preprocessing.get("short_side")) is not None:
            picture = _resized(
                picture if preprocessing.get("crop") is None else _middle(picture), short, finding
            )
        if (size := preprocessing.get("size")) is not None and list(picture.size) != size[::-1]:
            picture = picture.resize(size[::-1], finding)
        if (crop := preprocessing.get("crop")) is not None:
            left, top = (round((side - crop) / 2) for side in picture.size)
            picture = picture.crop((left, top, left + crop, top + crop))
        if (side := preprocessing.get("letterbox")) is not None:
            picture = _letterboxed(picture, side)
        array = np.asarray(picture).reshape(picture.height, picture.width, -1).transpose(2, 0, 1)
    if list(array.shape) != list(shape):
        raise ValueError(f"the image is {array.shape} after preprocessing, the graph takes {tuple(shape)}.")
    return np.ascontiguousarray(array)


def _picture(array: np.ndarray) -> Image.Image:
    return Image.fromarray(array[0] if array.shape[0] == 1 else array.transpose(1, 2, 0))


def _middle(picture: Image.Image) -> Image.Image:
    """Of a picture that is long beyond all use the middle, of which the crop will keep less."""
    width, height = picture.size
    longest = _WIDE * min(width, height)
    left, top = (max(0, (side - longest) // 2) for side in (width, height))
    return picture.crop((left, top, width - left, height - top))


def _resized(picture: Image.Image, short: int, finding: Image.Resampling) -> Image.Image:
    width, height = picture.size
    if max(width, height) > _WIDE * min(width, height):
        raise ValueError(f"an image of {picture.size} pixels is too long. Give at most {_WIDE}:1.")
    if min(width, height) == short:
        return picture
    size = (short, short * height // width) if width <= height else (short * width // height, short)
    return picture.resize(size, finding)


def _letterboxed(picture: Image.Image, side: int) -> Image.Image:
    size = [max(1, length * side // max(picture.size)) for length in picture.size]
    square = Image.new(picture.mode, (side, side), (114,) * len(picture.getbands()))
    square.paste(picture.resize(size, Image.Resampling.BILINEAR))
    return square
