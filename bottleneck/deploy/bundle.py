"""A trained operating point as files: everything that both sides need beside the frozen network.

    bundle/  bundle.json        split point, unit options, codec with its tables, network identity,
                                preprocessing, metric at export; its SHA-256 stands for the whole bundle
             unit.safetensors   the unit's weights, whose SHA-256 is in bundle.json
             tail.safetensors   likewise, of a tail of its own, where one was trained with the unit

Points of a frontier may share their weights, in weights/SHA-256.safetensors beside them. Nothing in these
files names code to run. What is made of them is no larger than the weights' file and the images. Loading and
using one needs torch, torchvision and NumPy, neither Lightning nor Hydra.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from bottleneck import codecs, models
from bottleneck.codecs import Codec
from bottleneck.codecs.image_sizes import Letterboxed
from bottleneck.deploy.fields import check_fields, check_sizes, is_number
from bottleneck.deploy.zoo import source_of
from bottleneck.devices import device_of
from bottleneck.files import read_folder, replace_folder
from bottleneck.identity import Identity, precision, state_identity, unwrapped, weights_identity
from bottleneck.integrity import bundles, description
from bottleneck.models.checkpoints import write_state_dict
from bottleneck.splitting import SplitModel, split
from bottleneck.unit import Unit, build

_MOST_TIMES = 64  # as many numbers as a network's usual image: eight times as high and as wide
_MOST_CLASSES = 1 << 16
_LONGEST = 80  # characters of an argument in a message
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

    def split_network(self, model: nn.Module, batch: int = 1) -> SplitModel:
        """The network where this unit stands, frozen, on its own device, with the tail that belongs to it.

        Args:
            model: The network that the bundle was made for.
            batch: Images in the example that it is split with.
        """
        dtype = self.image_dtype if self.image_dtype == torch.uint8 else precision(model)
        example = torch.zeros(batch, *self.image_shape, dtype=dtype, device=device_of(model))
        net = split(model, self.split, example, replace=self.unit.replaces).freeze()
        return net if self.tail is None else net.with_own_tail(self.tail)

    def network_made(self) -> nn.Module:
        """The network that the bundle names, where a package brings it along with its weights.

        Raises:
            ValueError: If it does not; the message says how it was made.
        """
        made, weights, made_by = dict(self.model), self.model.get("weights"), _call(self.model)
        # A file must not choose what code is run: anything else is the user's to name.
        if made.pop("_target_", None) != "bottleneck.models.create":
            raise ValueError(
                f"This bundle's network was made with {made_by or 'nothing that it knows of'}, which does "
                "not come with a package. Give it: the second argument of bottleneck.load(path, network), or "
                "model=... as for train."
            )
        if _is_path(weights):
            source = source_of(self.network)
            raise ValueError(
                f"This bundle's network, {made.get('name')}, has weights that are not here: "
                f"{source or 'a file of the machine that trained'}. Give it: "
                f"bottleneck.load(path, {made_by}), or model=... as for train."
            )
        sizes = [value for value in made.values() if type(value) is int]
        words = isinstance(made.get("name"), str) and isinstance(weights, str | None)
        if not words or max(sizes, default=0) > _MOST_CLASSES:
            raise ValueError(f"This bundle's network was made with {made_by}, which no package takes.")
        try:
            return models.create(**made)
        except TypeError as error:
            raise ValueError(f"This bundle's network cannot be made with {made_by}: {error}") from error

    def check_network(self, model: nn.Module) -> None:
        """Refuse a network that this unit was not trained for.

        Raises:
            ValueError: If the weights differ, where both identities are named, or what they compute. A
                network in half precision has to compute nearly the same.
        """
        model = unwrapped(model)
        values = None if self.behaviour is None else tuple(self.behaviour)
        self._check_image(model)
        found = (
            Identity(weights_identity(model), low=precision(model) in (torch.float16, torch.bfloat16))
            if values is None
            else Identity.of(model, self.image_shape, self.image_dtype)
        )
        made = f", made with {_call(self.model)}" if self.model else ""
        given = getattr(model, "name", type(model).__name__)
        match Identity(self.network, values).difference(found):
            case "weights":
                raise ValueError(
                    f"This bundle belongs to a network with weights {self.network[:12]}…{made}; "
                    f"the one given, {given}, has {found.weights[:12]}…. Load the same weights and "
                    "normalisation. (Embedded networks come with the package; 0.1 had trained them on each "
                    "machine.)"
                )
            case "behaviour":
                same = "the same weights" if found.weights == self.network else "nearly the same weights"
                raise ValueError(
                    f"This bundle belongs to a network{made} that computes something else. The one given has "
                    f"{same}, but makes {_shown(found.behaviour)} of the bundle's test image, where it was "
                    f"{_shown(values)}. Make it with the same code and settings: number of "
                    "heads, activation, epsilon, quantised weights."
                )

    def _check_image(self, model: nn.Module) -> None:
        """Refuse images that are out of all proportion: the network is about to be run on one.

        Raises:
            ValueError: If they are.
        """
        own = getattr(model, "input_shape", None)
        if own is not None and math.prod(self.image_shape) > _MOST_TIMES * math.prod(own):
            raise ValueError(
                f"This bundle is for images of {tuple(self.image_shape)}, more than {_MOST_TIMES} times as "
                f"large as the network's own {tuple(own)}. If they are meant, set the network's input_shape."
            )


def _is_path(weights: Any) -> bool:
    """Whether a network's weights are a file of the machine that trained, and not a name of a library's."""
    return isinstance(weights, str) and ("/" in weights or "." in weights)


def _call(model: Mapping[str, Any]) -> str:
    """How a network is made, as Python; what is long is cut short, and weights in a file are the user's."""
    made, arguments = dict(model), []
    target, name = made.pop("_target_", "the arguments "), made.pop("name", None)
    if name is not None:
        arguments.append(_short(name))
    for key, value in made.items():
        if key != "weights" or value is not None:
            arguments.append(f"{key}={'PATH' if key == 'weights' and _is_path(value) else _short(value)}")
    return f"{target}({', '.join(arguments)})" if model else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _shown(values: Sequence[float] | None) -> str:
    return f"[{', '.join(f'{value:.4g}' for value in (values or ())[:4])}, …]"


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
