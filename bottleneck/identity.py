"""What a network is: its weights, and what it computes on a fixed pseudo-random image.

Weights alone do not tell a network with eight heads from one with four, nor one activation, epsilon, Python
attribute or set of quantised weights from another. A few output values do:

    bundles    weights and values, compared with a tolerance, as machines round differently     `Identity`
    caches     weights, graph and values, exactly                                               `digest`
    studies    as bundles                                                                       `agree`
"""

import contextlib
import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils._pytree import tree_leaves

#: What the plugin calls a unit that it puts into somebody's module; it is not part of their network.
UNIT_NAME = "bottleneck_unit"

_VALUES = 16
_TOLERANCE = 3e-4  # of the largest value: another machine's rounding is a tenth of that
_LOW_TOLERANCE = 2e-2  # the same for networks in half precision
_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel, AveragedModel)
_LOW = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Identity:
    """What a network is.

    Attributes:
        weights: `weights_identity`.
        behaviour: `behaviour`; `None` where nobody has looked, as in bundles of release 0.1.
        low: Whether the network is in half precision.
    """

    weights: str
    behaviour: tuple[float, ...] | None = None
    low: bool = False

    @classmethod
    def of(cls, model: nn.Module, image_shape: Sequence[int], dtype: torch.dtype = torch.uint8) -> Self:
        """The identity of a network that takes images `(b, *image_shape)` of this type."""
        model = unwrapped(model)
        return cls(weights_identity(model), behaviour(model, image_shape, dtype), precision(model) in _LOW)

    def difference(self, other: "Identity") -> str | None:
        """In what another network differs from this one; `None` where it is the same.

        A network in half precision has other weights; it is the same if it computes nearly the same.
        """
        known = self.behaviour is not None and other.behaviour is not None
        low = self.low or other.low
        if self.weights != other.weights and not (low and known):
            return "weights"
        if known and not _near(self.behaviour, other.behaviour, low):  # type: ignore[arg-type]
            return "behaviour"
        return None

    def to_dict(self) -> dict[str, Any]:
        """The identity as JSON has it."""
        values = None if self.behaviour is None else list(self.behaviour)
        return {"weights": self.weights, "behaviour": values, "low": self.low}

    @classmethod
    def from_dict(cls, content: dict[str, Any] | str) -> Self:
        """What `to_dict` made; older settings hold the weights' hash alone."""
        if isinstance(content, str):
            return cls(content)
        values = content["behaviour"]
        return cls(content["weights"], None if values is None else tuple(values), content["low"])


def agree(one: Any, other: Any) -> bool:
    """Whether two settings are equal; identities of networks (`Identity.to_dict`), up to rounding."""
    if (
        isinstance(one, dict)
        and isinstance(other, (dict, str))
        and set(one) == {"weights", "behaviour", "low"}
    ):
        return Identity.from_dict(one).difference(Identity.from_dict(other)) is None
    if isinstance(one, str) and isinstance(other, dict):
        return agree(other, one)
    return bool(one == other)


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside `DataParallel`, DDP, `AveragedModel` or `torch.compile`, else the model itself."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, _WRAPPERS):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def precision(model: nn.Module) -> torch.dtype:
    """The type of a model's first parameter or buffer of real numbers; float32 where it has none."""
    tensors = (*model.parameters(), *model.buffers())
    return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), torch.float32)


def behaviour(
    model: nn.Module, image_shape: Sequence[int], dtype: torch.dtype = torch.uint8
) -> tuple[float, ...]:
    """A few values of what a model makes of a fixed pseudo-random image, in eval mode and full precision.

    Sixteen of all that it makes; where that is several tensors, sixteen of each, as the largest would hide
    the others; and sixteen of each tensor that a model or its output gives as `identifying`.

    Args:
        model: Takes a batch `(1, *image_shape)`. It is left as it was.
        image_shape: Shape of one image.
        dtype: `torch.uint8` for pixels, else the model is given floats in [-1, 1].
    """
    pixels = np.random.RandomState(0).randint(0, 256, tuple(image_shape))
    image = torch.from_numpy(pixels)[None].to(torch.uint8)
    if dtype != torch.uint8:
        image = (image / 127.5 - 1).to(precision(model))
    device = next((tensor.device for tensor in (*model.parameters(), *model.buffers())), torch.device("cpu"))
    with evaluating(model), _as_always():
        output = model(image.to(device))
        further = _identifying(model, output)
    # A detector may find nothing, and which box comes first hangs on rounding: it says what it looked at.
    looked_at = getattr(output, "evidence", output)
    tensors = [leaf for leaf in tree_leaves(looked_at) if isinstance(leaf, Tensor)]
    if not tensors:
        tensors = [leaf for leaf in _held(looked_at) if isinstance(leaf, Tensor)]
    apart = [*(tensors if len(tensors) > 1 else ()), *further]
    return tuple(_some(tensors) + [value for tensor in apart for value in _some([tensor], filled=True)])


def _some(tensors: Sequence[Tensor], filled: bool = False) -> list[float]:
    """Sixteen values of some tensors, or as many as there are, then zeros if wanted."""
    real = [torch.view_as_real(tensor) if tensor.is_complex() else tensor for tensor in tensors]
    values = torch.cat([tensor.detach().cpu().double().reshape(-1) for tensor in real] or [torch.zeros(0)])
    places = torch.linspace(0, max(len(values) - 1, 0), min(_VALUES, len(values))).long()
    chosen: list[float] = values[places].nan_to_num().tolist()
    return chosen + [0.0] * (_VALUES - len(chosen) if filled else 0)


def _identifying(model: Any, output: Any) -> list[Tensor]:
    """What an output holds that its largest values hide, or what it was found by."""
    if hasattr(output, "identifying"):
        return list(output.identifying())
    return list(model.identifying(output)) if hasattr(model, "identifying") else []


def of_settings(*settings: Any) -> Tensor:
    """Numbers that differ whenever a setting does: sixteen, of a hash, shape `(16,)`."""
    return torch.tensor(list(hashlib.sha256(repr(settings).encode()).digest()[:_VALUES]))


def digest(values: Sequence[float]) -> str:
    """`behaviour` as a word that is the same whenever one machine computes it again."""
    scale = max((abs(value) for value in values), default=0.0) or 1.0
    return hashlib.sha256(repr([round(1e4 * value / scale) for value in values]).encode()).hexdigest()[:16]


def weights_identity(model: nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of a model's parameters and buffers, in hexadecimal.

    Two models have equal identities exactly when their state dicts and their normalisation are equal,
    on whatever device they are. A unit that the plugin has put in does not count.
    """
    return state_identity(_tensors(unwrapped(model)))


def state_identity(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values of a state dict, in whatever order, in hexadecimal."""
    digested = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name]
        digested.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digested.update(_bytes(tensor))
    return digested.hexdigest()


def tensor_digests(model: nn.Module) -> dict[str, bytes]:
    """A digest of each parameter and buffer, by which a changed one is found."""
    return {name: hashlib.sha256(_bytes(tensor)).digest() for name, tensor in _tensors(model).items()}


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode for a while; modes, buffers, attributes and hooks are then as they were."""
    modules = [(module, type(module), module.training, _dicts(module)) for module in model.modules()]
    values = [(buffer, buffer.clone()) for buffer in model.buffers() if not nn.parameter.is_lazy(buffer)]
    model.eval()
    try:
        yield
    finally:
        for module, kind, training, dicts in modules:
            if type(module) is kind:  # a lazy module is another one, once it has its weights
                for found, before in dicts:
                    _put_back(found, before)
            module.training = training
        with torch.no_grad():
            for buffer, value in values:
                buffer.copy_(value)


def _dicts(module: nn.Module) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What a module holds, its hooks and its own dicts among it, each with a copy."""
    held = vars(module)
    return [
        (each, {**each}) for each in (held, *(value for value in held.values() if isinstance(value, dict)))
    ]


def _put_back(found: dict[str, Any], before: dict[str, Any]) -> None:
    """Make a dict what it was, without touching what did not change: other threads may look at it."""
    for name in found.keys() - before.keys():
        del found[name]
    found.update({name: value for name, value in before.items() if found.get(name, found) is not value})


@contextlib.contextmanager
def _as_always() -> Iterator[None]:
    """No gradients, one thread, no shortened multiplications: what rounds the same every time."""
    threads = torch.get_num_threads()
    matmul = torch.backends.cuda.matmul.allow_tf32
    try:
        torch.set_num_threads(1)
        torch.backends.cuda.matmul.allow_tf32 = False
        with torch.no_grad(), torch.backends.cudnn.flags(allow_tf32=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul
        torch.set_num_threads(threads)


def _near(one: Sequence[float], other: Sequence[float], low: bool) -> bool:
    """Whether values are the same but for rounding, each tensor's by its own largest."""
    shorter, longer = sorted(map(len, (one, other)))
    first = longer % _VALUES or min(longer, _VALUES)
    if shorter not in (first, longer):  # older bundles have the first alone
        return False
    if low:  # small values of half precision are rounding themselves
        return _alike(one[:first], other[:first], _LOW_TOLERANCE)
    ends = [0, *range(first, shorter + 1, _VALUES)]
    return all(_alike(one[a:b], other[a:b], _TOLERANCE) for a, b in itertools.pairwise(ends))


def _alike(one: Sequence[float], other: Sequence[float], tolerance: float) -> bool:
    scale = max((abs(value) for value in (*one, *other)), default=0.0)
    return all(abs(a - b) <= tolerance * scale for a, b in zip(one, other, strict=True))


def _held(output: Any) -> list[Any]:
    """What an object that nobody registered holds, such as a dataclass."""
    return tree_leaves(vars(output)) if hasattr(output, "__dict__") else []


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(f"{UNIT_NAME}.")}


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data
