"""Both halves of an operating point as graphs, for machines without PyTorch; coding stays outside of them.

    device.onnx    image ──► head ──► encoder ──► quantizer ──► symbols
                                                                   ┊ bottleneck.codecs, from export.json
    server.onnx    output ◄── tail ◄── decoder ◄── values ◄── symbols

python -m bottleneck.export bundle=PATH target=onnx
"""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.export import Dim

from bottleneck import models
from bottleneck.bundle import Bundle
from bottleneck.config import config_dir
from bottleneck.splitting import split
from bottleneck.unit import Unit

_FORMAT, _VERSION = "split-bottleneck export", 1


class DeviceGraph(nn.Module):
    """Image to symbols; nothing depends on the data, so it can be exported.

    Args:
        head: Image to feature.
        unit: The trained unit.
    """

    def __init__(self, head: nn.Module, unit: Unit):
        super().__init__()
        self.head, self.unit = head, unit

    def forward(self, image: Tensor) -> Tensor:
        """Symbols int32 `(b, C_r, h, w)` of images `(b, C, H, W)`."""
        return self.unit.quantizer.rounded(self.unit.encode(self.head(image))).to(torch.int32)


class ServerGraph(nn.Module):
    """Symbols to output.

    Args:
        unit: The trained unit.
        tail: Feature to output.
    """

    def __init__(self, unit: Unit, tail: nn.Module):
        super().__init__()
        self.unit, self.tail = unit, tail

    def forward(self, symbols: Tensor) -> Any:
        """The network's output for symbols int32 `(b, C_r, h, w)`."""
        return self.tail(self.unit.decode(self.unit.quantizer.values(symbols)))


def export(bundle: str | Path, model: nn.Module, folder: str | Path, target: str = "onnx") -> None:
    """Write `device` and `server` as graphs of any batch size, and `export.json` for the codec.

    Args:
        bundle: Folder of the bundle.
        model: The network that it was made for.
        folder: Where to write; it is made.
        target: `onnx`, or `torch` for `torch.export`'s `.pt2`.

    Raises:
        ValueError: If the target is unknown, or the bundle belongs to another network.
        ModuleNotFoundError: If `onnx` needs its extra.
    """
    if target not in _WRITERS:
        raise ValueError(f"target={target!r} is unknown. Choose one of {sorted(_WRITERS)}.")
    operating_point = Bundle.read(bundle)
    operating_point.check_network(model)
    unit = operating_point.unit
    model = model.cpu()
    # Two samples: torch.export takes a batch of one for a constant.
    image = torch.zeros(2, *operating_point.image_shape, dtype=operating_point.image_dtype)
    symbols = torch.zeros(2, *unit.latent_shape, dtype=torch.int32)
    net = split(model, operating_point.split, image).freeze()
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    _WRITERS[target](DeviceGraph(net.head, unit).eval(), {"image": image}, folder / "device")
    _WRITERS[target](ServerGraph(unit, net.tail).eval(), {"symbols": symbols}, folder / "server")
    description = {
        "format": _FORMAT,
        "version": _VERSION,
        "bundle": operating_point.id,
        "codec": operating_point.codec.to_dict(),
        "image_shape": operating_point.image_shape,
        "image_dtype": str(operating_point.image_dtype).removeprefix("torch."),
        "preprocessing": operating_point.preprocessing,
    }
    (folder / "export.json").write_text(json.dumps(description, indent=1))


def _program(module: nn.Module, inputs: dict[str, Tensor]) -> torch.export.ExportedProgram:
    shapes = {name: {0: Dim("batch", min=1)} for name in inputs}
    with torch.no_grad():
        return torch.export.export(module, (), inputs, dynamic_shapes=shapes)


def _write_torch(module: nn.Module, inputs: dict[str, Tensor], path: Path) -> None:
    torch.export.save(_program(module, inputs), path.with_suffix(".pt2"))


def write_onnx(module: nn.Module, inputs: dict[str, Tensor], path: Path) -> None:
    """Write a module as an ONNX graph of any batch size; `path` gets the suffix `.onnx`.

    Args:
        module: In eval mode; its `forward` takes the inputs by their names.
        inputs: An example of each, a batch of two.
        path: The file.

    Raises:
        ModuleNotFoundError: If the extra `onnx` is not installed.
    """
    for chatty in ("onnx_ir", "onnxscript"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'target=onnx needs two packages: pip install "split-bottleneck[onnx]"'
        ) from error
    torch.onnx.export(
        _program(module, inputs),
        f=str(path.with_suffix(".onnx")),
        input_names=list(inputs),
        external_data=False,
        verbose=False,
    )


_WRITERS: dict[str, Callable[[nn.Module, dict[str, Tensor], Path], None]] = {
    "onnx": write_onnx,
    "torch": _write_torch,
}


def _network(cfg: DictConfig) -> nn.Module:
    """The network of the configuration, or else the one that the bundle names."""
    if "model" in cfg:
        return instantiate(cfg.model)
    made = dict(Bundle.read(cfg.bundle).model)
    # A file must not choose what code is run: anything else is the user's to name.
    if made.pop("_target_", None) != "bottleneck.models.create":
        raise ValueError(
            f"This bundle's network was made with {made}. Name it as for train.py (model=...), or call "
            "bottleneck.export.export(bundle, network, folder) from Python."
        )
    return models.create(**made, cache_dir=cfg.cache.dir)


@hydra.main(version_base="1.3", config_path=config_dir(), config_name="export")
def main(cfg: DictConfig) -> None:
    """Compose the configuration, export, and list the files."""
    if cfg.bundle is None:
        raise ValueError("bundle= names no bundle. Give the folder that train.py or the plugin wrote.")
    folder = Path(cfg.folder or Path(cfg.bundle) / cfg.target).expanduser()
    export(cfg.bundle, _network(cfg), folder, cfg.target)
    for file in sorted(folder.iterdir()):
        print(f"{file}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
