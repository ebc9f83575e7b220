"""What modules write into the lists and dicts that they are given, which a graph has to read back.

    features = {"x": x}        features = copy({"x": x})
    y = neck(features)    ──►  y = neck(features)
    z = features["z"]          z = left_in(features, "z", behind y)

A module that is looked into needs none of this. One that is kept whole shows it only where it runs.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

#: Where in `(args, kwargs)` of a call: indices and keys, one for each list, tuple or dict on the way.
Place = tuple[Any, ...]
_Entries = dict[Any, tuple[Any, "_Entries"]]


def at(value: Any, place: Iterable[Any]) -> Any:
    """What lies at a place in a value."""
    for key in place:
        value = value[key]
    return value


def has_containers(value: Any) -> bool:
    """Whether a value is a list or a dict, or a tuple that holds one."""
    return isinstance(value, (list, dict)) or (isinstance(value, tuple) and any(map(has_containers, value)))


def at_hand(value: Any, place: Place) -> bool:
    """Whether a place lies in lists, tuples and dicts; what a node stands for is written where it is."""
    for key in place[:-1]:
        if not isinstance(value, (list, tuple, dict)):
            return False
        value = value[key]
    return isinstance(value, (list, dict))


def left_in(argument: Any, place: Place, behind: Any) -> Any:
    """What a module has written into an argument; `behind` is what it returned, so that it runs before."""
    return at(argument, place)


@torch.no_grad()
def written_by(model: nn.Module, batch: Tensor, paths: Iterable[str]) -> dict[str, list[Place]]:
    """Where some modules of a network write into what they are given, by their paths.

    Args:
        model: The network, which is run once.
        batch: Samples of its input.
        paths: Of the modules.
    """
    found: dict[str, list[Place]] = {path: [] for path in paths}
    given: dict[str, _Entries] = {}

    def hooks(path: str) -> tuple[Any, Any]:
        def entering(_: nn.Module, args: Any, kwargs: Any) -> None:
            given[path] = _entries((args, kwargs))

        def leaving(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            changed = _changed(given[path], _entries((args, kwargs)))
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


def _entries(value: Any) -> _Entries:
    """What a list, tuple or dict holds, with what that holds."""
    items: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else ()
    if isinstance(value, (list, tuple)):
        items = enumerate(value)
    return {key: (item, _entries(item)) for key, item in items}


def _changed(before: _Entries, after: _Entries, place: Place = ()) -> Iterator[Place]:
    """The outermost places at which something else lies than before."""
    for key, (item, within) in after.items():
        if key in before and before[key][0] is item:
            yield from _changed(before[key][1], within, (*place, key))
        else:
            yield (*place, key)
