"""The first way of seeing a network: `torch.fx` calls its forward with a stand-in for the image.

Modules stay calls in the graph, so it is the network on images of any size. Python that asks the stand-in for
its values or sizes ends it; a module where that happens is kept whole, and what is around it is seen.
"""

import copy
import inspect
import threading
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves

from bottleneck.identity import unwrapped
from bottleneck.splitting.functions import ALONE, Whole, functions_whole
from bottleneck.splitting.outputs import typed_call, typed_parts
from bottleneck.splitting.seeing import Call, Seen, drop_unused
from bottleneck.splitting.writes import Place, at, at_hand, has_containers, left_in, written_by


def see_by_fx(model: nn.Module, batch: Tensor) -> Seen:
    """The graph of a network in eval mode, traced by `torch.fx`.

    Args:
        model: The network.
        batch: A few samples of its input, on which it runs where a module that is kept whole is given a list
            or a dict, as nothing else tells what such a module writes into it.

    Raises:
        Exception: Whatever the network's own forward raises when it is given a stand-in.
    """
    parameters = list(inspect.signature(model.forward).parameters.values())
    if parameters[0].kind is inspect.Parameter.VAR_POSITIONAL:
        raise TypeError("its forward() names no argument")
    defaults = {p.name: p.default for p in parameters[1:] if p.default is not inspect.Parameter.empty}
    graph: fx.Graph | None = None
    written: dict[str, list[Place]] = {}
    while graph is None:
        tracer = _Tracer(getattr(model, "opaque", ()), written)
        try:
            with ALONE, functions_whole(tracer.call_whole):
                graph = tracer.trace(model, concrete_args=defaults or None)
        except Exception:
            if tracer.given <= written.keys():
                raise
        if unknown := tracer.given - written.keys():
            written |= written_by(model, batch, unknown)
            graph = None if any(written[path] for path in unknown) else graph
    drop_unused(graph)
    root = fx.GraphModule(model, graph)  # keeps the constants that fx has put into the model for now
    return Seen("torch.fx", root, graph, tracer.seen, tracer.kept_whole)


#: Of torch.nn, and yet with layers of their own, which torch.fx would pass by without a word.
_NO_LEAVES = (nn.Transformer, nn.TransformerEncoder, nn.TransformerDecoder)


class _Tracer(fx.Tracer):
    """Trace a model, remembering which module calls returned each node.

    A submodule that cannot be traced, or that the model names in its attribute `opaque`, is kept whole, as
    one opaque node: cuts inside it are not offered, cuts around it are. What other threads compute meanwhile
    passes through, with the model or another.
    """

    def __init__(self, opaque: Sequence[str], written: dict[str, list[Place]]) -> None:
        super().__init__()
        self.opaque, self.written, self._thread = opaque, written, threading.get_ident()
        self.given: set[str] = set()  # modules kept whole that are given lists or dicts
        self.seen: list[Call] = []
        self.kept_whole: dict[str, str] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """As fx has it, but for what holds layers of its own."""
        if isinstance(m, _NO_LEAVES) or unwrapped(m) is not m:
            return False
        return super().is_leaf_module(m, module_qualified_name)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """As fx has it, in this thread."""
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        path = self.path_of_module(m)
        entered = [value for value in tree_leaves((args, kwargs)) if isinstance(value, fx.Proxy)]
        before = _State(self, args, kwargs)
        try:
            if path in self.opaque:
                output = self._whole(path, args, kwargs)
            else:
                output = super().call_module(m, forward, args, kwargs)
        except Exception as error:
            before.restore(self)
            inner = [name for name in self.kept_whole if name.startswith(f"{path}.")]
            for name in inner:
                del self.kept_whole[name]
            self.kept_whole[path] = f"{type(error).__name__}: {str(error).strip().split(chr(10))[0]}"
            output = self._whole(path, args, kwargs)
        returned = [value for value in tree_leaves(output) if isinstance(value, fx.Proxy)]
        passed_through = len(returned) == 1 and any(returned[0] is given for given in entered)
        if returned and not passed_through:
            first = next((value for value in (*args, *kwargs.values()) if isinstance(value, fx.Proxy)), None)
            nodes = [value.node for value in returned]
            self.seen.append(Call(path, nodes, None if first is None else first.node))
        return output

    def _whole(self, path: str, args: Any, kwargs: Any) -> Any:
        """Call a module without looking into it, and read what it writes into its lists and dicts."""
        self.given |= {path} if has_containers((*args, *kwargs.values())) else set()
        places = [place for place in self.written.get(path, []) if at_hand((args, kwargs), place)]
        arguments = [at((args, kwargs), place[:2]) for place in places]
        shared = {
            key: self.create_proxy("call_function", copy.copy, (argument,), {})
            for key, argument in {id(argument): argument for argument in arguments}.items()
        }
        args = tuple(shared.get(id(value), value) for value in args)
        kwargs = {name: shared.get(id(value), value) for name, value in kwargs.items()}
        output = self.create_proxy("call_module", path, args, kwargs)
        for argument, (_, _, *way, key) in zip(arguments, places, strict=True):
            left = (shared[id(argument)], (*way, key), output)
            value = self.create_proxy("call_function", left_in, left, {})
            container = at(argument, way)
            if isinstance(container, list):
                container[key : key + 1] = [value]  # it may have been appended
            else:
                container[key] = value
        return output

    def call_whole(self, own: Callable[..., Any], function: Whole, args: tuple[Any, ...]) -> Any:
        """Look into no `torch.autograd.Function`."""
        if any(isinstance(value, fx.Proxy) for value in tree_leaves(args)):
            return self.create_proxy("call_function", function, args, {})
        return own(*args)

    def create_arg(self, a: Any) -> Any:
        """As fx does, but what is returned in a dataclass, or in a subclass of `dict`, stays one."""
        if (parts := typed_parts(a)) is None or isinstance(a, fx.Proxy):
            return super().create_arg(a)
        args, kwargs = typed_call(type(a), {key: self.create_arg(part) for key, part in parts.items()})
        return self.create_node("call_function", type(a), args, kwargs)


class _State:
    """A tracer and the arguments of a call, before the call is tried."""

    def __init__(self, tracer: _Tracer, args: Any, kwargs: Any) -> None:
        self.stack = dict(tracer.module_stack)
        self.calls = len(tracer.seen)
        self.nodes = len(tracer.graph.nodes)
        self.held: list[tuple[Any, Any]] = []
        self._hold((args, kwargs))

    def _hold(self, value: Any) -> None:
        """Keep a copy of every list and dict that the call may write into."""
        if isinstance(value, (list, dict)):
            self.held.append((value, value.copy()))
        if isinstance(value, (list, tuple)):
            for item in value:
                self._hold(item)
        elif isinstance(value, dict):
            for item in value.values():
                self._hold(item)

    def restore(self, tracer: _Tracer) -> None:
        """Undo what a failed attempt did to the tracer, to its graph and to the arguments."""
        tracer.module_stack.clear()
        tracer.module_stack.update(self.stack)
        del tracer.seen[self.calls :]
        for node in reversed(list(tracer.graph.nodes)[self.nodes :]):
            tracer.graph.erase_node(node)
        for container, content in self.held:
            container.clear()
            if isinstance(container, list):
                container.extend(content)
            else:
                container.update(content)
