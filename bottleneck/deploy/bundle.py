"""A trained operating point as files: everything that both sides need beside the frozen network.

    bundle/  bundle.json        split point, unit options, codec with its tables, network identity,
                                preprocessing, metric at export; its SHA-256 stands for the whole bundle
             unit.safetensors   the unit's weights, whose SHA-256 is in bundle.json
             tail.safetensors   likewise, of a tail of its own, where one was trained with the unit

Points of a frontier may share their weights, in weights/SHA-256.safetensors beside them. Nothing in these
files names code to run. What is made of them is no larger than the weights' file and the images. Loading and
using one needs torch and NumPy, neither torchvision nor Lightning nor Hydra.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from bottleneck import codecs
from bottleneck.codecs import Codec
from bottleneck.codecs.image_sizes import Letterboxed
from bottleneck.deploy.fields import check_fields, check_sizes, is_number
from bottleneck.files import read_folder, replace_folder
from bottleneck.identity import state_identity, weights_identity
from bottleneck.integrity import bundles, description
from bottleneck.models.checkpoints import write_state_dict
from bottleneck.unit import Unit, build

_KEPT = ("split", "network", "behaviour", "image_shape", "preprocessing", "model", "result", "task")
WEIGHTS = "unit.safetensors"
SHARED = "weights"  # folder of weights that points of a frontier share
_MADE_OF_IT = ("onnx", "torch")  # folders that export puts into a bundle, and which go with it

#: A split point, whether its module is replaced, and the bundle that has a tail of its own there, if one has.
Place = tuple[str, bool, str | None]


@dataclass
class Bundle:
    """One operating point.

    Attributes:
        unit: The trained unit, in eval mode.
        codec: Its codec, with tables.
        split: Split point of the network.
        network: Identity of the network's weights (`weights_identity`).
        image_shape: (C, H, W) of the image that enters the head.
        preprocessing: What `preprocess` needs to make such an image of pixels; `None`: the network takes
            float images that its user's own transform has made.
        model: How the network was made, for people and for `evaluate.py`.
        result: The evaluated row at export.
        behaviour: What the network computes on a fixed image (`identity.behaviour`); those of 0.1 have none.
        task: What the network is for, hence what a server returns; the network's output where it is unknown.
        tail: State dict of the server's own tail; `None`: that of the network.
    """

    unit: Unit
    codec: Codec
    split: str
    network: str
    image_shape: tuple[int, int, int]
    preprocessing: dict[str, Any] | None = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    task: str = "classification"
    behaviour: Sequence[float] | None = None
    tail: Mapping[str, Tensor] | None = None

    def __repr__(self) -> str:
        where = f"{self.split} of {self.model.get('name', 'a network')}"
        told = f"bundle {self.id}: {self.unit.kind} unit behind {where}, through {self.codec.name}"
        size, value = self.result.get("payload_bytes"), self.result.get("value")
        if not (is_number(size) and is_number(value)):  # the plugin does not measure all of them
            return told
        metric = str(self.result.get("metric", "metric")).replace("_", " ")
        return f"{told}; {size:,.1f} bytes per image for {metric} {value:.3f}"

    @property
    def image_dtype(self) -> torch.dtype:
        """The type of the images that enter the head."""
        return torch.float32 if self.preprocessing is None else torch.uint8

    @property
    def letterbox(self) -> int | None:
        """Side of the square that an image goes into, where answers are given in the image's own pixels."""
        return (self.preprocessing or {}).get("letterbox") if self.task == "single_stage" else None

    def letterboxed(self, image: Any) -> Letterboxed | None:
        """What has to be known of an image besides, where it is letterboxed.

        Args:
            image: A PIL image, or an array or tensor C×H×W.
        """
        return None if self.letterbox is None else Letterboxed.of(image, self.letterbox)

    @property
    def place(self) -> Place:
        """Where the unit stands; bundles of one place share a split network."""
        return self.split, self.unit.replaces, None if self.tail is None else self.id

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that name this operating point: split, unit, tables, its own tail."""
        parts = [self.split, self.unit.options, self.codec.to_dict(), weights_identity(self.unit)]
        if self.tail is not None:
            parts.append(state_identity(self.tail))
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    def save(self, folder: str | Path) -> None:
        """Write the bundle as a folder; one that is there is replaced at once."""
        with replace_folder(Path(folder), bundles.FILE, "*.safetensors", *_MADE_OF_IT) as fresh:
            weights, own_tail = fresh / WEIGHTS, {}
            write_state_dict(self.unit.state_dict(), weights)
            if self.tail is not None:
                write_state_dict(self.tail, fresh / "tail.safetensors")
                own_tail["tail_sha256"] = _sha256(fresh / "tail.safetensors")
            content = {
                "id": self.id,
                "unit": self.unit.options,
                "codec": self.codec.to_dict(),
                **{key: getattr(self, key) for key in _KEPT},
                "weights_sha256": _sha256(weights),
                **own_tail,
            }
            bundles.write(fresh, content)

    @classmethod
    def read(cls, folder: str | Path, digest: str | None = None) -> "Bundle":
        """Read a bundle.

        Args:
            folder: Where it is.
            digest: SHA-256 of its `bundle.json`, which vouches for the weights too; `None`: the folder is
                trusted.

        Raises:
            FileNotFoundError: If the folder or one of its files is missing.
            ValueError: If it is not the digest's; if a file is truncated, changed, foreign, or of a newer
                version; if it describes nothing that can be made, or weights that are no numbers.
        """
        return read_folder(Path(folder).expanduser(), lambda found: cls._read(found, digest))

    @classmethod
    def _read(cls, folder: Path, digest: str | None) -> "Bundle":
        file, content = folder / bundles.FILE, bundles.read(folder, digest)
        check_fields(content, file)
        state = _weights(_of_unit(folder, content["weights_sha256"]), content["weights_sha256"])
        tail = content.get("tail_sha256")
        with description.described_by(file):
            unit = _unit(content["unit"], state)
            check_sizes(unit.latent_shape, content["codec"], file)
            codec = codecs.from_dict(content["codec"])
        return cls(
            unit=unit,
            codec=codec,
            split=content["split"],
            network=content["network"],
            image_shape=tuple(content["image_shape"]),
            preprocessing=content["preprocessing"],
            model=content["model"],
            result=content["result"],
            task=content.get("task", "classification"),  # bundles of 0.1 have none
            behaviour=content.get("behaviour"),
            tail=None if tail is None else _weights(folder / "tail.safetensors", tail),
        )


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _of_unit(folder: Path, sha256: str) -> Path:
    """Where a bundle's weights are: in its folder, or beside it, where it shares them."""
    own, shared = folder / WEIGHTS, folder.parent / SHARED / f"{sha256}.safetensors"
    return shared if shared.is_file() and not own.is_file() else own


def _weights(file: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a bundle's weights.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If they are other ones, or no numbers.
    """
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} is missing, so {file.parent} is no bundle. Export it again; where it is a point of a "
            f"frontier, copy the frontier's folder as a whole: points may share weights in {SHARED}/."
        )
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{file} is truncated or belongs to another bundle (checksum). Export it again.")
    try:
        state = load(data)
    except SafetensorError as error:
        raise ValueError(f"{file} holds no weights: {error}. Export it again.") from error
    if broken := [name for name, tensor in state.items() if not bool(tensor.isfinite().all())]:
        raise ValueError(f"{file} holds NaN or infinity in {broken}: its training diverged. Train again.")
    return state


def _unit(options: dict[str, Any], state: dict[str, Tensor]) -> Unit:
    """The unit of these options with these weights; made only where both have the same sizes."""
    each = options.get("units", [options])
    if any(own.get(name, 0) > len(state) for own in each for name in ("depth", "blocks")):
        raise ValueError(f"the unit has more blocks than the {len(state)} tensors of its weights")
    with torch.device("meta"):
        wanted = {name: tensor.shape for name, tensor in build(options).state_dict().items()}
    if wanted != (found := {name: tensor.shape for name, tensor in state.items()}):
        different = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
        raise ValueError(f"its weights do not fit the unit: {different} differ")
    unit = build(options)
    unit.load_state_dict(state)
    return unit.eval()
