"""COCO as it ships: photographs, and the instances in them.

    root/  train2017/*.jpg  val2017/*.jpg
           annotations/instances_train2017.json  annotations/instances_val2017.json     or beside the folders

Source: Lin et al., "Microsoft COCO: common objects in context", ECCV 2014, arXiv:1405.0312.
"""

import json
import os
from abc import abstractmethod
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bottleneck.data import files
from bottleneck.data.base import ImageData
from bottleneck.data.folders import listing
from bottleneck.data.objects import Objects
from bottleneck.data.resized import Resized
from bottleneck.data.samples import Lazily, Part
from bottleneck.preprocess import preprocess_mask

#: COCO's categories of VOC's 21 classes, in VOC's order; 0 is the background.
VOC_CATEGORIES = (0, 5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72)
OVERLAP = 255  # class of pixels that several objects claim; they are not judged


class Picture(NamedTuple):
    """One photograph and its annotations.

    Attributes:
        path: The file.
        size: Height and width in pixels.
        annotations: As in COCO's JSON.
    """

    path: Path
    size: tuple[int, int]
    annotations: list[dict[str, Any]]


class Coco(ImageData):
    """COCO 2017 instances; a task says which of them it keeps and what it makes of them.

    Args:
        root: Folder with ``train2017``, ``val2017`` and ``annotations``.
        shared: `ImageData`'s arguments.
    """

    def __init__(self, root: str | Path, **shared: Any) -> None:
        super().__init__(**shared)
        self.root = Path(root).expanduser()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(3, H, W) of the largest photographs."""
        return (3, 640, 640)

    @abstractmethod
    def keeps(self, picture: Picture) -> bool:
        """Whether a photograph is part of the data set."""

    @abstractmethod
    def target(self, picture: Picture) -> Any:
        """What a network should find in a photograph, in pixels of the file."""

    def read_part(self, part: str) -> Part:
        """Read the annotations of ``train2017`` or ``val2017``.

        Raises:
            FileNotFoundError: If a file or folder is missing; it is named.
            ValueError: If the annotations cannot be read, or nothing is left of them.
        """
        folder, annotations = self.root / f"{part}2017", self._annotations_file(part)
        for path, there in ((annotations, annotations.is_file()), (folder, folder.is_dir())):
            if not there:
                raise FileNotFoundError(f"{path} is missing. {self._layout()}")
        pictures = [picture for picture in _read(annotations, folder) if self.keeps(picture)]
        if not pictures:
            raise ValueError(f"{annotations} names no photograph that {self.name} keeps. {self._layout()}")
        if missing := {p.path.name for p in pictures} - {entry.name for entry in os.scandir(folder)}:
            raise FileNotFoundError(
                f"{annotations.name} names photographs that {folder} does not have: {listing(missing)}. "
                "Unpack the archive again, or correct data.root."
            )
        files.images_in(folder)  # which tells of what else lies there
        return Part(Lazily(pictures, self._opened), np.zeros(len(pictures), np.int64))

    def _opened(self, picture: Picture) -> tuple[Image.Image, Any]:
        return files.load_image(picture.path), self.target(picture)

    def sample_version(self, part: str, index: int) -> str:
        return files.version(self._part(part).images.stored[index].path, self._annotations_file(part))

    def sample_content(self, part: str, index: int) -> str:
        return files.content(self._part(part).images.stored[index].path, self._annotations_file(part))

    def _annotations_file(self, part: str) -> Path:
        name = f"instances_{part}2017.json"
        beside = self.root / name
        return beside if beside.is_file() else self.root / "annotations" / name

    def _layout(self) -> str:
        return (
            f"data.root={self.root} should hold train2017/, val2017/ and annotations/, as the archives of "
            "https://cocodataset.org (2017 train, val, annotations) unpack side by side."
        )


class SemanticCoco(Resized, Coco):
    """COCO with the class of every pixel: VOC's 21 classes, pixels that several objects claim are 255.

    Photographs with little in them that belongs to those classes are left out of both parts.

    Args:
        root: See `Coco`.
        short_side: Pixels of the shorter side after resizing; see `Resized`, as for the next. Masks take the
            nearest pixel.
        crop: Pixels of both sides of the square cut from the centre.
        min_area: Photographs with as few pixels of the 20 objects' classes, or fewer, are left out.
        shared: `Resized`'s arguments.

    Source: the reference training of torchvision (`references/segmentation`), which Datta et al. follow.
    """

    name = "coco_voc"
    num_classes = 21
    usual = (513, 513)

    def __init__(
        self,
        root: str | Path,
        short_side: int | None = None,
        crop: int | None = None,
        min_area: int = 1000,
        **shared: Any,
    ) -> None:
        super().__init__(root, short_side=short_side, crop=crop, **shared)
        self.min_area = min_area

    @property
    def target_layout(self) -> tuple[tuple[int, ...], str]:
        return self.image_shape[1:], "uint8"

    def target_transform(self, target: NDArray[np.uint8]) -> Tensor:
        sizes = {key: value for key, value in self.preprocessing.items() if key != "interpolation"}
        return preprocess_mask(target, **sizes)

    def keeps(self, picture: Picture) -> bool:
        found: bool = sum(annotation["area"] for annotation in self._labelled(picture)) > self.min_area
        return found

    def target(self, picture: Picture) -> NDArray[np.uint8]:
        """Class of every pixel, shape ``(H, W)``."""
        claims = np.zeros(picture.size, np.int64)
        classes = np.zeros(picture.size, np.uint8)
        for annotation in self._labelled(picture):
            mask = instance_mask(annotation["segmentation"], picture.size)
            claims += mask
            classes[mask] = VOC_CATEGORIES.index(annotation["category_id"])
        classes[claims > 1] = OVERLAP
        return classes

    @staticmethod
    def _labelled(picture: Picture) -> list[dict[str, Any]]:
        return [a for a in picture.annotations if a["category_id"] in VOC_CATEGORIES]


class DetectionCoco(Objects, Coco):
    """COCO's instances at the photographs' own sizes, where resizing is the detector's own first step.

    Targets are as torchvision's detectors take them: `boxes` float32 `(k, 4)` (left, top, right, bottom),
    `labels` (COCO's category ids, 1 to 90) and, where all have an outline, `masks` uint8 `(k, H, W)`; for the
    metric also `iscrowd` and `area`. Photographs without an object are left out.

    Args:
        root: See `Coco`.
        letterbox: For single-stage detectors: see `Objects`, and so for ``views``.
        shared: `ImageData`'s arguments.
    """

    name = "coco"
    num_classes = 91

    def label_name(self, label: int) -> str:
        from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights  # only pictures need names

        names: list[str] = FasterRCNN_ResNet50_FPN_Weights.DEFAULT.meta["categories"]
        return names[label]

    def keeps(self, picture: Picture) -> bool:
        return any(not annotation["iscrowd"] for annotation in _with_extent(picture))

    def target(self, picture: Picture) -> dict[str, Any]:
        annotations = _with_extent(picture)
        boxes = np.array([annotation["bbox"] for annotation in annotations], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        height, width = picture.size
        found = {
            "boxes": torch.from_numpy(boxes.clip(0, [width, height, width, height]).astype(np.float32)),
            "labels": torch.tensor([annotation["category_id"] for annotation in annotations]),
            "size": picture.size,
            "iscrowd": torch.tensor([annotation["iscrowd"] for annotation in annotations]),
            "area": torch.tensor([float(annotation["area"]) for annotation in annotations]),
        }
        if self.letterbox is None and all("segmentation" in annotation for annotation in annotations):
            masks = [instance_mask(annotation["segmentation"], picture.size) for annotation in annotations]
            found["masks"] = torch.from_numpy(np.stack(masks).astype(np.uint8))
        return found


def instance_mask(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels of one instance.

    Args:
        segmentation: Polygons (lists of x, y, x, y, ...) or run lengths, as in COCO's JSON.
        size: Height and width of the photograph.

    Returns:
        Shape ``(H, W)``.
    """
    from faster_coco_eval.core import mask as coco_mask  # here, because other data sets do not need it

    height, width = size
    runs = coco_mask.frPyObjects(segmentation, height, width)
    decoded = np.asarray(coco_mask.decode(runs))
    return (decoded.any(-1) if decoded.ndim == 3 else decoded).astype(bool)


def _with_extent(picture: Picture) -> list[dict[str, Any]]:
    """The instances whose boxes have an area; a few of COCO's have none."""
    return [a for a in picture.annotations if a["bbox"][2] > 0 and a["bbox"][3] > 0]


def _read(annotations: Path, folder: Path) -> list[Picture]:
    """The photographs of an annotation file, by rising id."""
    try:
        content = json.loads(annotations.read_bytes())
        found = defaultdict(list)
        for annotation in content["annotations"]:
            found[annotation["image_id"]].append(annotation)
        return [
            Picture(folder / image["file_name"], (image["height"], image["width"]), found[image["id"]])
            for image in sorted(content["images"], key=lambda image: image["id"])
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{annotations} is no annotation file of COCO ({type(error).__name__}: {error}). Unpack it again."
        ) from error
