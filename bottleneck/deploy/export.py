"""Both halves of an operating point as graphs, for machines without PyTorch; coding stays outside of them.

device.onnx    image ──► head ──► encoder ──► quantizer ──► coded
                                                             ┊ bottleneck.codecs, from export.json
server.onnx    output ◄── tail ◄── decoder ◄── values ◄─── coded

What is coded are symbols, or the latent itself where the codec rounds. The server's graph calls its only
input `coded`, in older exports `symbols`: whoever runs it asks the graph.
"""

import copy
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.networks import check_network, split_network
from bottleneck.deploy.places import bundle_at
from bottleneck.deploy.sides import takes_sizes
from bottleneck.devices import device_of
from bottleneck.files import replace_folder
from bottleneck.integrity import description
from bottleneck.unit import Unit

_FORMAT, _VERSION = "split-bottleneck export", 1


class DeviceGraph(nn.Module):
    """Image to what is coded; nothing depends on the data, so it can be exported.

    Args:
        head: Image to what the unit takes.
        unit: The trained unit.
        kind: Of what the codec codes (`Codec.input`): `symbols`, or the unit's latent (`feature`).
    """

    def __init__(self, head: nn.Module, unit: Unit, kind: str):
        super().__init__()
        self.head, self.unit = head, unit
        self.integers = kind == "symbols"

    def forward(self, image: Tensor) -> Tensor:
        """Symbols int32, or latents float32, `(b, C_r, h, w)` of images `(b, C, H, W)`."""
        latent = self.unit.encode(self.head(image))
        return self.unit.quantizer.rounded(latent).to(torch.int32) if self.integers else latent


class ServerGraph(nn.Module):
    """What was decoded to output.

    Args:
        unit: The trained unit.
        tail: Feature to output.
        kind: Of what the codec codes (`Codec.input`): `symbols`, or the unit's latent (`feature`).
    """

    def __init__(self, unit: Unit, tail: nn.Module, kind: str):
        super().__init__()
        self.unit, self.tail = unit, tail
        self.integers = kind == "symbols"

    def forward(self, coded: Tensor) -> Any:
        """The network's output for symbols int32, or latents float32, `(b, C_r, h, w)`."""
        latent = self.unit.quantizer.values(coded) if self.integers else coded
        return self.tail(self.unit.decode(latent))


def export(bundle: str | Path, model: nn.Module, folder: str | Path, target: str = "onnx") -> None:
    """Write `device` and `server` as graphs of any batch size, and `export.json` for the codec.

    Args:
        bundle: Folder of the bundle, or of the run that made it.
        model: The network that it was made for.
        folder: Where to write; it is made.
        target: `onnx`, or `torch` for `torch.export`'s `.pt2`.

    Raises:
        ValueError: If the target is unknown, this is no bundle or belongs to another network, or a half has
            what the target does not; the message has the bundle's path.
        ModuleNotFoundError: If `onnx` needs its extra.
    """
    if target not in _WRITERS:
        raise ValueError(f"target={target!r} is unknown. Choose one of {sorted(_WRITERS)}.")
    operating_point = Bundle.read(bundle_at(bundle))
    check_network(operating_point, model)
    # The caller's network stays where it is; graphs are written on the CPU, from a copy.
    network = model if device_of(model).type == "cpu" else copy.deepcopy(model).cpu()
    unit, kind = operating_point.unit, operating_point.codec.input
    # Two samples: torch.export takes a batch of one for a constant.
    net = split_network(operating_point, network, batch=2)
    if takes_sizes(net):
        raise ValueError(
            f"{bundle} is of a detector that resizes images itself, and no graph follows that. It runs "
            "where PyTorch is, through bottleneck.load(); detectors of rows, such as YOLOX, can be exported."
        )
    image = torch.zeros(2, *operating_point.image_shape, dtype=operating_point.image_dtype)
    coded = torch.zeros(2, *unit.latent_shape, dtype=torch.int32 if kind == "symbols" else torch.float32)
    with replace_folder(Path(folder).expanduser(), "device.*", "server.*", "export.json") as fresh:
        try:
            _WRITERS[target](DeviceGraph(net.head, unit, kind).eval(), {"image": image}, fresh / "device")
            _WRITERS[target](ServerGraph(unit, net.tail, kind).eval(), {"coded": coded}, fresh / "server")
        except ValueError as error:
            raise ValueError(f"{bundle} cannot be written as graphs. {error}") from error
        content = {
            "bundle": operating_point.id,
            "split": operating_point.split,
            "network": operating_point.network,
            "task": operating_point.task,
            "codec": operating_point.codec.to_dict(),
            "image_shape": operating_point.image_shape,
            "image_dtype": str(operating_point.image_dtype).removeprefix("torch."),
            "preprocessing": operating_point.preprocessing,
            "letterbox": operating_point.letterbox,
            "sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in fresh.iterdir()},
        }
        description.write(fresh / "export.json", _FORMAT, _VERSION, content)


def _program(module: nn.Module, inputs: dict[str, Tensor]) -> torch.export.ExportedProgram:
    """A module as `torch.export` sees it.

    Raises:
        ValueError: If it cannot be seen so, as quantised modules and compiled code of others.
    """
    shapes = {name: {0: Dim("batch", min=1)} for name in inputs}
    try:
        with torch.no_grad():
            return torch.export.export(module, (), inputs, dynamic_shapes=shapes)
    except Exception as error:
        raise ValueError(_refusal(inputs, "torch.export", error, "bottleneck.load()")) from error


def _refusal(inputs: dict[str, Tensor], by: str, error: BaseException, instead: str) -> str:
    """What an exporter says of a half, in a sentence, and what to do."""
    told = next((line for line in str(error).splitlines() if line.strip()), "").strip()
    return (
        f"The half that takes {[*inputs]} cannot be exported: {by} says {type(error).__name__}: "
        f"{told[:200].rstrip('.')}. It runs where PyTorch is, through {instead}; or export from the network "
        "as it was before it was quantized or compiled."
    )


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
        ValueError: If the module cannot be exported, or ONNX has no such operation; the message names it.
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
    program = _program(module, inputs)
    try:
        torch.onnx.export(
            program,
            f=str(path.with_suffix(".onnx")),
            input_names=list(inputs),
            external_data=False,
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:  # which operation it was; the error itself is a page of advice
            cause = cause.__cause__
        told = _refusal(inputs, "torch.onnx", cause, "target=torch or bottleneck.load()")
        raise ValueError(told) from error


_WRITERS: dict[str, Callable[[nn.Module, dict[str, Tensor], Path], None]] = {
    "onnx": write_onnx,
    "torch": _write_torch,
}
