"""Weights from and to files, without ever running code that lies in them."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from bottleneck.files import replace_file
from bottleneck.integrity.archive import require_whole


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The state dict of a `.safetensors` file, or of a PyTorch checkpoint or its entry `state_dict`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, holds pickled code, or holds no tensors by name.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"{path}: no such file.")
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        require_whole(file)
        content = torch.load(file, weights_only=True, map_location="cpu")
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, IndexError, KeyError) as error:
        raise ValueError(
            f"{path} cannot be read as weights: it is damaged, or holds more than tensors "
            f"({type(error).__name__}). Save `model.state_dict()` and give that file."
        ) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no state dict. Save `model.state_dict()` and give that file.")
    return state


def write_state_dict(state: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict as `.safetensors`; an older file is replaced at once.

    Tensors that modules share are written once for each name, and channels-last ones row by row, since the
    format knows neither.
    """
    own = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()}
    with replace_file(path) as temporary:
        temporary.write_bytes(save(own))  # its own writer leaves files that nobody else may read
