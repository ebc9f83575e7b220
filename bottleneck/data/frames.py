"""Frames of one camera, in order, with the frozen network's own answers in place of labels.

    folder of frames, or a pan over digits ─► network ─► answers: what results are compared with
            └─► the first sixth: tables are fitted on it    the rest: measured

No video has labels for every frame, and none are needed to see what a channel changes: the metric of such a
data set is agreement with the network that nothing was sent for.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bottleneck.data import files
from bottleneck.data.digits import Digits
from bottleneck.data.resized import Resized
from bottleneck.data.samples import Lazily, Part
from bottleneck.identity import weights_identity
from bottleneck.models import Network

_PAN_FRAMES, _PAN_STEPS = 240, 16  # frames of the pan, and how many of them pass over a digit
_BATCH = 16


class Frames(Resized):
    """Consecutive frames; targets are the classes that the network finds, of the frame or of its pixels.

    Args:
        network: Whose answers are the targets, and whose input the frames are made for.
        root: Folder of images of one size, in the order of their names, subfolders included. None: a pan
            over a row of handwritten digits.
        fit: Share of the frames, from the first on, that tables are fitted on; the others are measured.
        crop: Pixels of both sides of the square cut from the centre; of `Resized`'s arguments the one that
            says the short side as well.
        holdout: 0: nothing can be drawn out of a stream.
        shared: `Resized`'s arguments. Limits take the first frames of each part.

    Raises:
        ValueError: If an option is out of range; later, if there are fewer than two frames, they differ in
            size, or the network's answers are no classes.
        FileNotFoundError: If there is no such folder.
    """

    targets_are_answers = True

    def __init__(
        self,
        network: Network,
        root: str | Path | None = None,
        fit: float = 1 / 6,
        crop: int | None = None,
        holdout: float = 0.0,
        **shared: Any,
    ) -> None:
        side = network.input_shape[1] if crop is None else crop
        self.usual = (side, side)
        self.network, self.fit = network.eval(), fit
        super().__init__(holdout=holdout, crop=crop, **shared)
        self._prepare(network.preprocessing)
        if holdout:
            raise ValueError(f"data.holdout={holdout}: frames stay in order. Use data.holdout=0.")
        if not 0 < fit < 1:
            raise ValueError(
                f"data.fit={fit} is no share of the frames. Use above 0 and below 1, such as 0.2."
            )
        self.root = None if root is None else Path(root).expanduser()
        self.name = "pan" if self.root is None else self.root.absolute().name

    @property
    def image_shape(self) -> tuple[int, int, int]:
        _, height, width = super().image_shape
        return (self.network.input_shape[0], height, width)

    @property
    def num_classes(self) -> int:
        return self._answers[1]

    @property
    def target_layout(self) -> tuple[tuple[int, ...], str]:
        answers, _ = self._answers
        return tuple(answers.shape[1:]), str(answers.dtype).removeprefix("torch.")

    def target_transform(self, target: Any) -> Any:
        return target

    def read_part(self, part: str) -> Part:
        answers, _ = self._answers
        first = max(1, round(self.fit * len(self._frames)))
        frames = slice(0, first) if part == "train" else slice(first, None)
        pairs = list(zip(self._frames[frames], answers[frames], strict=True))
        return Part(Lazily(pairs, _opened), np.zeros(len(pairs), dtype=np.int64))

    def sample_version(self, part: str, index: int) -> str:
        frame, _ = self._part(part).images.stored[index]
        if isinstance(frame, Path):
            return f"{self._network_identity} {files.version(frame)}"
        return f"{self._network_identity} {frame.tobytes().hex()}"

    def sample_content(self, part: str, index: int) -> str:
        frame, _ = self._part(part).images.stored[index]
        if isinstance(frame, Path):
            return f"{self._network_identity} {files.content(frame)}"
        return self.sample_version(part, index)

    def _members(self, name: str) -> tuple[str, np.ndarray]:
        part, limit = ("val", self.val_limit) if name == "val" else ("train", self.train_limit)
        count = 0 if name == "select" else len(self._part(part).labels)
        return part, np.arange(count)[:limit]

    @cached_property
    def _network_identity(self) -> str:
        return weights_identity(self.network)

    @cached_property
    def _frames(self) -> list[Any]:
        """Paths, or uint8 arrays C×H×W."""
        if self.root is None:
            return list(_pan(self.network.input_shape[0], self.image_shape[1]))
        if not self.root.is_dir():
            raise FileNotFoundError(f"data.root={self.root} is not a folder. Give a folder of frames.")
        paths = sorted(files.images_in(self.root))
        if len(paths) < 2:
            raise ValueError(
                f"data.root={self.root} holds {len(paths)} images; a stream takes at least 2 frames. Endings "
                f"that count: {', '.join(files.ENDINGS)}."
            )
        sizes = [_size(path) for path in paths]
        for path, size in zip(paths, sizes, strict=True):
            if size != sizes[0]:
                raise ValueError(
                    f"frames of a stream have one size: {paths[0].name} has {sizes[0]}, {path.name} {size} "
                    f"pixels. Sort data.root={self.root} into streams."
                )
        return paths

    @cached_property
    @torch.no_grad()
    def _answers(self) -> tuple[Tensor, int]:
        """The network's answers to all frames, classes or masks ``(n, ...)``; the number of classes."""
        prepare = self.transform("val")
        answers = []
        for start in range(0, len(self._frames), _BATCH):
            images = torch.stack([prepare(_open(frame)) for frame in self._frames[start : start + _BATCH]])
            output = self.network(images)
            if not isinstance(output, Tensor) or output.dim() not in (2, 4):
                found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
                raise ValueError(
                    f"The network returns {found} for frames; data=frames takes logits of classes, of an "
                    "image or of its pixels."
                )
            classes = output.argmax(dim=1)
            answers.append(classes if output.dim() == 2 else classes.to(torch.uint8))
        return torch.cat(answers), output.shape[1]


def _opened(pair: tuple[Any, Tensor]) -> tuple[Any, Tensor]:
    frame, answer = pair
    return _open(frame), answer


def _size(path: Path) -> tuple[int, int]:
    with files.readable(path), Image.open(path) as image:
        return image.size


def _open(frame: Any) -> Any:
    return files.load_image(frame) if isinstance(frame, Path) else frame


def _pan(channels: int, side: int) -> Any:
    """Frames of a camera that moves along a row of digits, uint8 ``(channels, side, side)``."""
    step = max(1, side // _PAN_STEPS)
    scans = [pixels for pixels, _ in Digits().read_part("val").images]
    row: list[np.ndarray] = []
    while len(row) * side < side + _PAN_FRAMES * step:
        scan = scans[len(row)][0]
        if side != len(scan):  # the scans' own networks take their 17 grey levels, others a byte's 256
            grey = Image.fromarray((scan.astype(np.uint16) * 255 // 16).astype(np.uint8))
            scan = np.asarray(grey.resize((side, side), Image.Resampling.BICUBIC))
        row.append(scan)
    wide = np.concatenate(row, axis=1)
    for number in range(_PAN_FRAMES):
        window = wide[:, number * step : number * step + side]
        yield np.ascontiguousarray(np.broadcast_to(window, (channels, side, side)))
