"""What a network may do with its input, its batch, its own state, and what it may return."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bottleneck.splitting import boundaries, split, split_points, trace
from bottleneck.splitting.outputs import tensors_in

IMAGE = (3, 8, 8)


class Net(nn.Module):
    """Three convolutions in a row, then logits of two classes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c = (nn.Conv2d(inputs, 4, 3, padding=1) for inputs in (3, 4, 4))
        self.head = nn.Linear(4, 2)

    def last(self, x: Tensor) -> Tensor:
        return self.head(self.c(x).square().mean((2, 3)))

    def forward(self, x: Tensor) -> Any:
        return self.last(self.b(self.a(x)))


def names(model: nn.Module) -> list[str]:
    return [point.name for point in split_points(model, torch.zeros(1, *IMAGE))]


def assert_halves_are_the_network(model: nn.Module, at: str, fill: float = 0.0) -> Any:
    net = split(model, at, torch.full((1, *IMAGE), fill))
    model.eval()
    for batch in (1, 3):
        images = torch.randn(batch, *IMAGE)
        with torch.no_grad():
            output, expected = net(images.clone()), model(images.clone())
        assert type(output) is type(expected)
        torch.testing.assert_close(tensors_in(output), tensors_in(expected))
    return net


class Plainly(Net):
    def forward(self, x):
        x = self.b(self.a(x))
        return {"logits": self.last(x), "features": [x, {"mean": x.mean()}], "classes": 2}


class Listed(Net):
    def forward(self, x):
        x = self.b(self.a(x))
        return [self.last(x), x]


@pytest.mark.parametrize("kind", [Plainly, Listed])
def test_outputs_may_be_dicts_and_lists(kind):
    """Ordinary dictionaries and lists come back as these, whether or not a layer is watched meanwhile."""
    net = assert_halves_are_the_network(kind(), "a")
    output, _ = net.tail.watch(net.head(torch.randn(2, *IMAGE)), ["c"])
    assert type(output) in (dict, list)


class WritesIntoItsInput(Net):
    def forward(self, x):
        x.sub_(0.5)
        x /= 2
        return super().forward(x)


def test_network_may_write_into_its_input():
    """A network that normalises images in place is compared on images that it has not seen."""
    assert_halves_are_the_network(WritesIntoItsInput(), "b")


@pytest.mark.parametrize("fill", [torch.nan, 1e30])
def test_example_may_hold_anything(fill):
    """What `torch.empty` gives hides no difference between graph and network, as here of torch.fx's."""
    assert_halves_are_the_network(WritesIntoItsInput(), "b", fill)


class LooksAtTheBatchSize(Net):
    def forward(self, x):
        x = self.a(x)
        return self.last(x if len(x) == 1 else self.b(x))


class Noisy(Net):
    def forward(self, x):
        x = self.b(self.a(x))
        return {"logits": self.last(x + torch.randn_like(x)), "mean": x.mean()}


@pytest.mark.parametrize("kind", [LooksAtTheBatchSize, Noisy])
def test_sample_alone_must_be_what_it_is_in_a_batch(kind):
    """Payloads hold one sample, so a network that does something else with one is refused, and noise is."""
    with pytest.raises(ValueError, match=r"changes with the other samples.*, or with every run \(t"):
        split_points(kind(), torch.zeros(1, *IMAGE))


class Windows(nn.Module):
    """Quarters of each image, four rows for each sample."""

    def forward(self, x):
        parts = x.unflatten(2, (2, 4)).unflatten(4, (2, 4))
        return parts.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)


class Windowed(Net):
    def __init__(self):
        super().__init__()
        self.windows = Windows()

    def forward(self, x):
        x = self.b(self.windows(self.a(x)))
        return self.last(x).unflatten(0, (-1, 4)).mean(1)


def test_tensor_without_a_row_for_each_sample_is_no_cut():
    """Four rows for each sample would be four payloads; such a cut is left out, and refused by its reason."""
    model = Windowed()
    assert names(model) == ["input", "a"]
    with pytest.raises(
        ValueError, match=r"\['windows'\] are no tensors of real numbers with a row for each sample.*Nearest"
    ):
        split(model, "windows", torch.zeros(1, *IMAGE))
    stages = {stage.name: stage for stage in boundaries(trace(model, torch.zeros(1, *IMAGE)))}
    assert stages["windows"].live_ratio == pytest.approx(4 / 3)


class Spectrum(nn.Module):
    def forward(self, x):
        return torch.fft.fft2(x)


class Spectral(Net):
    def __init__(self):
        super().__init__()
        self.spectrum = Spectrum()

    def forward(self, x):
        x = self.spectrum(self.a(x))
        return {"logits": self.last(self.b(torch.fft.ifft2(x).real)), "spectrum": x}


def test_complex_tensors_are_compared_and_not_sent():
    """No unit and no codec takes complex numbers, so a cut there is none; an output may hold them."""
    assert names(Spectral()) == ["input", "a"]
    assert_halves_are_the_network(Spectral(), "a")


class Eighths(nn.Module):
    """Whole numbers of eight bits, as PyTorch's quantised modules give."""

    def forward(self, x):
        return torch.quantize_per_tensor(x, 0.1, 128, torch.quint8)


class QuantizedInside(Net):
    def __init__(self):
        super().__init__()
        self.eighths = Eighths()

    def forward(self, x):
        return self.last(self.b(self.eighths(self.a(x)).dequantize()))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_quantised_tensors_are_not_sent():
    """Nobody outside of PyTorch reads them, so they are no cut; those around are."""
    assert names(QuantizedInside()) == ["input", "a", "b", "c"]
    with pytest.raises(ValueError, match=r"\['eighths'\] are no tensors of real numbers.*Nearest"):
        split(QuantizedInside(), "eighths", torch.zeros(1, *IMAGE))
    assert_halves_are_the_network(QuantizedInside(), "b")


class OneMoreThanTheBatch(Net):
    def forward(self, x):
        count = x.shape[0] + 1
        x = self.b(self.a(x))
        return self.last(x) * (x.new_ones(count).sum() - x.shape[0])


def test_sizes_that_cross_follow_the_batch():
    """A size that is not a multiple of the batch grows with it as well."""
    assert_halves_are_the_network(OneMoreThanTheBatch(), "b")


class Remembers(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.seen = None

    def forward(self, x):
        self.calls += 1
        self.seen = self.a(x)
        self.looked = True
        return self.last(self.b(self.seen))


def test_network_is_left_as_it_was():
    """Buffers, attributes and modes are those of before, so that the network is still the one it was."""
    model = Remembers().train()
    model.b.eval()
    trace(model, torch.zeros(1, *IMAGE))
    assert model.calls == 0
    assert model.seen is None
    assert not hasattr(model, "looked")
    assert [module.training for module in (model, model.a, model.b)] == [True, True, False]
    copy.deepcopy(model)


class Constant(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.b(self.a(x)) * torch.tensor([2.0, 3.0, 5.0, 7.0]).view(4, 1, 1))


def test_constants_made_on_the_way_stay_with_the_halves():
    """torch.fx writes tensors that the forward makes into the network, which does not keep them."""
    network = Constant()
    held = set(vars(network))
    assert trace(network, torch.zeros(1, *IMAGE)).seen == "torch.fx"
    for at in ("a", "b", "c"):
        assert_halves_are_the_network(network, at)
    assert set(vars(network)) == held


def test_lazy_network_gets_its_weights():
    """A network that learns its sizes from the first batch has learnt them then."""
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.LazyConv2d(2, 3)).train()
    assert names(model) == ["input", "0", "1"]
    assert type(model[1]) is nn.BatchNorm2d
    assert model[1].training
    assert_halves_are_the_network(model, "1")


class Round(torch.autograd.Function):
    """Whole numbers, with a gradient as if they were not."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Quantized(Net):
    def forward(self, x):
        return self.last(Round.apply(self.b(self.a(x))))


def test_functions_keep_their_own_gradient():
    """A straight-through estimator behind the cut passes a gradient on, as it does in the network."""
    model = Quantized()
    net = assert_halves_are_the_network(model, "b").freeze()
    feature = net.head(torch.randn(2, *IMAGE)).requires_grad_()
    net.tail(feature).sum().backward()
    assert feature.grad.abs().sum() > 0


class Overwrites(Net):
    def forward(self, x):
        x = self.a(x)
        x[:, 0] = 0
        y = self.b(x)
        y[..., 0] = x[..., 0]
        return self.last(y)


def test_parts_may_be_overwritten_behind_the_cut():
    """What is written into parts of a tensor is so in the tail, which trains."""
    net = assert_halves_are_the_network(Overwrites(), "a").freeze()
    feature = net.head(torch.randn(2, *IMAGE)).requires_grad_()
    net.tail(feature).sum().backward()
    assert feature.grad.abs().sum() > 0


class Starred(Net):
    def forward(self, *images, **options):
        return super().forward(*images)


def test_forward_may_name_no_argument():
    """A forward of `*args` is followed, and the image is its first."""
    model = Starred()
    assert names(model) == ["input", "a", "b", "c"]
    assert_halves_are_the_network(model, "b")
