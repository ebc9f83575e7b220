"""Bytes per frame of features of video, and of the video itself, and how often both give the same answer.

    python -m benchmarks.streams DATA ROWS.jsonl [--streams resting-boxes pan-4 ...] [--frames 120]
        [--bundle FOLDER]

DATA holds `vtest/`, a camera at rest; `camvid/`, one that drives, a frame a second, with ESPNet beside its
frames; `imagenette/`, over whose photographs a camera is panned; and `coco/` with YOLOX-Nano. Rows are
written when they are there, the table at the end. Agreement is with the frozen network on the
same frames: boxes found alike (F1 at IoU 0.5), pixels or images of the same class. Methods are those of
`suite=stream`; H.264 and HEVC are coded from the first measured frame on, no frame waiting for a later one.
Latents are those of the zoo's units, or at a cut of EfficientNet-Lite0 with Imagenette's classes of BUNDLE.
"""

import dataclasses
import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from omegaconf import OmegaConf
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.ops import batched_nms, box_iou

from benchmarks.shared import composed, markdown, parser
from bottleneck import codecs, models, split
from bottleneck.channel import Channel
from bottleneck.data.files import load_image
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.networks import check_network
from bottleneck.deploy.places import found
from bottleneck.preprocess import preprocess

KEY_EVERY = 30
FIT = 6  # a sixth of the frames is fitted on
QUALITIES = {"h264": (20, 26, 32, 38, 44), "hevc": (20, 26, 32, 38, 44)}
#: Methods for the symbols of a trained unit.
LATENT = {
    "intra": {"name": "range"},
    "difference": {"name": "stream", "contexts": 1},
    "conditional": {"name": "stream"},
    "motion": {"name": "stream", "motion": 2},
    "tolerant": {"name": "stream", "tolerance": 1},
}
IMAGENETTE = [0, 217, 482, 491, 497, 566, 569, 571, 574, 701]


@dataclass(frozen=True)
class Stream:
    """Frames of one camera and a frozen network.

    Attributes:
        frames: uint8 RGB, as they enter the network, ``(n, 3, H, W)``.
        network: Takes them.
        at: The split point.
        answer: Of the network's output for one frame.
        agreement: Of an answer with the one that is wanted, 0 to 1.
        bundle: Of a trained unit there, whose latent is sent; None: the feature itself.
    """

    frames: Tensor
    network: nn.Module
    at: str
    answer: Callable[[Tensor], Any]
    agreement: Callable[[Any, Any], float]
    bundle: Bundle | None = None


@dataclass
class Row:
    """A method on one stream; bytes are means over the measured frames."""

    stream: str
    split: str
    method: str
    setting: str
    frames: int
    payload_bytes: float
    agreement: float


class Bgr(nn.Module):
    """A network of pixels in the order blue, green, red, each shifted and scaled."""

    mean: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], scale: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("scale", torch.tensor(scale).reshape(-1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        found: Tensor = self.network((pixels.flip(1) - self.mean) * self.scale)
        return found


# Streams ---------------------------------------------------------------------------------------


def streams(data: Path, count: int, bundle: Path | None = None) -> dict[str, Callable[[], Stream]]:
    """All of them by name, made when they are asked for."""
    latent = bundle or found("zoo:efficientnet_lite0/middle")
    return {
        "resting-boxes": lambda: _boxes(data, count),
        "resting": lambda: _classes(_photographs(data / "vtest", count), "_blocks.5"),
        "resting-deep": lambda: _classes(_photographs(data / "vtest", count), "_blocks.10"),
        "driving": lambda: _pixels(data, count),
        "pan-4": lambda: _classes(_pan(data, count, 4), "_blocks.2", IMAGENETTE),
        "pan-3": lambda: _classes(_pan(data, count, 3), "_blocks.2", IMAGENETTE),
        "pan-4-deep": lambda: _classes(_pan(data, count, 4), "_blocks.5", IMAGENETTE),
        "pan-16-deep": lambda: _classes(_pan(data, count, 16), "_blocks.5", IMAGENETTE),
        "resting-boxes-latent": lambda: dataclasses.replace(
            _boxes(data, count), bundle=Bundle.read(found("zoo:yolox_nano/dark3"))
        ),
        "pan-4-latent": lambda: _latents(_pan(data, count, 4), Bundle.read(latent)),
        "pan-32-latent": lambda: _latents(_pan(data, count, 32), Bundle.read(latent)),
    }


def _classes(frames: Tensor, at: str, logits: Sequence[int] | None = None) -> Stream:
    network = models.create("efficientnet_lite0", logits=logits)
    return Stream(frames, network, at, lambda output: int(output.argmax()), lambda a, b: float(a == b))


def _latents(frames: Tensor, bundle: Bundle) -> Stream:
    stream = _classes(frames, bundle.split, IMAGENETTE)
    check_network(bundle, stream.network)
    return dataclasses.replace(stream, bundle=bundle)


def _pixels(data: Path, count: int) -> Stream:
    """CamVid's second drive, the pixels' classes by ESPNet's encoder."""
    module = _module(data / "camvid" / "espnet.py")
    network = module.ESPNet(decoder=False)
    network.load_state_dict(load_file(data / "camvid" / "espnet_camvid.safetensors"))
    mean, deviation = (110.331, 108.409, 105.033), (72.126, 72.691, 69.904)  # of B, G, R
    pixels = Bgr(network, mean, [1 / (255 * d) for d in deviation]).eval()
    files = sorted((data / "camvid" / "train").glob("0006R0*"))[:count]
    frames = torch.stack([torch.from_numpy(np.array(load_image(file))).permute(2, 0, 1) for file in files])
    same = lambda a, b: float((a == b).float().mean())  # noqa: E731  # share of pixels
    return Stream(frames, pixels, "network.encoder.level3_0", lambda output: output[0].argmax(0), same)


def _boxes(data: Path, count: int) -> Stream:
    """The camera at rest, people and other things by YOLOX-Nano."""
    module = _module(data / "coco" / "yolox.py")
    network = module.YOLOXNano()
    network.load_state_dict(load_file(data / "coco" / "yolox_nano.safetensors"))
    frames = []
    for file in sorted((data / "vtest").rglob("*.jpg"))[:count]:
        image = load_image(file)
        ratio = min(416 / image.width, 416 / image.height)
        small = image.resize((int(image.width * ratio), int(image.height * ratio)), Image.Resampling.BILINEAR)
        whole = np.full((416, 416, 3), 114, np.uint8)
        whole[: small.height, : small.width] = np.asarray(small)
        frames.append(torch.from_numpy(whole).permute(2, 0, 1))
    pixels = Bgr(network, [0.0] * 3, [1.0] * 3).eval()

    def things(output: Tensor) -> Tensor:
        """Left, top, right, bottom and class of each thing with a score of 0.3. Shape ``(k, 5)``."""
        rows = module.decode(output)[0]
        scores, kinds = (rows[:, 4:5] * rows[:, 5:]).max(dim=1)
        rows, scores, kinds = rows[scores > 0.3], scores[scores > 0.3], kinds[scores > 0.3]
        boxes = torch.cat([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], dim=1)
        kept = batched_nms(boxes, scores, kinds, 0.65)
        return torch.cat([boxes[kept], kinds[kept, None].float()], dim=1)

    return Stream(torch.stack(frames), pixels, "network.dark3", things, _f1)


def _f1(found: Tensor, wanted: Tensor) -> float:
    """Share of boxes that have a partner of their class, each at most one, with an IoU of 0.5."""
    if not len(found) or not len(wanted):
        return float(len(found) == len(wanted))
    overlap = box_iou(found[:, :4], wanted[:, :4]) * (found[:, 4:] == wanted[:, 4])
    partners = 0
    while overlap.max() >= 0.5:
        row, column = divmod(int(overlap.argmax()), len(wanted))
        overlap[row], overlap[:, column] = 0, 0
        partners += 1
    return 2 * partners / (len(found) + len(wanted))


def _photographs(folder: Path, count: int) -> Tensor:
    prepare = preprocess(224, 224)
    return torch.stack([prepare(load_image(file)) for file in sorted(folder.rglob("*.jpg"))[:count]])


def _pan(data: Path, count: int, speed: int) -> Tensor:
    """A window that moves to the right over a row of photographs, some pixels in each frame."""
    files = sorted((data / "imagenette" / "val").rglob("*.JPEG"))
    needed = -(-(224 + speed * count) // 224)
    chosen = files[:: max(1, len(files) // needed)][:needed]
    row = torch.cat([preprocess(224, 224)(load_image(file)) for file in chosen], dim=2)
    return torch.stack([row[:, :, speed * number : speed * number + 224] for number in range(count)])


def _module(path: Path) -> Any:
    """A network's definition that lies beside its weights."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Measuring -------------------------------------------------------------------------------------


@torch.no_grad()
def measured(name: str, stream: Stream) -> Iterator[Row]:
    """Every method on a stream; frames after the first sixth are measured."""
    net = split(stream.network, stream.at, stream.frames[:1]).freeze()
    features = torch.cat([net.head(frame) for frame in stream.frames.split(1)])
    first = max(1, len(features) // FIT)
    wanted = [stream.answer(net.tail(feature)) for feature in features[first:].split(1)]
    known: dict[bytes, list[float]] = {}  # exact methods give one feature, which is judged once

    def row(method: str, setting: str, sizes: Sequence[int], outputs: list[float]) -> Row:
        return Row(
            name, stream.at, method, setting, len(sizes), float(np.mean(sizes)), float(np.mean(outputs))
        )

    unit = None if stream.bundle is None else stream.bundle.unit
    methods: Any = LATENT
    if unit is None:
        methods = OmegaConf.to_container(composed("evaluate", ["suite=stream"]).suite.feature)
    shape = tuple(features.shape[1:]) if unit is None else unit.latent_shape
    for method, settings in methods.items():
        for setting, options in ({"": settings} if "name" in settings else settings).items():
            channel = Channel(codecs.create(shape=shape, **options), unit)
            session = channel.fit([(features[:first], None)]).session()
            sent = [session.transmit(feature) for feature in features[first:].split(1)]
            key = b"".join(part.feature[0, 0, 0].numpy().tobytes() for part in sent)
            if key not in known:
                answers = [stream.answer(net.tail(part.feature)) for part in sent]
                known[key] = [stream.agreement(*pair) for pair in zip(answers, wanted, strict=True)]
            yield row(method, setting, [part.payload_bytes[0] for part in sent], known[key])
    for codec, qualities in QUALITIES.items():
        for quality in qualities:
            sizes, frames = video(stream.frames[first:].numpy(), codec, quality)
            answers = [stream.answer(stream.network(frame[None])) for frame in frames]
            agreed = [stream.agreement(*pair) for pair in zip(answers, wanted, strict=True)]
            yield row(codec, f"crf {quality}", sizes, agreed)


def video(frames: np.ndarray, codec: str, quality: int) -> tuple[list[int], list[Tensor]]:
    """Bytes of each frame of a video, and what is decoded of them; uint8 ``(n, 3, H, W)``, sides even."""
    encoder: Any = av.CodecContext.create({"h264": "libx264", "hevc": "libx265"}[codec], "w")
    encoder.height, encoder.width = frames.shape[2:]
    encoder.pix_fmt, encoder.time_base, encoder.framerate = "yuv420p", Fraction(1, 10), Fraction(10)
    shared = f"keyint={KEY_EVERY}:min-keyint={KEY_EVERY}:scenecut=0:bframes=0"
    quiet = ":info=0:log-level=none:pools=none:frame-threads=1" if codec == "hevc" else ":threads=1"
    encoder.options = {"crf": str(quality), f"x{encoder.name[-3:]}-params": shared + quiet}
    packets = []
    for number, pixels in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    decoded = [frame for packet in packets for frame in decoder.decode(av.Packet(bytes(packet)))]
    decoded += decoder.decode(None)
    assert (len(decoded), len(packets)) == (len(frames), len(frames))
    arrays = [torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1) for frame in decoded]
    return [packet.size for packet in packets], arrays


# Showing ---------------------------------------------------------------------------------------


def table(rows: Sequence[Row]) -> str:
    """Bytes by stream and quantizer, and how often they fit into those of intra; the video's by quality."""
    settings: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        stream = f"{row.stream}, {row.split.removeprefix('network.')}"
        settings.setdefault((stream, row.setting), {})[row.method] = row
    lines = []
    for (stream, setting), ways in settings.items():
        line = {"stream": stream, "levels": setting}
        if "intra" in ways:
            whole = ways.pop("intra")
            line |= {"agreement": f"{whole.agreement:.3f}", "intra": f"{whole.payload_bytes:,.0f}"}
            line |= {method: _shown(row, whole) for method, row in ways.items()}
        elif ways.keys() <= QUALITIES.keys():
            line |= {codec: f"{row.payload_bytes:,.0f} ({row.agreement:.3f})" for codec, row in ways.items()}
        else:  # the feature as it is
            continue
        lines.append(line)
    return markdown(lines)


def _shown(row: Row, whole: Row) -> str:
    """Bytes, their number of times in intra's, and the agreement where it is another."""
    other = "" if row.agreement == whole.agreement else f", {row.agreement:.3f}"
    return f"{row.payload_bytes:,.0f} (÷ {whole.payload_bytes / row.payload_bytes:.1f}{other})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    options = parser(__doc__)
    options.add_argument("data", type=Path)
    options.add_argument("rows", type=Path)
    options.add_argument("--streams", nargs="*")
    options.add_argument("--frames", type=int, default=120)
    options.add_argument("--bundle", type=Path)
    given = options.parse_args(arguments)
    torch.set_num_threads(1)
    known = streams(given.data, given.frames, given.bundle)
    rows = []
    with given.rows.open("w") as file:
        for name in given.streams or known:
            for row in measured(name, known[name]()):
                rows.append(row)
                print(json.dumps(dataclasses.asdict(row)), file=file, flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
