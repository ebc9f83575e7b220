"""What a server makes of payloads, to look at: boxes and masks of a few images, beside the frozen network's.

image │ frozen network │ a method │ another     one line for each image, bytes below what was made of them
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib import colormaps, font_manager
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

from bottleneck.channel import Channel
from bottleneck.cut import Cut
from bottleneck.devices import moved
from bottleneck.features.sources import head_output
from bottleneck.models.suppression import objects_of
from bottleneck.show.captions import save
from bottleneck.tasks import SingleStage
from bottleneck.tasks.objects import unpack

_SURE = 0.4  # score from which on an object is drawn
_SIDE = 320  # pixels; smaller images are drawn as many times larger as fit
_LETTERS = 13  # pixels
_MOST = 6  # columns of methods
_SOLID = 0.65  # of masks; the rest is the image
_KINDS = {"segmentation": "masks", "detection": "boxes", "single_stage": "boxes"}


@dataclass
class Column:
    """What one method makes of the images.

    Attributes:
        title: The method.
        panels: A picture for each image, uint8 `(3, H, W)`.
        notes: What stands below each.
    """

    title: str
    panels: list[Tensor]
    notes: list[str]


def check_drawable(cut: Cut) -> None:
    """Refuse a task whose answers are no pictures.

    Raises:
        ValueError: If the network neither finds objects nor names pixels.
    """
    if cut.task.name not in _KINDS:
        raise ValueError(
            f"pictures= draws boxes and masks, and task={cut.task.name} makes neither. Use pictures=0."
        )


@torch.no_grad()
def frozen_answers(cut: Cut, subset: str, count: int) -> list[Column]:
    """Columns of the images themselves, and of what the frozen network finds in them.

    Args:
        cut: Anywhere; the whole network runs.
        subset: `train`, `select` or `val`.
        count: Images at most, evenly spread over it.
    """
    image, found = Column("image", [], []), Column("frozen network", [], [])
    for pixels, sample in _samples(cut, subset, count):
        given, target = head_output(cut.net, *sample)
        output = cut.net.rest(given, cut.task.sizes(cut.task.headers(target)))
        image.panels.append(_panel(cut, pixels, None, target))
        found.panels.append(_panel(cut, pixels, output, target))
        image.notes.append("×".join(map(str, reversed(image.panels[-1].shape[1:]))))
        found.notes.append("")
    return [image, found]


@torch.no_grad()
def answers(cut: Cut, channels: Sequence[Channel], subset: str, count: int) -> list[Column]:
    """A column for each channel: what the tail makes of its payloads, which crossed as bytes.

    Args:
        cut: Where the channels send; their codecs are fitted.
        channels: The ways to send.
        subset: As for `frozen_answers`.
        count: Likewise.
    """
    columns = []
    for channel in channels:
        column, session = Column(channel.name, [], []), channel.session()
        for pixels, sample in _samples(cut, subset, count):
            given, target = head_output(cut.net, *sample)
            (header,) = headers = cut.task.headers(target)
            sent = session.transmit(given)
            output = cut.net.tail(sent.feature, cut.task.sizes(headers))
            column.panels.append(_panel(cut, pixels, output, target))
            column.notes.append(f"{len(header) + sent.payload_bytes[0]:,} bytes")
        columns.append(column)
    return columns


def draw_answers(columns: Sequence[Column], kind: str, path: Path) -> None:
    """Draw the columns side by side.

    Args:
        columns: The image, the frozen network, and the methods; of these the first `_MOST`.
        kind: Name of the task.
        path: The picture.
    """
    shown = columns[: 2 + _MOST]
    height, width = shown[0].panels[0].shape[1:]
    lines = len(shown[0].panels)
    size = (2.6 * len(shown), (2.6 * height / width + 0.25) * lines + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(lines, len(shown), squeeze=False)
    for place, column in zip(grid.T, shown, strict=True):
        place[0].set_title(column.title, fontsize="medium")
        for axes, panel, note in zip(place, column.panels, column.notes, strict=True):
            axes.imshow(panel.movedim(0, -1).numpy())
            axes.set(xticks=[], yticks=[], xlabel=note)
    sentence = (
        f"The {_KINDS[kind]} on the right are made of the bytes below them alone, and drawn into the image."
    )
    if left := len(columns) - len(shown):
        sentence += f" {left} more methods are left out."
    save(figure, sentence, path)


def _samples(cut: Cut, subset: str, count: int) -> list[tuple[Tensor, tuple[Any, Any]]]:
    """Images, and each as a batch of one with its target, on the network's device."""
    chosen = cut.images.subset(subset).spread(count)
    return [
        (image, moved(cut.images.collate([(image, target)]), cut.image.device)) for image, target in chosen
    ]


def _panel(cut: Cut, image: Tensor, output: Any, target: Any) -> Tensor:
    """An image without its letterbox, large enough to look at, with what a network found in it."""
    scale = 1.0  # pixels of the image here for each of the image in whose pixels boxes are
    if isinstance(cut.task, SingleStage):
        box = unpack(target[0])[1]
        scale = box.scale
        image = image[:, : round(box.height * scale), : round(box.width * scale)]
    factor = max(1, _SIDE // max(image.shape[1:]))
    image = image.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    if output is None:
        return image
    if cut.task.name == "segmentation":
        classes = output[0].argmax(0).cpu().repeat_interleave(factor, 0).repeat_interleave(factor, 1)
        masks = classes == torch.arange(output.shape[1])[:, None, None]
        shades = [
            tuple(round(255 * part) for part in colormaps["tab20"](number % 20)[:3])
            for number in range(len(masks))
        ]
        tinted: Tensor = draw_segmentation_masks(image, masks, alpha=_SOLID, colors=shades)
        return tinted
    found = objects_of(output[0], box, **cut.task.options) if isinstance(cut.task, SingleStage) else output[0]
    sure = found["scores"] >= _SURE
    if not sure.any():
        return image
    names = [cut.images.label_name(int(label)) for label in found["labels"][sure]]
    boxes = found["boxes"][sure].cpu() * scale * factor
    framed: Tensor = draw_bounding_boxes(
        image,
        boxes,
        names,
        colors="yellow",
        width=2,
        font=font_manager.findfont("DejaVu Sans"),  # matplotlib brings it along
        font_size=_LETTERS,
        label_colors="black",
        label_background_colors="yellow",
        fill_labels=True,
    )
    return framed
