"""The second way of seeing a network: `torch.export` runs its forward on a batch and notes the operations.

Whatever Python the forward consists of may ask for sizes and types; only what depends on values ends it.
The graph holds operations instead of modules, for any batch of the example's height and width. Which module
returned which node is written into it by hooks, as operations that are taken out again:

    conv2d ──┬──► relu ──► mark(·, "stem")                becomes     conv2d ──► relu   and two names
             └──► mark(·, "stem.conv")
"""

import contextlib
import operator
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export.graph_signature import InputKind
from torch.utils._pytree import tree_leaves

from bottleneck.splitting.functions import ALONE, Whole, functions_whole
from bottleneck.splitting.outputs import arguments, outline
from bottleneck.splitting.seeing import Call, Seen, drop_unused

_ENTERS, _RETURNS = "enters", "returns"
_MANY = 10007  # a prime that is in no network's own sizes
_HERE = "bottleneck_here"  # an empty buffer on whatever device the graph is

_library = torch.library.Library("split_bottleneck", "DEF")
_library.define("mark(Tensor tensor, str what, str path, int call) -> Tensor")
_library.impl("mark", lambda tensor, what, path, call: tensor.new_empty(0), "CompositeExplicitAutograd")
torch.library.register_fake(
    "split_bottleneck::mark", lambda tensor, what, path, call: tensor.new_empty(0), lib=_library
)
_MARK = torch.ops.split_bottleneck.mark.default
_library.define("whole(Tensor[] given, Tensor[] returned, int call) -> Tensor[]")
_library.impl("whole", lambda given, returned, call: [*returned], "CompositeExplicitAutograd")
torch.library.register_fake(
    "split_bottleneck::whole",
    lambda given, returned, call: [torch.empty_like(tensor) for tensor in returned],
    lib=_library,
)
_WHOLE = torch.ops.split_bottleneck.whole.default
fx.node.has_side_effect(_MARK)  # nobody reads a mark's result, and no pass may take it out for that


def see_by_export(model: nn.Module, batch: Tensor, in_place: bool = True) -> Seen:
    """The graph of a network in eval mode, exported by `torch.export`.

    It is exported for a batch of `_MANY` samples, which takes no memory, as tensors have no values then. Any
    size in which that prime appears follows from the batch, and is computed from it in the graph, even where
    Python wanted to have it as a number (`len(x)`), which ends `torch.export`'s own symbolic sizes.

    Args:
        model: The network.
        batch: A few samples of its input.
        in_place: Whether operations in place stay what they are; without them nothing is written to a tensor
            that others read, which takes longer to find out.

    Raises:
        Exception: Whatever `torch.export` cannot follow, or the network's forward raises.
    """
    outlines: list[Any] = []
    functions = _Functions()
    many = batch[:1].expand(_MANY, *batch.shape[1:])
    eager = torch.compiler.set_stance("force_eager")
    with ALONE, functions_whole(functions.call), _marking(model), torch.no_grad(), eager:
        program = torch.export.export(_Flat(model, outlines), (many,), strict=False)
        if not in_place:
            program = program.run_decompositions({})
    return _Conversion(model, outlines[-1], functions, program, batch).seen()


class _Flat(nn.Module):
    """A network whose outputs are a plain list of tensors; the last of `outlines` says what held them."""

    def __init__(self, model: nn.Module, outlines: list[Any]):
        super().__init__()
        self.model = model
        self.remember = outlines.append  # torch.export takes back what a forward writes into its module

    def forward(self, image: Tensor) -> list[Tensor]:
        tensors: list[Tensor] = []
        self.remember(outline(self.model(image), tensors))
        return tensors


class _Functions:
    """Every `torch.autograd.Function` that a network applies while it is exported, one operation each."""

    def __init__(self) -> None:
        self.calls: list[tuple[_Listed, Any]] = []

    def call(self, own: Callable[..., Any], function: Whole, args: tuple[Any, ...]) -> Any:
        """Apply one; what it returns are stand-ins, which leave the operations that it consists of unused."""
        given: list[Tensor] = []
        self.calls.append((_Listed(function.function), outline(args, given)))
        number, returned = len(self.calls) - 1, own(*args)
        if isinstance(returned, Tensor):
            return _WHOLE(given, [returned], number)[0]
        return tuple(_WHOLE(given, [*returned], number))


class _Listed(Whole):
    """A function whose tensors come in a list, be it one or several."""

    def __call__(self, *args: Any) -> list[Tensor]:
        returned = super().__call__(*args)
        return [returned] if isinstance(returned, Tensor) else [*returned]


@contextlib.contextmanager
def _marking(model: nn.Module) -> Iterator[None]:
    """Let every module of a network mark the tensors that enter and leave it."""
    handles: list[Any] = []
    calls: dict[str, int] = {}

    def mark(value: Any, what: str, path: str) -> None:
        for tensor in tree_leaves(value):
            if isinstance(tensor, Tensor):
                _MARK(tensor, what, path, calls[path])

    def hooks(path: str) -> tuple[Any, Any]:
        def entering(_: nn.Module, args: Any, kwargs: Any) -> None:
            calls[path] = calls.get(path, -1) + 1
            mark([value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)], _ENTERS, path)

        def leaving(_: nn.Module, args: Any, output: Any) -> None:
            mark(output, _RETURNS, path)

        return entering, leaving

    try:
        for path, module in model.named_modules():
            if path:
                entering, leaving = hooks(path)
                handles.append(module.register_forward_pre_hook(entering, with_kwargs=True))
                handles.append(module.register_forward_hook(leaving))
        yield
    finally:
        for handle in handles:
            handle.remove()


def of_shape(images: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The images, if they have the shape that the graph was made for.

    Raises:
        ValueError: If they have not.
    """
    if tuple(images.shape[1:]) != shape:
        raise ValueError(
            f"got images of shape {tuple(images.shape[1:])}. This network was seen by torch.export, for "
            f"images of shape {shape} only: split it again, with an example of the size you need."
        )
    return images


def _copied(into: Tensor, source: Tensor) -> Tensor:
    """What `into` is after `into.copy_(source)`."""
    return source.to(into).expand_as(into)


class _Conversion:
    """From an exported program to a graph whose tensors are the network's own."""

    def __init__(
        self,
        model: nn.Module,
        outlined: Any,
        functions: _Functions,
        program: torch.export.ExportedProgram,
        batch: Tensor,
    ):
        self.model, self.outlined, self.program = model, outlined, program
        self.functions = functions
        self.batch = batch
        self.graph = fx.Graph()
        self.copies: dict[fx.Node, fx.Node] = {}
        self.attributes: dict[str, Any] = {}
        self.calls: dict[tuple[str, int], Call] = {}
        self.entered: dict[tuple[str, int], list[fx.Node]] = {}
        self.order: list[Call] = []
        self.multiples: dict[int, fx.Node] = {}
        self.here: fx.Node | None = None

    def seen(self) -> Seen:
        held = self._held()
        placeholders = [node for node in self.program.graph.nodes if node.op == "placeholder"]
        (image,) = [node for node in placeholders if node.name not in held]
        given = self.graph.placeholder("image")
        shape = tuple(self.batch.shape[1:])
        self.image = self.copies[image] = self.graph.call_function(of_shape, (given, shape))
        for node in placeholders:
            if node is not image and node.users:
                self.copies[node] = self._attribute(*held[node.name])
        for node in self.program.graph.nodes:
            self._copy(node)
        drop_unused(self.graph)
        used = {str(node.target) for node in self.graph.nodes if node.op == "get_attr"}
        root = fx.GraphModule({name: self.attributes[name] for name in used}, self.graph)
        returned = [call for call in self.order if not self._passed_through(call)]
        return Seen("torch.export", root, self.graph, returned, fixed_size=True)

    def _held(self) -> dict[str, tuple[str, Any]]:
        """Path and value of each parameter, buffer and constant, by the placeholder's name."""
        held: dict[str, tuple[str, Any]] = {}
        for spec in self.program.graph_signature.input_specs:
            if spec.kind is InputKind.USER_INPUT or spec.target is None:
                continue
            path = spec.target.removeprefix("model.")
            if spec.kind is InputKind.PARAMETER:
                held[spec.arg.name] = (path, self.model.get_parameter(path))
            elif spec.kind is InputKind.BUFFER:
                held[spec.arg.name] = (path, self.model.get_buffer(path))
            else:
                held[spec.arg.name] = (path, self.program.constants[spec.target])
        return held

    def _attribute(self, path: str, value: Any) -> fx.Node:
        self.attributes[path] = value
        return self.graph.get_attr(path)

    def _copy(self, node: fx.Node) -> None:
        if node.op == "get_attr":  # a part that runs under settings of its own
            self.copies[node] = self._attribute(
                str(node.target), getattr(self.program.graph_module, str(node.target))
            )
        elif node.op == "output":
            nodes = [self.copies[result] for result in node.args[0]]  # type: ignore[union-attr, index]
            self.graph.output(arguments(self.graph, self.outlined, nodes))
        elif node.op == "call_function" and node.target is _MARK:
            self._note(node)
        elif node.op == "call_function" and node.target is _WHOLE:
            given, _, number = node.args
            function, outlined = self.functions.calls[number]  # type: ignore[index]
            args = fx.node.map_aggregate(arguments(self.graph, outlined, given), self._argument)  # type: ignore[arg-type]
            self.copies[node] = self.graph.call_function(function, args)
        elif node.op == "call_function":
            args, kwargs = fx.node.map_aggregate((node.args, node.kwargs), self._argument)
            operation: Any = node.target
            if operation is torch.ops.aten.copy.default:  # it has no gradient
                operation, args = _copied, args[:2]
            self.copies[node] = self.graph.call_function(operation, args, kwargs)

    def _argument(self, value: Any) -> Any:
        """An argument of an operation in the new graph: sizes follow the batch, and devices the graph."""
        if isinstance(value, fx.Node):
            return self.copies[value]
        if type(value) is int and value and value % _MANY == 0:
            return self._multiple(value // _MANY)
        if isinstance(value, torch.device):
            return self._device()
        return value

    def _multiple(self, factor: int) -> fx.Node:
        """The batch size times a factor."""
        if factor not in self.multiples:
            self.multiples[factor] = (
                self.graph.call_function(torch.ops.aten.sym_size.int, (self.image, 0))
                if factor == 1
                else self.graph.call_function(operator.mul, (self._multiple(1), factor))
            )
        return self.multiples[factor]

    def _device(self) -> fx.Node:
        """The device that the graph is on by then."""
        if self.here is None:
            anchor = self._attribute(_HERE, torch.empty(0, device=self.batch.device))
            self.here = self.graph.call_function(getattr, (anchor, "device"))
        return self.here

    def _note(self, node: fx.Node) -> None:
        """Remember what a mark says."""
        tensor, what, path, number = node.args
        copy = self.copies[tensor]  # type: ignore[index]
        key = (str(path), int(number))  # type: ignore[arg-type]
        if what == _ENTERS:
            self.entered.setdefault(key, []).append(copy)
            return
        if key not in self.calls:
            first = self.entered.get(key, [None])[0]
            self.calls[key] = Call(key[0], [], first)
            self.order.append(self.calls[key])
        self.calls[key].returned.append(copy)

    def _passed_through(self, call: Call) -> bool:
        return len(call.returned) == 1 and call.returned[0] is call.entry
