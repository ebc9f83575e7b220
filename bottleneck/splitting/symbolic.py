"""The first way of seeing a network: `torch.fx` calls its forward with a stand-in for the image.

Modules stay calls in the graph, so it is the network on images of any size. Python that asks the stand-in for
its values or sizes ends it; a module where that happens is kept whole, and what is around it is seen.
"""

import inspect
import threading
from collections.abc import Callable, Sequence
from typing import Any

from torch import fx, nn
from torch.utils._pytree import tree_leaves

from bottleneck.splitting.functions import ALONE, Whole, functions_whole
from bottleneck.splitting.outputs import typed_call, typed_parts
from bottleneck.splitting.seeing import Call, Seen, drop_unused


def see_by_fx(model: nn.Module) -> Seen:
    """The graph of a network in eval mode, traced by `torch.fx`.

    Raises:
        Exception: Whatever the network's own forward raises when it is given a stand-in.
    """
    parameters = list(inspect.signature(model.forward).parameters.values())
    if parameters[0].kind is inspect.Parameter.VAR_POSITIONAL:
        raise TypeError("its forward() names no argument")
    defaults = {p.name: p.default for p in parameters[1:] if p.default is not inspect.Parameter.empty}
    tracer = _Tracer(getattr(model, "opaque", ()))
    with ALONE, functions_whole(tracer.call_whole):
        graph = tracer.trace(model, concrete_args=defaults or None)
    drop_unused(graph)
    root = fx.GraphModule(model, graph)  # keeps the constants that fx has put into the model for now
    return Seen("torch.fx", root, graph, tracer.seen, tracer.kept_whole)


class _Tracer(fx.Tracer):
    """Trace a model, remembering which module calls returned each node.

    A submodule that cannot be traced, or that the model names in its attribute `opaque`, is kept whole, as
    one opaque node: cuts inside it are not offered, cuts around it are. What other threads compute meanwhile
    passes through, with the model or another.
    """

    def __init__(self, opaque: Sequence[str] = ()) -> None:
        super().__init__()
        self.opaque, self._thread = opaque, threading.get_ident()
        self.seen: list[Call] = []
        self.kept_whole: dict[str, str] = {}

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
                output = self.create_proxy("call_module", path, args, kwargs)
            else:
                output = super().call_module(m, forward, args, kwargs)
        except Exception as error:
            before.restore(self)
            inner = [name for name in self.kept_whole if name.startswith(f"{path}.")]
            for name in inner:
                del self.kept_whole[name]
            self.kept_whole[path] = f"{type(error).__name__}: {str(error).strip().split(chr(10))[0]}"
            output = self.create_proxy("call_module", path, args, kwargs)
        returned = [value for value in tree_leaves(output) if isinstance(value, fx.Proxy)]
        passed_through = len(returned) == 1 and any(returned[0] is given for given in entered)
        if returned and not passed_through:
            first = next((value for value in (*args, *kwargs.values()) if isinstance(value, fx.Proxy)), None)
            nodes = [value.node for value in returned]
            self.seen.append(Call(path, nodes, None if first is None else first.node))
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
