"""Networks that torch.fx cannot follow, or not all the way: how they are seen, and what is said of it."""

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bottleneck.splitting import split, split_points, trace
from bottleneck.splitting.symbolic import see_by_fx


def conv(channels: int = 4, inputs: int = 4) -> nn.Conv2d:
    return nn.Conv2d(inputs, channels, 3, padding=1)


class Bad(nn.Module):
    """Control flow on values, which neither way can follow."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


class Stage(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.conv, self.bad, self.out = conv(), inner, conv()

    def forward(self, x):
        return self.out(self.bad(self.conv(x)))


class Net(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.a, self.body, self.b = conv(inputs=3), nn.Sequential(conv(), Stage(inner), conv()), conv(1)

    def forward(self, x):
        return self.b(self.body(self.a(x)))


def names(model: nn.Module, side: int = 8) -> list[str]:
    return [point.name for point in split_points(model, torch.zeros(1, 3, side, side))]


def assert_halves_are_the_network(model: nn.Module, at: str, side: int = 8) -> Any:
    torch.manual_seed(1)
    net = split(model, at, torch.zeros(1, 3, side, side))
    model.eval()
    for batch in (1, 3):
        images = torch.randn(batch, 3, side, side)
        with torch.no_grad():
            torch.testing.assert_close(as_tensor(net(images)), as_tensor(model(images)))
    return net


def as_tensor(output: Any) -> Tensor:
    return output.logits if isinstance(output, Output) else output


def test_module_that_cannot_be_traced_hides_nothing_around_it():
    """Deep inside, the one bad module is kept whole, and every cut around it is offered."""
    torch.manual_seed(0)
    model = Net(Bad())
    assert names(model) == ["input", "a", "body.0", "body.1.conv", "body.1.bad", "body.1", "body"]
    assert_halves_are_the_network(model, "body.1.bad")


def test_reason_for_a_module_that_is_kept_whole_is_told():
    """A cut inside a module that is kept whole is refused with the reason."""
    model = Net(nn.Sequential(Bad(), conv()))
    model.body[1].bad.forward = functools.partial(
        lambda own, x: own[1](own[0](x)) if x.sum() > 0 else x, model.body[1].bad
    )
    traced = trace(model, torch.zeros(1, 3, 8, 8))
    assert list(traced.kept_whole) == ["body.1.bad"]
    with pytest.raises(
        ValueError, match=r"'body.1.bad.1' lies in 'body.1.bad', which is kept whole .*control flow"
    ):
        split(model, "body.1.bad.1", torch.zeros(1, 3, 8, 8))


class WritesIntoItsList(nn.Module):
    """Like a YOLO head: the results take the features' places."""

    def __init__(self, bad: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList([conv(), conv()])
        self.bad = bad

    def forward(self, features):
        for index, layer in enumerate(self.convs):
            features[index] = layer(features[index])
        if self.bad and features[0].sum() > 0:
            return features[0] - features[1]
        return features[0] + features[1]


@pytest.mark.parametrize("bad", [False, True])
def test_modules_may_write_into_their_lists(bad):
    """A list argument that a failed attempt changed is tried again as it was, and lists stay writable."""

    class Pyramid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.more, self.head = conv(inputs=3), conv(), WritesIntoItsList(bad)

        def forward(self, x):
            x = self.stem(x)
            return self.head([x, self.more(x)])

    torch.manual_seed(0)
    model = Pyramid()
    assert "stem" in names(model)
    net = assert_halves_are_the_network(model, "stem")
    assert net.point.seen == "torch.fx"


class WritesBeside(nn.Module):
    """What it returns is not all that it gives."""

    def __init__(self, write) -> None:
        super().__init__()
        self.conv, self.write = conv(), write

    def forward(self, held):
        if held[0].sum() > 0:  # control flow on values
            held[0] = -held[0]
        self.write(held, self.conv(held[0]))
        return held[0].mean((2, 3), keepdim=True)


@pytest.mark.parametrize(
    ("kind", "write", "key"),
    [
        (dict, lambda held, y: held.update(y=y), "y"),
        (dict, lambda held, y: held.update({0: y}), 0),
        (list, lambda held, y: held.append(y), 1),
        (list, lambda held, y: held.insert(0, y), 0),
    ],
)
def test_what_a_module_that_is_kept_whole_writes_is_read_back(kind, write, key):
    """Entries that it adds or changes are in the graph, behind it, for whoever holds the list or dict."""

    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.neck, self.last = conv(inputs=3), WritesBeside(write), conv()

        def forward(self, x):
            x = self.stem(x)
            held = {0: x} if kind is dict else [x]
            y = self.neck(held)
            return self.last(y + held[key])

    torch.manual_seed(0)
    model = Holder()
    assert list(trace(model, torch.zeros(1, 3, 8, 8)).kept_whole) == ["neck"]
    net = assert_halves_are_the_network(model, "stem")
    assert net.point.seen == "torch.fx"


class WritesDeep(nn.Module):
    """It writes into what lies inside of its argument; `bad` is control flow on values."""

    def __init__(self, write, bad: bool) -> None:
        super().__init__()
        self.conv, self.write, self.bad = conv(), write, bad

    def forward(self, held):
        x = tree_leaves(held)[0]
        self.write(held, self.conv(x))
        if self.bad and x.sum() > 0:
            return -x.mean((2, 3), keepdim=True)
        return x.mean((2, 3), keepdim=True)


@pytest.mark.parametrize("bad", [False, True])
@pytest.mark.parametrize(
    ("hold", "write", "read"),
    [
        pytest.param(
            lambda x: {"levels": [x, x]},
            lambda held, y: held["levels"].__setitem__(0, y + held["levels"][0]),
            lambda held: held["levels"][0] + held["levels"][1],
            id="list in a dict",
        ),
        pytest.param(
            lambda x: {"levels": [x]},
            lambda held, y: held["levels"].append(y),
            lambda held: held["levels"][0] + held["levels"][-1],
            id="list in a dict, appended",
        ),
        pytest.param(
            lambda x: [x, {"x": x}],
            lambda held, y: held[1].update(x=y, y=2 * y),
            lambda held: held[1]["x"] + held[1]["y"],
            id="dict in a list",
        ),
        pytest.param(
            lambda x: ({"deep": [{"x": x}]}, x),
            lambda held, y: held[0]["deep"][0].update(x=y),
            lambda held: held[0]["deep"][0]["x"],
            id="dict in a list in a dict in a tuple",
        ),
        pytest.param(
            lambda x: {"x": x},
            lambda held, y: held.update(levels=[y, 2 * y]),
            lambda held: held["levels"][0] + held["levels"][1],
            id="list put into a dict",
        ),
    ],
)
def test_what_is_written_inside_of_a_nested_argument_is_read_back(hold, write, read, bad):
    """What lies in a list, dict or tuple may be written into, by a module that is kept whole or not."""

    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.neck, self.last = conv(inputs=3), WritesDeep(write, bad), conv()

        def forward(self, x):
            held = hold(self.stem(x))
            y = self.neck(held)
            return self.last(y + read(held))

    torch.manual_seed(0)
    model = Holder()
    assert list(trace(model, torch.zeros(1, 3, 8, 8)).kept_whole) == (["neck"] if bad else [])
    net = assert_halves_are_the_network(model, "stem")
    assert net.point.seen == "torch.fx"


@dataclass
class Output:
    """A library's output."""

    logits: Tensor
    loss: Tensor | None = None


class Classifier(nn.Module):
    """A dataclass as output; with `decorated`, from a forward as libraries write it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stage, self.head = conv(inputs=3), nn.Sequential(conv(), nn.ReLU()), nn.Linear(4, 2)

    def forward(self, x):
        return Output(logits=self.head(self.stage(self.stem(x)).mean((2, 3))))


def checked(forward):
    @functools.wraps(forward)
    def wrapper(self, *args, **kwargs):
        kwargs.pop("return_dict", None)
        return forward(self, *args, **kwargs)

    return wrapper


class LibraryClassifier(Classifier):
    @checked
    def forward(self, pixel_values=None, **kwargs):
        if not isinstance(pixel_values, Tensor) or len(pixel_values) < 1:
            raise ValueError("no images")
        if pixel_values.shape[-1] % 4:
            raise ValueError("sides must be multiples of 4")
        return super().forward(pixel_values)


@pytest.mark.parametrize(("kind", "seen"), [(Classifier, "torch.fx"), (LibraryClassifier, "torch.export")])
def test_outputs_keep_their_type(kind, seen):
    """Head and tail return what the network returns, whichever way it was seen; every tensor is compared."""
    torch.manual_seed(0)
    net = assert_halves_are_the_network(kind(), "stem")
    output = net(torch.randn(2, 3, 8, 8))
    assert isinstance(output, Output)
    assert output.logits.shape == (2, 2)
    assert output.loss is None
    assert net.point.seen == seen


def test_forward_of_a_library_is_cut_at_its_modules():
    """Decorators, keywords, checks of sizes and types are followed; modules keep their names and layouts."""
    torch.manual_seed(0)
    points = {p.name: p for p in split_points(LibraryClassifier(), torch.zeros(1, 3, 8, 8))}
    assert list(points) == ["input", "stem", "stage.0", "stage"]
    assert {p.layout for p in points.values()} == {"CHW"}
    assert points["stage"].macs == 8 * 8 * 9 * (3 * 4 + 4 * 4)
    assert points["stage"].params == 4 * 3 * 9 + 4 + 4 * 4 * 9 + 4


def test_halves_of_an_exported_network_are_modules_of_its_own_parameters():
    """They share the network's parameters under its names, and train through the tail."""
    torch.manual_seed(0)
    model = LibraryClassifier()
    net = split(model, "stem", torch.zeros(1, 3, 8, 8))
    assert {id(p) for p in net.parameters()} == {id(p) for p in model.parameters()}
    assert set(net.head.state_dict()) == {"stem.weight", "stem.bias"}
    assert not {id(p) for p in net.head.parameters()} & {id(p) for p in net.tail.parameters()}
    net.freeze()
    feature = net.head(torch.randn(2, 3, 8, 8)).requires_grad_()
    output, watched = net.tail.watch(feature, ["stage"])
    (output.logits.sum() + watched["stage"].sum()).backward()
    assert feature.grad is not None
    assert all(parameter.grad is None for parameter in model.parameters())


def test_images_of_another_size_are_refused_where_the_graph_is_for_one():
    """An exported graph is that of the example's height and width, and says so."""
    net = split(LibraryClassifier(), "stem", torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"shape \(3, 16, 16\).*torch\.export.*\(3, 8, 8\)"):
        net.head(torch.zeros(1, 3, 16, 16))


class Doubled(torch.autograd.Function):
    """Whole numbers of both, with gradients as if they were not, times three."""

    @staticmethod
    def forward(ctx, x, y, shape):
        return x.reshape(shape).round(), y.round()

    @staticmethod
    def backward(ctx, of_x, of_y):
        return 3 * of_x, 3 * of_y, None


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return (4 * x).round() / 4

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Rounding(nn.Module):
    def forward(self, x):
        return Straight.apply(x)


class LibraryRounds(LibraryClassifier):
    def __init__(self) -> None:
        super().__init__()
        self.rounding = Rounding()

    @checked
    def forward(self, pixel_values=None, **kwargs):
        x = self.stage(self.rounding(self.stem(pixel_values)))
        x, y = Doubled.apply(4 * x, x.mean((2, 3)), (len(x), *x.shape[1:]))
        return Output(logits=self.head(x.mean((2, 3)) + y))


@pytest.mark.parametrize("at", ["stem", "rounding", "stage"])
def test_functions_keep_their_own_gradient_where_a_network_is_exported(at):
    """What passes back through the tail of an exported network is what passes back through the network."""
    torch.manual_seed(0)
    model = LibraryRounds()
    assert names(model) == ["input", "stem", "rounding", "stage.0", "stage"]
    net = assert_halves_are_the_network(model, at)
    assert net.point.seen == "torch.export"
    images = torch.randn(2, 3, 8, 8)
    (expected,) = torch.autograd.grad(model(images).logits.square().sum(), [model.stem.bias])
    feature = net.head(images)
    (found,) = torch.autograd.grad(net.tail(feature).logits.square().sum(), [model.stem.bias])
    assert expected.abs().sum() > 0
    torch.testing.assert_close(found, expected)


class Positions(nn.Module):
    """Adds a code that is made of the image's sizes alone."""

    def __init__(self, checks: bool) -> None:
        super().__init__()
        self.stem, self.middle, self.last = conv(inputs=3), conv(), conv(2)
        self.checks = checks

    def forward(self, x):
        if self.checks and len(x) < 1:
            raise ValueError("no images")
        h, w = x.shape[-2:]
        code = torch.arange(h * w, device=x.device).reshape(h, w).float() / (h * w)
        code = code.expand(x.shape[0], 1, h, w)
        x = self.middle(self.stem(x) + code)
        return self.last(x * code)


@pytest.mark.parametrize("checks", [False, True])
def test_tensors_made_of_sizes_alone_do_not_cross(checks):
    """Position codes are made again behind the cut, from the sizes, for any batch."""
    torch.manual_seed(0)
    model = Positions(checks)
    assert names(model) == ["input", "stem", "middle"]
    assert_halves_are_the_network(model, "middle")


class Dropped(nn.Module):
    """An in-place operation whose result is dropped; zeros, without biases, would not show it."""

    def __init__(self, view: bool = False):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 4, 1, bias=False), nn.ReLU(inplace=True)
        self.last = nn.Conv2d(4, 2, 1, bias=False)
        self.view = view

    def forward(self, x):
        y = self.conv(x)
        self.relu(y[:, :2] if self.view else y)
        return self.last(y * 2)


@pytest.mark.parametrize("view", [False, True])
def test_dropped_operations_in_place_are_not_lost(view):
    """What the graph of torch.fx would forget, even on an example of zeros, the halves compute."""
    torch.manual_seed(0)
    net = assert_halves_are_the_network(Dropped(view), "conv")
    assert net.point.seen.startswith("torch.export")


class OwnTransformer(nn.Module):
    """Patches as tokens, in an encoder of torch.nn's own."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.last = nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.encoder(self.patches(x).flatten(2).transpose(1, 2)).mean(1))


def test_layers_of_an_encoder_of_torch_are_cuts():
    """What torch.fx would take for one operation has layers, and between them a network can be cut."""
    torch.manual_seed(0)
    net = assert_halves_are_the_network(OwnTransformer().eval(), "encoder.layers.1")
    assert net.point.seen.startswith("torch.export")


@pytest.mark.parametrize("kind", [Classifier, LibraryClassifier])
def test_a_wrapped_part_of_a_network_is_looked_into(wrapping, kind):
    """A parallel, averaged or compiled part hides none of its layers, whichever way the network is seen."""
    torch.manual_seed(0)
    model = kind()
    model.stage = wrapping(model.stage)
    holder = "_orig_mod" if hasattr(model.stage, "_orig_mod") else "module"
    forward = vars(model.stage).get("forward")
    assert names(model) == ["input", "stem", f"stage.{holder}.0", "stage"]
    net = assert_halves_are_the_network(model, f"stage.{holder}.0")
    assert net.point.seen == ("torch.fx" if kind is Classifier else "torch.export")
    assert vars(model.stage).get("forward") is forward  # it is a wrapper again


def test_a_part_that_compiles_itself_is_looked_into():
    """`Module.compile` of a part, or of the whole, hides none of its layers, and stays."""
    torch.manual_seed(0)
    model = Classifier()
    for module in (model, model.stage):
        module.compile(backend="eager")
    assert names(model) == ["input", "stem", "stage.0", "stage"]
    net = split(model, "stage.0", torch.zeros(1, 3, 8, 8))
    assert net.point.seen == "torch.fx"
    assert model._compiled_call_impl is not None
    assert model.stage._compiled_call_impl is not None


def test_network_whose_samples_influence_each_other_is_refused():
    """BatchNorm without running statistics makes a sample's output depend on its batch."""
    model = nn.Sequential(conv(inputs=3), nn.BatchNorm2d(4, track_running_stats=False), conv(1))
    with pytest.raises(
        ValueError, match=r"Sequential.*changes with the other samples of its batch.*running stat"
    ):
        split_points(model, torch.zeros(1, 3, 8, 8))


def test_wrapped_networks_are_unwrapped(wrapping):
    """Parallel, averaged and compiled networks have the cuts of what they wrap, under its names."""
    model = wrapping(nn.Sequential(conv(inputs=3), conv(1)))
    assert names(model) == ["input", "0"]
    assert_halves_are_the_network(model, "0")


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
@pytest.mark.parametrize("kind", [Classifier, LibraryClassifier])
def test_half_precision_counts_two_bytes_and_takes_single(kind, dtype):
    """A half network's sizes count two bytes a number, and its tail takes a float32 feature."""
    torch.manual_seed(0)
    model = kind().to(dtype)
    example = torch.zeros(1, 3, 8, 8, dtype=dtype)
    net = split(model, "stage", example)
    assert net.point.nbytes == 2 * 4 * 8 * 8
    images = torch.randn(2, 3, 8, 8).to(dtype)
    with torch.no_grad():
        feature = net.head(images)
        assert feature.dtype == dtype
        assert torch.equal(net.tail(feature.float()).logits, net.tail(feature).logits)


def test_refusal_gives_both_reasons():
    """Where neither way leads through the network's own forward, both reasons are given."""
    with pytest.raises(
        ValueError, match=r"(?s)Bad cannot be traced.*torch\.fx: .*control flow.*torch\.export: .*submodule"
    ):
        split_points(Bad(), torch.zeros(1, 3, 8, 8))


class Meanwhile(nn.Module):
    """Whenever it runs, another thread runs a part of it, and another network."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 2)
        self._elsewhere = [nn.Linear(3, 3)]
        self.found = []

    def forward(self, x):
        """Two layers."""
        with ThreadPoolExecutor(1) as other:
            for layer in (self.first, self._elsewhere[0]):
                self.found.append(other.submit(layer, torch.ones(1, 3)).result())
        return self.second(self.first(x))


def test_other_threads_compute_while_a_network_is_seen():
    """Who computes while a server splits gets numbers, and the graph is the network's alone."""
    network = Meanwhile().eval()
    seen = see_by_fx(network, torch.ones(1, 3))
    assert [node.target for node in seen.graph.nodes if node.op == "call_module"] == ["first", "second"]
    for layer, found in zip((network.first, network._elsewhere[0]), network.found, strict=True):
        assert torch.equal(found, layer(torch.ones(1, 3)))


def test_networks_are_seen_one_after_another():
    """Two threads that split at once leave nothing of `torch.fx` behind."""
    before = nn.Module.__call__
    networks = [nn.Sequential(*(nn.Linear(3, 3) for _ in range(40))) for _ in range(8)]
    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(lambda network: see_by_fx(network, torch.ones(1, 3)), networks))
    assert {len(found.graph.nodes) for found in seen} == {42}
    assert nn.Module.__call__ is before
