"""Other trainings than that of one unit at one rate: of several rates, of the tail, of the whole network."""

from typing import Any

import torch
from torch import Tensor, nn

from bottleneck.channel import Channel
from bottleneck.layouts import Layout
from bottleneck.loss.density import DensityRate
from bottleneck.loss.several import SeveralLosses
from bottleneck.splitting import SplitModel
from bottleneck.training.frozen import FrozenHalves, WholeNetwork
from bottleneck.training.systems import BottleneckSystem
from bottleneck.unit import UnitOutput
from bottleneck.unit.gains import Gains


class RatesSystem(BottleneckSystem):
    """Train one unit at several rates: each step draws one. Nothing is validated on the way.

    Args:
        channel: Its unit's quantizer has a step for each channel and rate (`Gains`).
        net: The split network; it is frozen here.
        options: What `BottleneckSystem` takes besides; `loss` is `SeveralLosses`.
    """

    loss: SeveralLosses

    @property
    def gains(self) -> Gains:
        """The unit's quantizer."""
        assert isinstance(self.unit.quantizer, Gains), "a step for each rate is what is learned"
        return self.unit.quantizer

    @property
    def density(self) -> DensityRate:
        """That of the latent, for all rates."""
        assert isinstance(self.loss.rate, DensityRate), "targets of bytes need bits"
        return self.loss.rate

    def training_step(self, batch: tuple[Any, ...], batch_idx: int) -> Tensor:
        self.gains.rate = self.loss.current = int(torch.randint(self.gains.rates, ()))
        return super().training_step(batch, batch_idx)

    def on_train_end(self) -> None:
        super().on_train_end()
        self.density.width = self.density.width.detach()

    def sent(self, inputs: Tensor) -> UnitOutput:
        """What the unit makes of a batch's inputs, its latent in steps."""
        found = super().sent(inputs)
        step = self.gains.step_for(found.exact)
        self.density.width = step.flatten() / self.gains.step
        return found._replace(latent=found.latent / step, exact=found.exact / step)


class TailSystem(BottleneckSystem):
    """Train a unit and the tail behind it on features. The tail's statistics of BatchNorm stay at rest.

    Checkpoints hold unit and tail.

    Args:
        channel: Holds the unit.
        net: The network with a tail of its own, which is trained.
        original: The network as it was; what `objective` compares with.
        options: What `BottleneckSystem` takes besides.

    Raises:
        ValueError: If the objective does not look at what the tail gives.

    Source: Matsubara et al., WACV 2022, arXiv:2108.11898; Duan and Zhu, PCS 2022.
    """

    kept = ("unit.", "loss.", "net.tail.")

    def __init__(self, channel: Channel, net: SplitModel, original: SplitModel, **options: Any):
        super().__init__(channel, net, **options)
        if not self.objective.needs_output:
            raise ValueError(
                "trainable=tail needs an objective that looks at the output, and "
                f"{type(self.objective).__name__} does not. Use objective=task, logits, or a sum with one."
            )
        self.net.tail.requires_grad_(True)
        self._original = [original]  # in a list, so that Lightning neither moves, trains nor saves it

    def frozen(self, inputs: Tensor, sizes: dict[str, Any]) -> Any:
        return FrozenHalves(self._original[0], inputs, sizes, self.objective.layers)


class EndToEndSystem(BottleneckSystem):
    """Train a unit and the network around it on images, to see what freezing them costs.

    Batches are `(images, targets)`. Checkpoints hold unit and network.

    Args:
        channel: Holds the unit.
        net: The network that is trained, split; it is no longer frozen afterwards.
        original: The network as it was, whole; what `objective` compares with.
        options: What `BottleneckSystem` takes besides.

    Raises:
        ValueError: If the objective matches features, which have no reason to stay what they were.

    Source: the comparison with full-model training in Datta et al., ICPR 2022, figures 6 and 7.
    """

    kept = ("unit.", "loss.", "net.")

    def __init__(self, channel: Channel, net: SplitModel, original: nn.Module, **options: Any):
        super().__init__(channel, net, **options)
        if self.objective.layers or self.objective.probes or not self.objective.needs_output:
            raise ValueError(
                "trainable=all cannot match the frozen network's features, as "
                f"{type(self.objective).__name__} does. Use objective=task or objective=logits."
            )
        self.weigh = None  # the head's outputs are other ones in every step
        self.net.unfreeze().train()
        self._original = [original]  # in a list, so that Lightning neither moves, trains nor saves it

    def input_layout(self, net: SplitModel) -> Layout:
        return Layout("CHW")

    def given(self, inputs: Tensor) -> Tensor:
        found: Tensor = self.net.head(inputs)
        return found

    def frozen(self, inputs: Tensor, sizes: dict[str, Any]) -> Any:
        return WholeNetwork(self._original[0], inputs)
