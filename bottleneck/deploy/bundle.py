"""A trained operating point as files: everything that both sides need beside the frozen network.

    bundle/  bundle.json        split point, unit options, codec with its tables, network identity,
                                preprocessing, metric at export; versioned, with a checksum
             unit.safetensors   the unit's weights
             tail.safetensors   weights of a tail of its own, where one was trained with the unit

Loading and using one needs torch, torchvision and NumPy, neither Lightning nor Hydra.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from bottleneck import codecs
from bottleneck.codecs import Codec
from bottleneck.devices import device_of
from bottleneck.files import replace_file
from bottleneck.identity import Identity, precision, state_identity, weights_identity
from bottleneck.models.checkpoints import write_state_dict
from bottleneck.splitting import SplitModel, split
from bottleneck.unit import Unit, build

_FORMAT, _VERSION = "split-bottleneck bundle", 1
_WITH_TAIL = 2  # the version of a bundle with a tail of its own, which older releases would not load


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
    preprocessing: dict[str, int] | None = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    task: str = "classification"
    behaviour: Sequence[float] | None = None
    tail: Mapping[str, Tensor] | None = None

    @property
    def image_dtype(self) -> torch.dtype:
        """The type of the images that enter the head."""
        return torch.float32 if self.preprocessing is None else torch.uint8

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that name this operating point: split, unit, tables, its own tail."""
        parts = [self.split, self.unit.options, self.codec.to_dict(), weights_identity(self.unit)]
        if self.tail is not None:
            parts.append(state_identity(self.tail))
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    def save(self, folder: str | Path) -> None:
        """Write the bundle into a folder, which is made."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = folder / "unit.safetensors"
        write_state_dict(self.unit.state_dict(), weights)
        own_tail = {}
        if self.tail is not None:
            write_state_dict(self.tail, folder / "tail.safetensors")
            own_tail["tail_sha256"] = _sha256(folder / "tail.safetensors")
        content = {
            "format": _FORMAT,
            "version": _WITH_TAIL if own_tail else _VERSION,
            "id": self.id,
            "unit": self.unit.options,
            "codec": self.codec.to_dict(),
            **{
                key: getattr(self, key)
                for key in (
                    "split",
                    "network",
                    "behaviour",
                    "image_shape",
                    "preprocessing",
                    "model",
                    "result",
                    "task",
                )
            },
            "weights_sha256": _sha256(weights),
            **own_tail,
        }
        content["checksum"] = _checksum(content)
        with replace_file(folder / "bundle.json") as temporary:
            temporary.write_text(json.dumps(content, indent=1))

    @classmethod
    def read(cls, folder: str | Path) -> "Bundle":
        """Read a bundle.

        Raises:
            FileNotFoundError: If the folder or one of its files is missing.
            ValueError: If a file is truncated, changed, foreign, or of a newer version.
        """
        folder = Path(folder).expanduser()
        description, weights = folder / "bundle.json", folder / "unit.safetensors"
        if not description.is_file():
            raise FileNotFoundError(f"{description} is missing, so {folder} is no bundle. Export it again.")
        try:
            content = json.loads(description.read_text())
        except ValueError as error:
            raise ValueError(
                f"{description} is truncated or no JSON: {error}. Export the bundle again."
            ) from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise ValueError(f"{description} does not describe a bundle of this package.")
        if content.get("version") not in (_VERSION, _WITH_TAIL):
            raise ValueError(
                f"{description} has version {content.get('version')}; this release reads {_VERSION} and "
                f"{_WITH_TAIL}. Upgrade split-bottleneck, or export the bundle again."
            )
        if content.get("checksum") != _checksum(content):
            raise ValueError(f"{description} was changed after it was written (checksum). Export it again.")
        files = {weights: content["weights_sha256"]}
        if own_tail := content.get("tail_sha256"):
            files[folder / "tail.safetensors"] = own_tail
        for file, digest in files.items():
            if not file.is_file():
                raise FileNotFoundError(f"{file} is missing, so {folder} is no bundle. Export it again.")
            if digest != _sha256(file):
                raise ValueError(
                    f"{file} is truncated or belongs to another bundle (checksum). Export it again."
                )

        unit = build(content["unit"])
        try:
            unit.load_state_dict(load_file(weights))
        except (RuntimeError, SafetensorError) as error:
            raise ValueError(
                f"{weights} does not fit the unit that {description} describes: {error}"
            ) from error
        return cls(
            unit=unit.eval(),
            codec=codecs.from_dict(content["codec"]),
            split=content["split"],
            network=content["network"],
            image_shape=tuple(content["image_shape"]),
            preprocessing=content["preprocessing"],
            model=content["model"],
            result=content["result"],
            task=content.get("task", "classification"),  # bundles of 0.1 have none
            behaviour=content.get("behaviour"),
            tail=load_file(folder / "tail.safetensors") if own_tail else None,
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

    def check_network(self, model: nn.Module) -> None:
        """Refuse a network that this unit was not trained for.

        Raises:
            ValueError: If the weights differ, where both identities are named, or what they compute. A
                network in half precision has to compute nearly the same.
        """
        values = None if self.behaviour is None else tuple(self.behaviour)
        found = (
            Identity(weights_identity(model), low=precision(model) in (torch.float16, torch.bfloat16))
            if values is None
            else Identity.of(model, self.image_shape, self.image_dtype)
        )
        made = f", made with {self.model}" if self.model else ""
        match Identity(self.network, values).difference(found):
            case "weights":
                raise ValueError(
                    f"This bundle belongs to a network with weights {self.network[:12]}…{made}; "
                    f"the one given has {found.weights[:12]}…. Load the same weights and normalisation. "
                    "(Embedded networks come with the package; 0.1 had trained them on each machine.)"
                )
            case "behaviour":
                same = "the same weights" if found.weights == self.network else "nearly the same weights"
                raise ValueError(
                    f"This bundle belongs to a network{made} that computes something else. The one given has "
                    f"{same}, but makes {_shown(found.behaviour)} of the bundle's test image, where it was "
                    f"{_shown(values)}. Make it with the same code and settings: number of "
                    "heads, activation, epsilon, quantised weights."
                )


def _shown(values: Sequence[float] | None) -> str:
    return f"[{', '.join(f'{value:.4g}' for value in (values or ())[:4])}, …]"


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _checksum(content: dict[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
