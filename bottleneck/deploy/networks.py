"""The network that a bundle belongs to: made where a package brings it along, told from others, and split."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from bottleneck import models
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.zoo import source_of
from bottleneck.devices import device_of
from bottleneck.identity import Identity, precision, unwrapped, weights_identity
from bottleneck.splitting import SplitModel, split

_MOST_TIMES = 64  # as many numbers as a network's usual image: eight times as high and as wide
_MOST_CLASSES = 1 << 16
_LONGEST = 80  # characters of an argument in a message


def named_network(bundle: Bundle) -> nn.Module:
    """The network that the bundle names, where a package brings it along with its weights.

    Raises:
        ValueError: If it does not; the message says how it was made.
    """
    made, weights, made_by = dict(bundle.model), bundle.model.get("weights"), _call(bundle.model)
    # A file must not choose what code is run: anything else is the user's to name.
    if made.pop("_target_", None) != "bottleneck.models.create":
        raise ValueError(
            f"This bundle's network was made with {made_by or 'nothing that it knows of'}, which does "
            "not come with a package. Give it: the second argument of bottleneck.load(path, network), or "
            "model=... as for train."
        )
    if _is_path(weights):
        source = source_of(bundle.network)
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


def check_network(bundle: Bundle, model: nn.Module) -> None:
    """Refuse a network that this unit was not trained for.

    Raises:
        ValueError: If the weights differ, where both identities are named, or what they compute. A
            network in half precision has to compute nearly the same.
    """
    model = unwrapped(model)
    values = None if bundle.behaviour is None else tuple(bundle.behaviour)
    _check_image(bundle, model)
    found = (
        Identity(weights_identity(model), low=precision(model) in (torch.float16, torch.bfloat16))
        if values is None
        else Identity.of(model, bundle.image_shape, bundle.image_dtype)
    )
    made = f", made with {_call(bundle.model)}" if bundle.model else ""
    given = getattr(model, "name", type(model).__name__)
    match Identity(bundle.network, values).difference(found):
        case "weights":
            raise ValueError(
                f"This bundle belongs to a network with weights {bundle.network[:12]}…{made}; "
                f"the one given, {given}, has {found.weights[:12]}…. Load the same weights and "
                "normalisation. (Embedded networks come with the package; 0.1 had trained them on each "
                "machine.)"
            )
        case "behaviour":
            same = "the same weights" if found.weights == bundle.network else "nearly the same weights"
            raise ValueError(
                f"This bundle belongs to a network{made} that computes something else. The one given has "
                f"{same}, but makes {_shown(found.behaviour)} of the bundle's test image, where it was "
                f"{_shown(values)}. Make it with the same code and settings: number of "
                "heads, activation, epsilon, quantised weights."
            )


def _check_image(bundle: Bundle, model: nn.Module) -> None:
    """Refuse images that are out of all proportion: the network is about to be run on one.

    Raises:
        ValueError: If they are.
    """
    own = getattr(model, "input_shape", None)
    if own is not None and math.prod(bundle.image_shape) > _MOST_TIMES * math.prod(own):
        raise ValueError(
            f"This bundle is for images of {tuple(bundle.image_shape)}, more than {_MOST_TIMES} times as "
            f"large as the network's own {tuple(own)}. If they are meant, set the network's input_shape."
        )


def split_network(bundle: Bundle, model: nn.Module, batch: int = 1) -> SplitModel:
    """The network where this unit stands, frozen, on its own device, with the tail that belongs to it.

    Args:
        bundle: The operating point.
        model: The network that it was made for.
        batch: Images in the example that it is split with.
    """
    dtype = bundle.image_dtype if bundle.image_dtype == torch.uint8 else precision(model)
    example = torch.zeros(batch, *bundle.image_shape, dtype=dtype, device=device_of(model))
    net = split(model, bundle.split, example, replace=bundle.unit.replaces).freeze()
    return net if bundle.tail is None else net.with_own_tail(bundle.tail)


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
