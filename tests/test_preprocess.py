"""From any image to the pixels that enter the network, the same on both sides."""

import ast
import inspect
import pickle
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

import bottleneck.preprocess
from bottleneck.preprocess import INTERPOLATIONS, as_pil, prepared, preprocess, preprocess_mask


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("sizes", [(), (20, 20)])
@pytest.mark.parametrize("channels", [1, 3])
def test_right_size_passes_bit_identical(channels, sizes):
    """An image that already has the right size comes out with the same pixels, whatever it came in as."""
    array = noise(channels, 20, 20)
    transform = preprocess(*sizes, channels=channels)
    for image in (array, torch.from_numpy(array), as_pil(array, channels)):
        out = transform(image)
        assert out.dtype == torch.uint8
        assert out.is_contiguous()
        np.testing.assert_array_equal(out.numpy(), array)


@pytest.mark.parametrize(
    ("width", "height", "resized"), [(50, 31, (32, 20)), (31, 50, (20, 32)), (9, 9, (20, 20))]
)
def test_resize_and_crop_are_pillows(width, height, resized):
    """The short side is resized as Pillow does it bilinearly and the square is cut from the centre."""
    image = Image.fromarray(noise(height, width, 3))
    left, top = (resized[0] - 16) // 2, (resized[1] - 16) // 2
    expected = image.resize(resized, Image.Resampling.BILINEAR).crop((left, top, left + 16, top + 16))
    np.testing.assert_array_equal(preprocess(20, 16)(image).permute(1, 2, 0).numpy(), np.asarray(expected))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_both_sides_may_be_resized(interpolation):
    """An image is squashed to height and width as Pillow does it, by any of its interpolations, and cut."""
    image = Image.fromarray(noise(50, 31, 3))
    expected = image.resize((24, 20), Image.Resampling[interpolation.upper()])
    squashed = preprocess(size=[20, 24], interpolation=interpolation)(image)
    np.testing.assert_array_equal(squashed.permute(1, 2, 0).numpy(), np.asarray(expected))
    cut = preprocess(size=[20, 24], crop=16, interpolation=interpolation)(image)
    assert torch.equal(cut, squashed[:, 2:18, 4:20])


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_and_pil_images_agree(channels):
    """An array and a PIL image of the same pixels give the same tensor after a real resize."""
    array = noise(channels, 37, 53)
    transform = preprocess(20, 16, channels=channels)
    from_pil = transform(as_pil(array, channels))
    assert from_pil.shape == (channels, 16, 16)
    assert torch.equal(transform(array), from_pil)
    assert torch.equal(transform(torch.from_numpy(array)), from_pil)


def test_no_crop_keeps_the_aspect_ratio():
    """With a short side alone, the whole image is resized."""
    assert preprocess(10)(noise(3, 20, 40)).shape == (3, 10, 20)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_pil_modes_are_converted(mode):
    """A PIL image of any 8-bit mode becomes RGB for three channels and grey for one, without a warning."""
    image = Image.fromarray(noise(6, 5, 3)).convert(mode)
    if mode == "P":
        image.info["transparency"] = bytes(range(256))
    for channels, target in ((1, "L"), (3, "RGB")):
        out = preprocess(channels=channels)(image)
        assert out.shape == (channels, 6, 5)
        assert as_pil(image, channels).mode == target


def test_alpha_is_dropped():
    """RGBA loses its alpha channel and keeps its colours."""
    colours = noise(3, 6, 5)
    rgba = Image.fromarray(np.concatenate([colours, noise(1, 6, 5)]).transpose(1, 2, 0))
    np.testing.assert_array_equal(preprocess()(rgba).numpy(), colours)


@pytest.mark.parametrize("mode", ["I", "F", "I;16"])
def test_deep_pil_images_are_refused(mode):
    """A PIL image of more than 8 bits per channel is refused instead of clipped."""
    with pytest.raises(ValueError, match=f"mode '{mode}' has more than 8 bits.*Scale it to 0..255"):
        preprocess()(Image.new(mode, (4, 4)))


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ([[0]], TypeError, "image of type list. Pass a PIL image, or a uint8 array or tensor of shape"),
        ("cat.png", TypeError, "image of type str"),
        (np.zeros((3, 4, 4), np.float32), TypeError, "array of float32.*not normalised"),
        (torch.zeros(3, 4, 4), TypeError, "array of float32"),
        (noise(4, 4, 3), ValueError, r"shape \(4, 4, 3\).*C=3.*channels first"),
        (noise(3, 3, 4, 4), ValueError, r"shape \(3, 3, 4, 4\).*not a batch"),
        (noise(1, 4, 4), ValueError, r"shape \(1, 4, 4\).*C=3"),
        (noise(3, 0, 4), ValueError, r"shape \(3, 0, 4\)"),
    ],
)
def test_other_input_is_refused(image, error, message):
    """Anything but a PIL image or one uint8 C×H×W array is refused with what would be right."""
    with pytest.raises(error, match=message):
        preprocess()(image)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"short_side": 160, "crop": 224}, "data.crop=224 does not fit into data.short_side=160"),
        ({"crop": 224}, "data.crop=224 does not fit into data.short_side=None"),
        ({"short_side": 20, "crop": 0}, "data.crop=0 does not fit"),
        ({"short_side": 0}, "data.short_side=0 is not a size"),
        ({"size": [20]}, r"data.size=\[20\] must be \[height, width\]"),
        ({"size": [20, 0]}, r"data.size=\[20, 0\] must be"),
        ({"size": [20, 20], "short_side": 20}, r"data.size=\[20, 20\] .* without data.short_side"),
        ({"size": [20, 16], "crop": 17}, "data.crop=17 does not fit into data.size=16"),
        ({"interpolation": "cubic"}, "data.interpolation='cubic' is unknown. Use one of nearest, bilinear"),
        ({"channels": 4}, r"channels=4 cannot be read.*1 \(grey\) or 3 \(RGB\)"),
    ],
)
def test_impossible_sizes_are_refused(options, message):
    """A crop that would need padding, or channels that no image has, are refused at construction."""
    with pytest.raises(ValueError, match=message):
        preprocess(**options)


def test_transform_pickles_and_names_itself():
    """A transform crosses to worker processes, and its repr tells it from every other."""
    transform = preprocess(20, 16)
    copy = pickle.loads(pickle.dumps(transform))
    assert torch.equal(copy(noise(3, 40, 40)), transform(noise(3, 40, 40)))
    others = [
        preprocess(),
        preprocess(20),
        preprocess(20, 16, channels=1),
        preprocess(21, 16),
        preprocess(20, 15),
        preprocess(20, 16, interpolation="bicubic"),
        preprocess(size=[20, 20]),
    ]
    assert repr(copy) == repr(transform)
    assert len({repr(each) for each in [transform, *others]}) == 8
    assert " at 0x" not in repr(transform)


def test_only_torch_is_needed():
    """The module imports torch and what it brings, so a device needs neither Lightning nor torchvision."""
    imports = [
        n for n in ast.walk(ast.parse(inspect.getsource(bottleneck.preprocess))) if isinstance(n, ast.stmt)
    ]
    names = {a.name for n in imports if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in imports if isinstance(n, ast.ImportFrom)}
    top = {name.split(".")[0] for name in names}
    assert "torch" in top
    assert top - sys.stdlib_module_names <= {"numpy", "PIL", "torch"}


def test_prepared_images_pass_as_they_are():
    """What a user's own transform has made is taken as float32; pixels and pictures are refused by name."""
    image = torch.rand(2, 3, 4, dtype=torch.float64)
    assert torch.equal(prepared(image.numpy()), image.float())
    for wrong, found in ((noise(1, 2, 2), "array of torch.uint8"), (Image.new("L", (2, 2)), "got Image")):
        with pytest.raises(TypeError, match=f"{found}.*transform of its own"):
            prepared(wrong)


@pytest.mark.parametrize("size", [(3000, 30), (17, 1000), (999, 7), (400, 400), (60, 1100), (1200, 64)])
def test_long_images_give_the_same_pixels_without_being_made_large(size):
    """What is cut off is not resized first, and what is kept is what it would have been, within a level."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    image = Image.fromarray(pixels)
    whole = v2.Compose(
        [v2.Resize(64, interpolation=v2.InterpolationMode.BILINEAR), v2.CenterCrop(56), v2.PILToTensor()]
    )
    difference = (preprocess(64, 56)(image).int() - whole(image).int()).abs().max()
    assert difference <= (max(size) > 16 * min(size))


def test_image_of_one_row_costs_what_its_crop_costs():
    """A PNG of a hundred bytes that would be resized to a gigapixel is not."""
    image, begin = Image.new("RGB", (16_000, 1)), time.process_time()
    assert preprocess(256, 224)(image).shape == (3, 224, 224)
    assert time.process_time() - begin < 1
    assert preprocess_mask(np.zeros((1, 16_000), np.uint8), 256, 224).shape == (224, 224)
    assert time.process_time() - begin < 1
    with pytest.raises(ValueError, match=r"\(16000, 1\) pixels would be resized to \(4096000, 256\)"):
        preprocess(256)(image)


def test_masks_are_squashed_as_their_images():
    """With height and width given, each pixel's class is that of the nearest pixel."""
    mask = noise(30, 44)
    nearest = np.asarray(Image.fromarray(mask).resize((24, 20), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(preprocess_mask(mask, size=[20, 24]).numpy(), nearest)
    np.testing.assert_array_equal(preprocess_mask(mask, crop=16, size=[20, 24]).numpy(), nearest[2:18, 4:20])


@pytest.mark.parametrize("size", [(30, 44), (2000, 90), (80, 1400)])
def test_masks_are_cut_as_their_images(size):
    """Each pixel's class is that of the nearest pixel, in long masks too."""
    mask = np.random.default_rng(0).integers(0, 9, size).astype(np.uint8)
    nearest = v2.functional.resize(Image.fromarray(mask), [64], interpolation=v2.InterpolationMode.NEAREST)
    expected = np.asarray(v2.functional.center_crop(nearest, [56]))
    found = preprocess_mask(mask, 64, 56).numpy()
    assert (found == expected).mean() > (0.9 if max(size) > 16 * min(size) else 0.999)


def test_transform_is_named_as_its_steps():
    """Its text, by which feature caches know it, is that of its steps: a change computes all anew."""
    assert str(preprocess(256, 224)) == (
        "Sequential(\n  (0): _AsPIL(channels=3)\n"
        "  (1): _Resized(short_side=256, crop=224, interpolation=bilinear)\n  (2): _ToTensor()\n)"
    )


@pytest.mark.parametrize(
    ("width", "height", "resized"),
    [(50, 31, (20, 12)), (31, 50, (12, 20)), (9, 9, (20, 20)), (900, 1, (20, 1))],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_letterbox_holds_the_whole_image_in_its_corner(width, height, resized, channels):
    """Top left lies the image as Pillow resizes it bilinearly, and grey 114 is all of the rest."""
    array = noise(channels, height, width)
    found = preprocess(letterbox=20, channels=channels)(array).numpy()
    assert found.shape == (channels, 20, 20)
    expected = np.full((channels, 20, 20), 114, np.uint8)
    image = as_pil(array, channels).resize(resized, Image.Resampling.BILINEAR)
    expected[:, : resized[1], : resized[0]] = np.asarray(image).reshape(*resized[::-1], -1).transpose(2, 0, 1)
    np.testing.assert_array_equal(found, expected)


def test_letterbox_of_the_images_size_changes_nothing():
    """A square image of that side passes bit-identical, and the side is part of the transform's name."""
    array = noise(3, 20, 20)
    np.testing.assert_array_equal(preprocess(letterbox=20)(array).numpy(), array)
    assert str(preprocess(letterbox=20)) != str(preprocess(letterbox=21))


@pytest.mark.parametrize("sizes", [{"letterbox": 0}, {"letterbox": 20, "short_side": 20}])
def test_letterbox_stands_alone(sizes):
    """A side that is none, or a letterbox beside another resize, is refused with the keys."""
    with pytest.raises(ValueError, match=r"data\.letterbox=.*without data\.short_side and data\.crop"):
        preprocess(**sizes)
