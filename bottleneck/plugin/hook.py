"""What stands in somebody's module: unit and loss, and what becomes of a feature behind the split point.

           ┌─ train_step ► unit, with gradients            (their training_step)
           ├─ again ─────► the same once more              (gradient checkpointing, in their backward)
feature ───┼─ quantise ──► unit, quantised                 (elsewhere in fit, such as the sanity check)
           ├─ transmit ──► unit, payload, bytes counted    (validation, test, prediction)
           └─────────────► as it is                        (outside the Trainer)
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bottleneck import codecs
from bottleneck.channel import Channel
from bottleneck.codecs import Codec
from bottleneck.devices import device_of
from bottleneck.loss import OperatingPoint, Terms
from bottleneck.plugin.probe import as_feature
from bottleneck.unit import Unit, UnitOutput

#: Numbers of the features on which tables are fitted at most: the latest ones of training, 256 MiB of them.
_TABLE_VALUES = 2**26


_Function = TypeVar("_Function", bound=Callable[..., Any])


def uncompiled(function: _Function, recursive: bool = True) -> _Function:
    """Let `torch.compile` break its graph at a function; PyTorch's own decorator has no types."""
    disable: Any = torch.compiler.disable
    return cast(_Function, disable(function, recursive=recursive))


class Hook(nn.Module):
    """Send a module's output through a channel.

    The unit computes in float32, whatever the precision around it, so that symbols round as they will where
    it is deployed.

    Args:
        at: Name of the split point.
        point: What is trained; its rate is made here.
        unit: Trained or not yet.
        codec: What makes the bytes.
        image: A black image like those that enter the network, `(1, C, H, W)`.

    Attributes:
        loss: Its rate is trained along.
        channel: Unit and codec.
        send: What becomes of a feature: one of the methods above; `None`: nothing.
        outputs: What the unit made in the current training step.
        payload_bytes: Length of every payload that `transmit` sent, and `pixels`, of the image that it was
            of: of a larger feature's in proportion.
    """

    def __init__(self, at: str, point: OperatingPoint, unit: Unit, codec: Codec, image: Tensor):
        super().__init__()
        self.at, self.unit, self.image = at, unit, image
        self.loss = point.loss(unit.latent_shapes, image.shape[-2] * image.shape[-1], unit.step)
        self.channel = Channel(codec, unit)
        self.send: Callable[[Tensor], Tensor] | None = None
        self.outputs: list[UnitOutput] = []
        self.payload_bytes: list[int] = []
        self.pixels: list[float] = []
        self._numbers = 0  # of the feature of such an image
        self._features: deque[Tensor] = deque()

    @uncompiled
    def behind(self, _: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        """The forward hook."""
        if self.send is None:
            return output
        feature = as_feature(output, self.at)
        with torch.autocast(feature.device.type, enabled=False):
            return self.send(feature.float()).to(feature.dtype)

    def step(self, theirs: Callable[[], Any]) -> tuple[Any, Terms | None]:
        """Run somebody's training step with gradients to the unit.

        Returns:
            What it returns, and the loss with the rate added; none where their step skips the batch.

        Raises:
            ValueError: If their loss does not depend on the unit.
        """
        with self._sending(self.train_step):
            output = theirs()
        outputs, self.outputs = self.outputs, []
        if output is None:
            return None, None
        task = output["loss"] if isinstance(output, Mapping) else output
        if not outputs or not task.requires_grad:
            raise ValueError(
                f"at={self.at!r} was not run in training_step, or the loss does not depend on it, so no "
                "bottleneck can be trained there. Name a submodule that the loss needs."
            )
        return output, self.loss(outputs, task)

    def backward(self, theirs: Callable[[], None]) -> None:
        """Run somebody's backward pass. What runs the network in there is gradient checkpointing."""
        with self._sending(self.again):
            theirs()

    def train_step(self, feature: Tensor) -> Tensor:
        """Quantize with gradients; keep the latent for the rate, and the feature for the codec's tables.

        Raises:
            ValueError: If gradients are off, so that the unit could not learn.
        """
        if not torch.is_grad_enabled():
            raise ValueError(
                f"training_step runs at={self.at!r} under torch.no_grad, so nothing there can learn. Remove "
                "the no_grad (the plugin freezes the network without it), give torch.utils.checkpoint "
                "use_reentrant=False where it is gradient checkpointing, or name a later submodule."
            )
        self._keep(feature.detach())
        with _training(self.unit):
            output = self.channel.quantised(feature)
        self.outputs.append(output)
        return output.feature

    def again(self, feature: Tensor) -> Tensor:
        """Quantize as in the training step; the feature has been kept and counted then."""
        with _training(self.unit, counted=True):
            return self.channel.quantised(feature).feature

    @torch.no_grad()
    def quantise(self, feature: Tensor) -> Tensor:
        """Quantize without coding: the values that decoded bytes would give."""
        self.unit.eval()
        return self.channel.quantised(feature).feature

    def transmit(self, feature: Tensor) -> Tensor:
        """Encode every sample to bytes, decode them, and go on with what they say."""
        self.unit.eval()
        sent = self.channel.transmit(feature)
        self.payload_bytes += sent.payload_bytes
        self.pixels += [self.loss.rate.pixels * feature[0].numel() / self._numbers] * len(feature)
        return sent.feature

    def begin(self) -> None:
        """Count anew, and send as a device does that has sent nothing yet."""
        self.payload_bytes.clear()
        self.pixels.clear()
        self.channel = self.channel.session()
        self.unit.eval()
        with torch.no_grad():
            black = torch.zeros(1, *self.unit.latent_shape, device=device_of(self.unit))
            self._numbers = self.unit.decode(black).numel()

    def fitted_codec(self, unit: Unit) -> Codec:
        """The codec with tables for what a unit makes of training's latest features, if there are any."""
        channel = Channel(codecs.from_dict(self.channel.codec.to_dict()), unit.eval())
        if self._features:
            channel.fit((feature, None) for feature in self._features)
        return channel.codec

    def take(self, codec: Codec) -> None:
        """Code with another codec."""
        self.channel = Channel(codec, self.unit)

    def fit_tables(self, share: Callable[[Any], Any] = lambda described: described) -> None:
        """Fit the codec's tables; `share` gives every process what the first has.

        Raises:
            ValueError: If there are none, and nothing to fit them on.
        """
        self.take(codecs.from_dict(share(self.fitted_codec(self.unit).to_dict())))
        if not self.channel.codec.fitted:
            raise ValueError("The bottleneck is not trained yet. Fit first, or give the Trainer a ckpt_path.")

    @contextlib.contextmanager
    def _sending(self, how: Callable[[Tensor], Tensor]) -> Iterator[None]:
        self.send = how
        self.outputs = []
        try:
            yield
        finally:
            self.send = self.quantise

    def _keep(self, feature: Tensor) -> None:
        self._features.append(feature.clone())  # what follows may work in place
        while len(self._features) > 1 and sum(kept.numel() for kept in self._features) > _TABLE_VALUES:
            self._features.popleft()


@contextlib.contextmanager
def _training(unit: Unit, counted: bool = False) -> Iterator[None]:
    """Train mode for one batch, but for a BatchNorm that would see one value per channel.

    The last batch of an epoch may have one sample, whose latent may have one element per channel. That has no
    variance; the layer uses its running statistics, as it will where the unit is deployed. The batch is not
    skipped, because with DDP the other processes would wait for this one.

    Args:
        unit: In training.
        counted: Whether the running statistics have had this batch already.
    """
    unit.train()
    layers = [layer for layer in unit.modules() if isinstance(layer, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    handles = [layer.register_forward_pre_hook(_without_variance) for layer in layers]
    try:
        if counted:
            for layer in layers:
                layer.momentum = 0.0
        yield
    finally:
        for layer, momentum, handle in zip(layers, momenta, handles, strict=True):
            layer.momentum = momentum
            handle.remove()


def _without_variance(layer: nn.Module, args: tuple[Tensor, ...]) -> None:
    if not isinstance(layer, nn.SyncBatchNorm):  # it counts the values of all processes
        layer.train(args[0].numel() > args[0].shape[1])
