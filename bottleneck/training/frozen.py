"""What the frozen network makes of a batch, for objectives that compare with it (`objectives.Frozen`)."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from bottleneck.layouts import Layout
from bottleneck.splitting import SplitModel


class FrozenHalves:
    """The frozen network on a batch of what its head gives; see `loss.objectives.Frozen`.

    Its tail runs once, when it is first asked for its output or for layers, whatever is asked for then.

    Args:
        net: The network, split.
        given: What its head gives.
        sizes: What its tail takes beside the feature.
        names: Modules of the tail whose outputs may be asked for.
        finish: Whether its output may be asked for.
    """

    def __init__(
        self,
        net: SplitModel,
        given: Tensor,
        sizes: dict[str, Any],
        names: Sequence[str] = (),
        finish: bool = True,
    ):
        self._net, self._given = net, given.detach()
        self._sizes, self._names, self._finish = sizes, names, finish

    @torch.no_grad()
    def feature(self) -> Tensor:
        return self._net.at_cut(self._given)

    def output(self) -> Any:
        return self._passage[0]

    def layers(self, names: Sequence[str]) -> dict[str, Tensor]:
        return {name: self._passage[1][name] for name in names}

    def layout(self, name: str) -> Layout:
        return self._net.tail.layers[name].layout

    def parts(self, feature: Tensor) -> list[tuple[Tensor, Layout]]:
        return self._net.point.apart(feature)

    @cached_property
    def _passage(self) -> tuple[Any, dict[str, Tensor]]:
        with torch.no_grad():
            return self._net.tail.watch(self.feature(), self._names, self._sizes, self._finish)


class WholeNetwork:
    """A frozen network as it was, on a batch of images; see `loss.objectives.Frozen`."""

    def __init__(self, network: nn.Module, images: Tensor):
        self._network, self._images = network, images

    @torch.no_grad()
    def output(self) -> Any:
        return self._network(self._images)
