"""Head and tail: the two halves of a network, each a module that runs alone.

image ──► head ──► feature ──► tail ──► output                      tail(head(x)) == model(x)

Where a unit takes a module's place, or a cut is not closed, an adapter stands in between (`adapters.py`).
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from bottleneck.identity import evaluating
from bottleneck.splitting.adapters import Direct, Replaced
from bottleneck.splitting.checks import difference
from bottleneck.splitting.folding import folded
from bottleneck.splitting.graph import trace
from bottleneck.splitting.points import SplitPoint, find_cut, point_of
from bottleneck.splitting.subgraphs import head_of, sizes_of, subgraph, tail_of
from bottleneck.splitting.tail import Layer, Tail
from bottleneck.splitting.traced import Cut, TracedNetwork

__all__ = ["Layer", "SplitModel", "Tail", "split", "split_traced"]


class SplitModel(nn.Module):
    """A network in two halves that share its parameters.

    Attributes:
        head: Image to what the device has at the cut.
        tail: Feature to output.
        adapter: What lies between these two and a channel; nothing at a closed cut (`Direct`).
        point: The split point: name, shape, share of the work.
        entry: The split point at which the head ends: `point`, but where a module may be replaced.
    """

    def __init__(
        self,
        head: fx.GraphModule,
        tail: Tail,
        point: SplitPoint,
        sizes: nn.Module,
        adapter: Direct | None = None,
        entry: SplitPoint | None = None,
    ):
        super().__init__()
        self.head = head
        self.adapter = adapter or Direct()
        self.tail = tail
        self.point = point
        self.entry = entry or point
        self._sizes = sizes
        self._frozen = False
        self.eval()

    def forward(self, image: Tensor) -> Any:
        return self.rest(self.head(image))

    def rest(self, given: Tensor, sizes: dict[str, Any] | None = None) -> Any:
        """The network's output from what its head gives, with nothing in between."""
        return self.tail(self.at_cut(given), sizes)

    def at_cut(self, given: Tensor) -> Tensor:
        """What the frozen network's own tail takes, from what its head gives."""
        return self.adapter.after(self.adapter.before(given), given)

    def sizes(self, images: Any) -> dict[str, Any]:
        """The plain values that cross the cut for these images, by name; what `tail` takes as `sizes`."""
        found: dict[str, Any] = self._sizes(images)
        return found

    def folded(self, watched: Sequence[str] = ()) -> "SplitModel":
        """The frozen network with a tail that is quicker to train through; see `folding.py`.

        Args:
            watched: Modules behind the cut whose outputs will be asked for.
        """
        return self._with_tail(folded(self.tail, watched))

    def with_own_tail(self, weights: Mapping[str, Tensor] | None = None) -> "SplitModel":
        """The same head with a copy of the tail, whose weights may then differ from the network's.

        Args:
            weights: The copy's state dict; `None`: as the tail is.

        Raises:
            ValueError: If these are the weights of another tail.
        """
        tail = copy.deepcopy(self.tail)
        if weights is not None:
            try:
                tail.load_state_dict(weights)
            except RuntimeError as error:
                raise ValueError(
                    f"These weights are not of the tail behind {self.point.name}: {error}"
                ) from error
        return self._with_tail(tail)

    def _with_tail(self, tail: Tail) -> "SplitModel":
        return SplitModel(self.head, tail, self.point, self._sizes, self.adapter, self.entry).freeze()

    def freeze(self) -> "SplitModel":
        """Stop all gradients to the network's parameters and hold both halves in eval mode for good."""
        self.requires_grad_(False)
        self._frozen = True
        return self.eval()

    def unfreeze(self) -> "SplitModel":
        """Let gradients and statistics change the network again."""
        self._frozen = False
        return self.requires_grad_(True)

    def train(self, mode: bool = True) -> "SplitModel":
        """Stay in eval mode once frozen: BatchNorm statistics and dropout are part of the frozen network."""
        return super().train(mode and not self._frozen)


def split(model: nn.Module, at: str | Sequence[str], example: Tensor, replace: bool = False) -> SplitModel:
    """Cut a network behind one of its modules, or behind several.

    Args:
        model: Any module that takes one tensor. Both halves share its parameters and buffers.
            The network goes into eval mode with them.
        at: Name of the split point, such as `layer3.4`, or `input`. Where several tensors cross, they are
            sent together, as one vector; name the last module, or each (`["stem", "left"]`, `stem+left`).
        example: A batch of inputs, `(b, ...)`. The halves run on any batch size, and on other image
            sizes as far as the network itself does.
        replace: Whether the module itself is to be replaced: the head then ends before it.

    Raises:
        ValueError: If the model cannot be traced, a name is unknown, or what crosses cannot be sent; with
            `replace`, if this cut or the one before the module is not closed.
    """
    return split_traced(trace(model, example), at, replace)


def split_traced(traced: TracedNetwork, at: str | Sequence[str], replace: bool = False) -> SplitModel:
    """Cut a network that is traced already; see `split`."""
    cut = find_cut(traced, at)
    adapter, entry = Direct(), cut
    if replace:
        entry = _cut_before(traced, cut, at)
        module, _ = subgraph(traced, {entry.node: "entry"}, cut.node, set(traced.members(cut.before)))
        adapter = Replaced(module, traced.values[entry.node].dtype)
    net = halves(traced, cut, point_of(traced, cut), entry, adapter)
    if not cut.closed:
        _check_together(traced, cut, net)
    return net


def halves(traced: TracedNetwork, cut: Cut, point: SplitPoint, entry: Cut, adapter: Direct) -> SplitModel:
    """The two halves of a traced network.

    Args:
        traced: The network.
        cut: Behind which the tail begins.
        point: What is said of that.
        entry: The cut at which the head ends.
        adapter: What lies between the two.
    """
    head, (tail_graph, layers) = head_of(traced, entry), tail_of(traced, cut)
    sizes = sizes_of(traced, cut)
    with evaluating(traced.model), torch.no_grad():
        together, alone = sizes(traced.probe.clone()), sizes(traced.probe[:1].clone())
        given = head(traced.probe[:1].clone())
        feature = adapter.after(adapter.before(given), given)
        tail = Tail(tail_graph, layers, together, alone, feature)
    return SplitModel(head, tail, point, sizes, adapter, point_of(traced, entry))


def _check_together(traced: TracedNetwork, cut: Cut, net: SplitModel) -> None:
    """Refuse tensors that share memory, in which a half would write where the network had not yet read.

    Raises:
        ValueError: If the halves compute something else than the network.
    """
    with evaluating(traced.model), torch.no_grad():
        found = difference(net(traced.probe.clone()), traced.model(traced.probe.clone()))
    if found is not None:
        names = [traced.name(tensor) for tensor in cut.tensors]
        raise ValueError(
            f"split={net.point.name!r}: {names} cannot be sent together, because operations in place tie "
            f"them to each other ({found}). Choose a cut where one tensor crosses."
        )


def _cut_before(traced: TracedNetwork, cut: Cut, at: str | Sequence[str]) -> Cut:
    """The cut in front of the module at a cut.

    Raises:
        ValueError: If either is not closed.
    """
    entry = traced.entries.get(cut.node) if cut.closed else None
    before = None if entry is None else traced.cut(entry)
    passing = [size for size in cut.sizes if size.all_input_nodes != [entry]]  # which the tail reads off it
    if before is None or not before.closed or before.sizes != passing:
        crossing = [] if before is None else [traced.name(source) for source in before.tensors]
        raise ValueError(
            f"split={at!r} cannot be replaced: one tensor has to enter it, and nothing may pass it by; these "
            f"enter or pass: {crossing}. Choose a unit that stands behind the module, such as unit=depthwise."
        )
    return before
