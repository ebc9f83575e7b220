"""From any image to the uint8 C×H×W tensor that enters the frozen network: the one place that resizes.

    PIL image, or uint8 C×H×W ─► 8-bit PIL image ─┬► resize short side, or both ─► centre crop ─┬► uint8 C×H×W
                                                  └► resize long side ─► letterbox ─────────────┘

Data sets use it while training, bundles while deployed, so both sides see the same pixels. Everything passes
through Pillow's integer arithmetic, so an array and a PIL image of the same pixels give the same result.
Normalisation is not done here: it is the frozen network's first module. torchvision is not imported: it takes
seconds that a device does not have.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

_WIDE = 16  # times the short side: what is longer is cut before it is resized
#: How pixels between pixels are found: Pillow's names, without capitals.
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
_MODES = {1: "L", 3: "RGB"}  # channels: Pillow's name for 8 bits of each
_GREY = 114  # of the rest of a letterbox: what single-stage detectors are trained with


def preprocess(
    short_side: int | None = None,
    crop: int | None = None,
    channels: int = 3,
    letterbox: int | None = None,
    size: Sequence[int] | None = None,
    interpolation: str = "bilinear",
) -> nn.Sequential:
    """Build the transform from a PIL image or uint8 C×H×W array to the uint8 tensor that a network is fed.

    An image that already has the right size passes bit-identical. Without sizes the transform only converts.
    Its ``repr`` names every step and option, so it can identify the transform in a cache key.

    Args:
        short_side: Pixels of the shorter side after an antialiased resize that keeps the aspect ratio.
            ``None``: images keep their size.
        crop: Pixels of both sides of the square cut from the centre. ``None``: nothing is cut.
        channels: 1 (grey) or 3 (RGB). PIL images of another mode are converted; arrays must have it already.
        letterbox: Pixels of both sides of a grey square into whose top left corner the whole image goes,
            after a bilinear, antialiased resize that makes its longer side as long; in place of the others.
        size: Height and width after a resize that keeps no aspect ratio; in place of ``short_side``.
        interpolation: How that resize finds pixels, one of `INTERPOLATIONS`.

    Returns:
        A picklable callable: PIL image, uint8 numpy array or uint8 tensor in; uint8 CPU tensor C×H×W out.
        What it raises for other input: see `as_pil`.

    Raises:
        ValueError: If ``channels`` is neither 1 nor 3, a size is none, the crop would not fit into the
            resized image, the interpolation is unknown, or a letterbox is asked for beside them.
    """
    if channels not in _MODES:
        raise ValueError(f"channels={channels} cannot be read from an image. Use 1 (grey) or 3 (RGB).")
    if short_side is not None and short_side < 1:
        raise ValueError(f"data.short_side={short_side} is not a size. Use pixels, at least 1, such as 256.")
    if size is not None and (len(size) != 2 or min(size) < 1 or short_side is not None):
        raise ValueError(
            f"data.size={list(size)} must be [height, width] in pixels, at least 1, such as [224, 224], "
            "without data.short_side."
        )
    key, room = ("size", min(size)) if size is not None else ("short_side", short_side)
    if crop is not None and not (room is not None and 1 <= crop <= room):
        raise ValueError(
            f"data.crop={crop} does not fit into data.{key}={room}: "
            f"choose 1 <= data.crop <= data.{key}, such as 224 and 256."
        )
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"data.interpolation={interpolation!r} is unknown. Use one of {', '.join(INTERPOLATIONS)}."
        )
    if letterbox is not None and (letterbox < 1 or room is not None or interpolation != "bilinear"):
        raise ValueError(
            f"data.letterbox={letterbox} must be pixels, at least 1, such as 416, without data.short_side "
            "and data.crop, data.size and data.interpolation."
        )
    steps = [] if letterbox is None else [_Letterboxed(letterbox)]
    return nn.Sequential(
        _AsPIL(channels), *steps, *_resizing(short_side, crop, size, interpolation), _ToTensor()
    )


def preprocess_mask(
    mask: np.ndarray,
    short_side: int | None = None,
    crop: int | None = None,
    size: Sequence[int] | None = None,
) -> Tensor:
    """The mask of an image that `preprocess` resizes and crops to the same sizes.

    Args:
        mask: A class for each pixel, uint8, shape ``(H, W)``; none is made up, so the nearest is taken.
        short_side: Pixels of the shorter side after resizing.
        crop: Pixels of both sides of the square cut from the centre.
        size: Height and width after resizing, in place of ``short_side``.

    Returns:
        Classes, uint8, shape ``(crop, crop)``, or ``size``.
    """
    resize = nn.Sequential(*_resizing(short_side, crop, size, "nearest"))
    return torch.from_numpy(np.array(resize(Image.fromarray(mask))))


def prepared(image: np.ndarray | Tensor) -> Tensor:
    """An image that the caller's own transform has made: float C×H×W, as their network takes it.

    Raises:
        TypeError: If it is no array or tensor of floating-point numbers.
    """
    tensor = torch.as_tensor(image) if isinstance(image, np.ndarray) else image
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        found = f"an array of {tensor.dtype}" if isinstance(tensor, Tensor) else type(image).__name__
        raise TypeError(
            f"got {found} as image. This network comes with a transform of its own: pass what that makes of "
            "the image, a float array or tensor of shape (C, H, W)."
        )
    return tensor.float()


def as_pil(image: Image.Image | np.ndarray | Tensor, channels: int = 3) -> Image.Image:
    """Return the image as an 8-bit PIL image in mode RGB (3 channels) or L (1 channel).

    PIL images are converted by Pillow's rules: an alpha channel is dropped, colour becomes luminance for 1
    channel. The orientation that a camera wrote into the EXIF data is not applied, as in torchvision.

    Args:
        image: A PIL image of any mode with 8 bits per channel or fewer; or uint8, shape ``(channels, H, W)``.
        channels: 1 or 3.

    Raises:
        TypeError: If the image is none of the accepted types, or an array that is not uint8.
        ValueError: If an array has another shape, or a PIL image has more than 8 bits per channel.
    """
    mode = _MODES[channels]
    if isinstance(image, Image.Image):
        if image.mode.startswith(("I", "F")):
            raise ValueError(
                f"a PIL image of mode {image.mode!r} has more than 8 bits per channel, and Pillow would clip "
                "it. Scale it to 0..255 and convert it to mode 'L' or 'RGB' first."
            )
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")  # Pillow warns when such a palette is converted in one step
        return image if image.mode == mode else image.convert(mode)

    right = f"a PIL image, or a uint8 array or tensor of shape (C, H, W) with C={channels}"
    if not isinstance(image, np.ndarray | Tensor):
        raise TypeError(f"got an image of type {type(image).__name__}. Pass {right}.")
    array = image.numpy(force=True) if isinstance(image, Tensor) else image
    if array.dtype != np.uint8:
        raise TypeError(f"got an array of {array.dtype}. Pass {right}: raw pixels 0..255, not normalised.")
    if array.ndim != 3 or array.shape[0] != channels or 0 in array.shape:
        raise ValueError(
            f"got an array of shape {array.shape}. Pass {right}: one image, not a batch, channels first."
        )
    return Image.fromarray(array[0] if channels == 1 else array.transpose(1, 2, 0))


def _resizing(
    short_side: int | None, crop: int | None, size: Sequence[int] | None, interpolation: str
) -> list[nn.Module]:
    """The steps that change an image's size."""
    if short_side is not None:
        return [_Resized(short_side, crop, interpolation)]
    if size is None:
        return []
    squashed = _Squashed(size, interpolation)
    return [squashed] if crop is None else [squashed, _Cropped(crop)]


class _AsPIL(nn.Module):
    """`as_pil` as the first step of a transform; a module, so that it pickles and has a stable ``repr``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, image: Image.Image | np.ndarray | Tensor) -> Image.Image:
        return as_pil(image, self.channels)

    def extra_repr(self) -> str:
        return f"channels={self.channels}"


class _Resized(nn.Module):
    """Resize the short side and crop, without making what is cut off of an image that is long beyond all use.

    Pixels are those of the two steps, in such long images within one grey level.
    """

    def __init__(self, short_side: int, crop: int | None, interpolation: str) -> None:
        super().__init__()
        self.short_side, self.crop, self.interpolation = short_side, crop, interpolation

    def forward(self, image: Image.Image) -> Image.Image:
        short, resampling = self.short_side, Image.Resampling[self.interpolation.upper()]
        sides = [max(short, int(short * side / min(image.size))) for side in image.size]
        if max(sides) <= _WIDE * short:
            resized = image.resize((sides[0], sides[1]), resampling)
            return resized if self.crop is None else resized.crop(_centre(resized.size, self.crop))
        if self.crop is None:
            raise ValueError(
                f"an image of {image.size} pixels would be resized to {tuple(sides)}. Cut it to at most "
                f"{_WIDE} times its shorter side first."
            )
        across, down = (before / after for before, after in zip(image.size, sides, strict=True))
        left, top, right, bottom = _centre(sides, self.crop)
        box = (left * across, top * down, right * across, bottom * down)
        return image.resize((self.crop, self.crop), resampling, box)

    def extra_repr(self) -> str:
        return f"short_side={self.short_side}, crop={self.crop}, interpolation={self.interpolation}"


class _Squashed(nn.Module):
    """Height and width, whatever becomes of the aspect ratio."""

    def __init__(self, size: Sequence[int], interpolation: str) -> None:
        super().__init__()
        self.size, self.interpolation = tuple(size), interpolation

    def forward(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        return image.resize((width, height), Image.Resampling[self.interpolation.upper()])

    def extra_repr(self) -> str:
        return f"size={self.size}, interpolation={self.interpolation}"


class _Cropped(nn.Module):
    """The square in the centre."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, image: Image.Image) -> Image.Image:
        return image.crop(_centre(image.size, self.side))

    def extra_repr(self) -> str:
        return f"side={self.side}"


def _centre(sides: Sequence[int], crop: int) -> tuple[int, int, int, int]:
    """The square in the centre, `(left, top, right, bottom)`, rounded as torchvision rounds it."""
    left, top = (round((side - crop) / 2) for side in sides)
    return left, top, left + crop, top + crop


class _Letterboxed(nn.Module):
    """The whole image, as large as it fits, in the top left corner of a grey square."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, image: Image.Image) -> Image.Image:
        longer = max(image.size)
        size = [max(1, length * self.side // longer) for length in image.size]
        square = Image.new(image.mode, (self.side, self.side), (_GREY,) * len(image.getbands()))
        square.paste(image.resize(size, Image.Resampling.BILINEAR))
        return square

    def extra_repr(self) -> str:
        return f"side={self.side}, grey={_GREY}"


class _ToTensor(nn.Module):
    """PIL image to uint8 C×H×W, contiguous: a channels-last image may make a network round differently.

    NumPy copies, because PyTorch would share so small a copy among threads and wait for them: on a busy
    machine, longer than decoding takes.
    """

    def forward(self, image: Image.Image) -> Tensor:
        pixels = np.asarray(image).reshape(image.height, image.width, -1)
        return torch.from_numpy(pixels.transpose(2, 0, 1).copy())
