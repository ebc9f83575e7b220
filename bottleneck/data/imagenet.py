"""ImageNet, and its ten-class excerpt Imagenette: image folders whose classes are WordNet ids."""

import shutil
from pathlib import Path
from typing import Any

from torchvision.datasets.utils import download_and_extract_archive

from bottleneck.data.folders import ImageFolder, listing

IMAGENETTE_WNIDS = (
    "n01440764",  # tench
    "n02102040",  # English springer
    "n02979186",  # cassette player
    "n03000684",  # chain saw
    "n03028079",  # church
    "n03394916",  # French horn
    "n03417042",  # garbage truck
    "n03425413",  # gas pump
    "n03445777",  # golf ball
    "n03888257",  # parachute
)

_FETCHED = "imagenette2-320"
_ARCHIVE = f"https://s3.amazonaws.com/fast-ai-imageclas/{_FETCHED}.tgz", "3df6f0d01a2c9592104656642f5e78a3"


class Imagenette(ImageFolder):
    """Ten easily told classes of ImageNet; labels follow the order of the folder names.

    Args:
        root: Folder with ``train`` and ``val``; or where they are to be put, below ``imagenette2-320``.
        download: Whether to fetch the 340 MB edition with a short side of 320 pixels when they are not there.
        shared: `ImageFolder`'s arguments.

    Source: fast.ai, https://github.com/fastai/imagenette.
    """

    name = "imagenette"
    usual = (224, 224)  # files of 224×224 pass unchanged

    def __init__(self, root: str | Path, download: bool = True, **shared: Any) -> None:
        super().__init__(root, **shared)
        self.download = download

    def prepare_data(self) -> None:
        """Download where needed; Lightning calls it in one process before the others read."""
        self.folder()

    def folder(self) -> Path:
        """Return the folder that holds ``train`` and ``val``, downloaded first where needed and allowed.

        Raises:
            FileNotFoundError: If the download fails.
        """
        if any((self.root / part).exists() for part in ("train", "val")):
            return self.root
        fetched = self.root / _FETCHED
        if self.download and not fetched.is_dir():
            try:
                self._fetch()
            except (OSError, RuntimeError) as error:
                raise FileNotFoundError(
                    f"Imagenette could not be downloaded ({error}). {self.layout()}"
                ) from error
        return fetched if fetched.is_dir() else self.root

    def _fetch(self) -> None:
        """Download, and unpack beside the place: a kill meanwhile leaves no part of it there."""
        unpacked = self.root / ".unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)
        url, md5 = _ARCHIVE
        download_and_extract_archive(url, self.root, unpacked, md5=md5)
        (unpacked / _FETCHED).rename(self.root / _FETCHED)
        unpacked.rmdir()

    def layout(self) -> str:
        return (
            f"data.root={self.root} should hold train/<wnid>/ and val/<wnid>/ for the ten classes "
            f"{', '.join(IMAGENETTE_WNIDS)}. To make such a folder, unpack an archive of "
            "https://github.com/fastai/imagenette, or set data.download=true where the net is there "
            f"(now {str(self.download).lower()})."
        )

    def check_classes(self, classes: list[str]) -> None:
        """Refuse a folder that is not Imagenette.

        Raises:
            ValueError: If the class folders are not the ten of Imagenette.
        """
        if classes != list(IMAGENETTE_WNIDS):
            missing = listing(set(IMAGENETTE_WNIDS) - set(classes))
            foreign = listing(set(classes) - set(IMAGENETTE_WNIDS))
            raise ValueError(
                f"{self.folder()} is not Imagenette: missing classes: {missing}; foreign classes: {foreign}. "
                f"{self.layout()} For other classes use data=imagefolder."
            )


class ImageNet(ImageFolder):
    """ImageNet-1k (ILSVRC 2012), labelled in the order of its WordNet ids, as torchvision's weights are.

    It cannot be downloaded freely. ``val`` needs class folders, too: unpack the official archives with
    ``torchvision.datasets.ImageNet(root, split)``, which sorts the validation images.

    Args:
        root: Folder with ``train`` and ``val``.
        shared: `ImageFolder`'s arguments.

    Source: Russakovsky et al., IJCV 2015, arXiv:1409.0575.
    """

    name = "imagenet"

    def check_classes(self, classes: list[str]) -> None:
        """Refuse a folder that is not ImageNet-1k.

        Raises:
            ValueError: If there are not 1,000 class folders.
        """
        if len(classes) != 1000:
            raise ValueError(
                f"{self.folder()} has {len(classes)} class folders, ImageNet has 1000. Unpack the official "
                "archives with torchvision.datasets.ImageNet into data.root, or use data=imagefolder."
            )
