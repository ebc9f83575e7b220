"""The identity of a network's weights, so that a bundle never meets another network than its own."""

import hashlib

import torch
from torch import Tensor, nn

#: What the plugin calls a unit that it puts into somebody's module; it is not part of their network.
UNIT_NAME = "bottleneck_unit"


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside `DataParallel`, DDP or `torch.compile`, else the model itself."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def weights_identity(model: nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of a model's parameters and buffers, in hexadecimal.

    Two models have equal identities exactly when their state dicts and their normalisation are equal,
    on whatever device they are. A unit that the plugin has put in does not count.
    """
    digest = hashlib.sha256()
    for name, tensor in _tensors(model):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def tensor_digests(model: nn.Module) -> dict[str, bytes]:
    """A digest of each parameter and buffer, by which a changed one is found."""
    return {name: hashlib.sha256(_bytes(tensor)).digest() for name, tensor in _tensors(model)}


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return sorted((name, tensor) for name, tensor in tensors.items() if not name.startswith(f"{UNIT_NAME}."))


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data
