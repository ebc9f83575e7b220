"""From a network to its graph.

    network ──► torch.fx ──── cannot see it ──► torch.export       symbolic.py, exported.py
                   └────────────────┬───────────────┘
                    run once on two samples, compare with the network    recording.py, checks.py
                                    │
                             TracedNetwork: per node name, shape, MACs, ancestors    traced.py

`torch.fx` comes first: its graph calls the network's own modules and holds for images of any size, and it is
found in a tenth of the time. `torch.export` sees what Python does with sizes and types, which is what most
libraries' networks need.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from bottleneck.identity import evaluating, unwrapped
from bottleneck.splitting.axes import layouts_of
from bottleneck.splitting.checks import difference, influence, probe_batch
from bottleneck.splitting.origins import read_as_sizes
from bottleneck.splitting.recording import Recorder, TensorInfo
from bottleneck.splitting.seeing import Seen
from bottleneck.splitting.symbolic import see_by_fx
from bottleneck.splitting.traced import TracedNetwork

#: What no unit and no codec takes; quantised tensors are no arrays outside of PyTorch.
_NO_REAL_NUMBERS = (
    *(None, torch.complex32, torch.complex64, torch.complex128),
    *(torch.quint8, torch.qint8, torch.qint32, torch.quint4x2, torch.quint2x4),
)


class _OtherError(ValueError):
    """A graph computes something else than the network."""


def trace(model: nn.Module, example: Tensor) -> TracedNetwork:
    """See a network as a graph, and compare the two on images.

    Args:
        model: Any module whose `forward` takes one tensor (further arguments keep their defaults), or a
            wrapper of one (`DataParallel`, `torch.compile`); so may its modules be. It is left as it was:
            weights, modes, buffers.
        example: One batch of inputs, first dimension the batch.

    Raises:
        ValueError: If the network does not run on the example, if its samples influence each other, or if
            neither way of seeing it gives a graph that computes what it does; the message has the reasons.
    """
    network = unwrapped(model)
    with evaluating(network):  # which puts back what is opened here
        for module in network.modules():
            vars(module).pop("_compiled_call_impl", None)
            if (inner := unwrapped(module)) is not module:
                vars(module)["forward"] = functools.partial(_call, inner)
        probe, *expected = _expected(network, example)
        reasons, partly = {}, None
        for way, see in _ways(network, probe):
            try:
                seen = see()
                read_as_sizes(seen.graph)
                recorder, alone = _checked(seen, probe, *expected)
            except Exception as error:
                reasons[way] = _told(error)
                if way == "torch.export" and not isinstance(error, _OtherError):
                    break  # operations in place have no part in it
                continue
            if not _hides(network, seen):
                return _traced(network, seen, recorder, alone, probe)
            partly = partly or (seen, recorder, alone)
        if partly is not None:  # what one way keeps whole, the other cannot see at all
            return _traced(network, *partly, probe)
    told = " ".join(f"{way}: {reason}." for way, reason in reasons.items())
    raise ValueError(
        f"{type(network).__name__} cannot be traced, so it cannot be cut. {told} Move the part of its "
        "forward() that looks at values into a submodule of its own (it is then kept whole), mark the "
        "function with torch.fx.wrap, or cut a submodule that can be traced instead."
    )


def _call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
    """What a wrapper does beside what it is for: `torch.fx` sees the call of the module inside."""
    return module(*args, **kwargs)


def _expected(network: nn.Module, example: Tensor) -> tuple[Tensor, Any, Any]:
    """Two samples, what the network makes of them, and what it makes of the second alone.

    Raises:
        ValueError: If it does not run on them, or these disagree.
    """
    try:
        probe = probe_batch(example)
        with torch.no_grad():  # some write into what they are given
            together, alone = network(probe.clone()), network(probe[1:].clone())
    except Exception as error:
        raise ValueError(
            f"{type(network).__name__} does not run on an example of shape {tuple(example.shape)}, or on two "
            f"such samples: {_told(error)}. Give one batch of what its forward() takes; it may take one "
            "tensor only."
        ) from error
    if (found := influence(together, alone)) is not None:
        raise ValueError(
            f"{type(network).__name__} cannot be cut: a sample's output changes with the other samples of "
            f"its batch, or with every run ({found}), and a payload is one sample. BatchNorm without running "
            "statistics, dropout that stays on, noise, weights quantized dynamically, and code that looks at "
            "the batch size do that."
        )
    return probe, together, alone


def _ways(network: nn.Module, probe: Tensor) -> Iterator[tuple[str, Callable[[], Seen]]]:
    yield "torch.fx", lambda: see_by_fx(network, probe)
    if not getattr(network, "opaque", ()):  # it is made for torch.fx
        from bottleneck.splitting.exported import see_by_export  # loads torch.export

        yield "torch.export", lambda: see_by_export(network, probe)
        yield (
            "torch.export without operations in place",
            lambda: see_by_export(network, probe, in_place=False),
        )


def _checked(seen: Seen, probe: Tensor, together: Any, alone: Any) -> tuple[Recorder, Recorder]:
    """Run a graph, once on all samples and once on the second alone, and compare it with the network.

    Raises:
        ValueError: If they differ; the message says by how much.
    """
    recorder, of_one = (Recorder(seen.root, seen.graph) for _ in range(2))
    recorder.record(probe)
    if (found := difference(recorder.result, together)) is not None:
        raise _OtherError(f"the graph computes something else than the network: {found}")
    of_one.record(probe[1:])
    if (found := difference(of_one.result, alone)) is not None:
        raise ValueError(f"the graph is that of one batch size only: for another, {found}")
    return recorder, of_one


def _hides(network: nn.Module, seen: Seen) -> bool:
    """Whether a module that was kept whole has modules in it, behind which there may be cuts."""
    return any(any(network.get_submodule(path).children()) for path in seen.kept_whole)


def _told(error: Exception) -> str:
    """An error's type and first line."""
    line = next((line for line in str(error).splitlines() if line.strip()), "")
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return f"{kind}{line.strip()[:300]}"


def _traced(
    network: nn.Module, seen: Seen, recorder: Recorder, alone: Recorder, probe: Tensor
) -> TracedNetwork:
    nodes = list(seen.graph.nodes)
    shapes = {
        node: value.shape
        for node in nodes
        if isinstance(value := recorder.values[node], TensorInfo) and value.shape is not None
    }
    return TracedNetwork(
        model=network,
        root=seen.root,
        graph=seen.graph,
        seen=seen.way,
        kept_whole=seen.kept_whole,
        fixed_size=seen.fixed_size,
        probe=probe,
        nodes=nodes,
        names=seen.names(network),
        results=seen.results(network),
        entries=seen.entries(),
        values=recorder.values,
        by_sample={node for node in shapes if _by_sample(recorder.values[node], alone.values[node])},
        layouts=layouts_of(seen.root, shapes, tuple(probe.shape[1:])),
        macs=recorder.macs,
    )


def _by_sample(together: TensorInfo, alone: TensorInfo) -> bool:
    """Whether a tensor has one row for each sample, and real numbers, from what two samples and one give."""
    if not together.shape or not alone.shape or together.dtype in _NO_REAL_NUMBERS:
        return False
    return alone.shape == (1, *together.shape[1:]) != together.shape
