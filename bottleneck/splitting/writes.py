"""What modules write into the lists and dicts that they are given, which a graph has to read back.

    features = {"x": x}        features = copy({"x": x})
    y = neck(features)    ──►  y = neck(features)
    z = features["z"]          z = left_in(features, "z", behind y)

A module that is looked into needs none of this. One that is kept whole shows it only where it runs.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

#: Of one call: which of the lists and dicts among the arguments, and its index or key.
Place = tuple[int, Any]


def containers(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The lists and dicts among the arguments of a call."""
    return [value for value in (*args, *kwargs.values()) if isinstance(value, (list, dict))]


def left_in(container: Any, key: Any, behind: Any) -> Any:
    """What a module has written into a list or dict; `behind` is what it returned, so that it runs before."""
    return container[key]


@torch.no_grad()
def written_by(model: nn.Module, batch: Tensor, paths: Iterable[str]) -> dict[str, list[Place]]:
    """Where some modules of a network write into what they are given, by their paths.

    Args:
        model: The network, which is run once.
        batch: Samples of its input.
        paths: Of the modules.
    """
    found: dict[str, list[Place]] = {path: [] for path in paths}
    given: dict[str, list[Any]] = {}

    def hooks(path: str) -> tuple[Any, Any]:
        def entering(_: nn.Module, args: Any, kwargs: Any) -> None:
            given[path] = [container.copy() for container in containers(args, kwargs)]

        def leaving(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            pairs = zip(given[path], containers(args, kwargs), strict=True)
            for number, (before, after) in enumerate(pairs):
                kept = dict(enumerate(before)) if isinstance(before, list) else before
                entries = enumerate(after) if isinstance(after, list) else after.items()
                changed = [(number, key) for key, value in entries if kept.get(key, found) is not value]
                found[path] += [place for place in changed if place not in found[path]]

        return entering, leaving

    handles: list[Any] = []
    try:
        for path in found:
            entering, leaving = hooks(path)
            module = model.get_submodule(path)
            handles.append(module.register_forward_pre_hook(entering, with_kwargs=True))
            handles.append(module.register_forward_hook(leaving, with_kwargs=True))
        model(batch.clone())
    finally:
        for handle in handles:
            handle.remove()
    return found
