"""The identity of a network's weights, so that a bundle never meets another network than its own."""

import hashlib

import torch
from torch import nn


def weights_identity(model: nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of a model's parameters and buffers, in hexadecimal.

    Two models have equal identities exactly when their state dicts and their normalisation are equal,
    on whatever device they are.
    """
    digest = hashlib.sha256()
    tensors = sorted({**dict(model.named_parameters()), **dict(model.named_buffers())}.items())
    for name, tensor in tensors:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
