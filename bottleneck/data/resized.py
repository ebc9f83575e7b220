"""Data sets of photographs of any size, which are resized and cropped to one."""

import copy
from typing import Any, Self

from bottleneck.data.base import ImageData


class Resized(ImageData):
    """What `ImageData` is where the photographs have any size, and the network takes one.

    Where nothing is asked for, photographs are prepared as the network's own library does it (`suited`), or,
    where nobody knows how, as `usual` says. Where any size is asked for, its own sizes do not count.

    Args:
        short_side: Pixels of the shorter side after resizing. Images that have it already are not touched.
        crop: Pixels of both sides of the square cut from the centre.
        size: Height and width after a resize that keeps no aspect ratio, in place of ``short_side``.
        interpolation: How pixels are found, one of `preprocess.INTERPOLATIONS`.
        options: Of the data set.

    Attributes:
        usual: Short side and crop of such photographs.

    Raises:
        ValueError: If the sizes do not go together.
    """

    usual: tuple[int, int] = (256, 224)

    def __init__(
        self,
        *options: Any,
        short_side: int | None = None,
        crop: int | None = None,
        size: list[int] | None = None,
        interpolation: str | None = None,
        **named: Any,
    ) -> None:
        super().__init__(*options, **named)
        sizes: dict[str, Any] = {"short_side": short_side, "crop": crop, "size": size}
        self._sizes = {key: value for key, value in sizes.items() if value is not None}
        self._interpolation = interpolation
        self._prepare(None)
        self.transform("val")  # sizes that do not fit are reported now, not at the first image

    @property
    def image_shape(self) -> tuple[int, int, int]:
        height, width = self._preprocessing.get("size", (0, 0))
        return (3, self._preprocessing.get("crop", height), self._preprocessing.get("crop", width))

    @property
    def preprocessing(self) -> dict[str, Any]:
        return self._preprocessing

    def suited(self, own: dict[str, Any] | None) -> Self:
        suited = copy.copy(self)  # a network's wishes are not for the next one
        suited._prepare(own)
        return suited

    def _prepare(self, own: dict[str, Any] | None) -> None:
        usual: dict[str, Any] = dict(zip(("short_side", "crop"), self.usual, strict=True))
        own = own or usual
        sizes = self._sizes or {key: value for key, value in own.items() if key != "interpolation"}
        if "size" not in sizes:
            sizes = usual | sizes
        interpolation = self._interpolation or own.get("interpolation", "bilinear")
        finding = {} if interpolation == "bilinear" else {"interpolation": interpolation}
        self._preprocessing = sizes | finding
