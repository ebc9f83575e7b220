"""Training head and tail together with the unit, to see what freezing them costs.

    image ──► head ──► unit ──► tail ──► output      loss = rate(latent) + alpha · task(output), all trained

Source: the comparison with full-model training in Datta et al., ICPR 2022, figures 6 and 7.
"""

from typing import Any

from torch import Tensor, nn

from bottleneck.splitting import SplitModel
from bottleneck.system import BottleneckSystem
from bottleneck.unit import Unit


class EndToEndSystem(BottleneckSystem):
    """Train a unit and the network around it on images.

    Batches are `(images, targets)`. Checkpoints hold unit and network.

    Args:
        unit: Stands at the cut.
        net: The network that is trained, split; it is no longer frozen afterwards.
        frozen: The network as it was, whole; what `objective` compares with.
        options: What `BottleneckSystem` takes besides.

    Raises:
        ValueError: If the objective matches features, which have no reason to stay what they were.
    """

    kept = ("unit.", "net.")

    def __init__(self, unit: Unit, net: SplitModel, frozen: nn.Module, **options: Any):
        super().__init__(unit, net, **options)
        if self.objective.layers:
            raise ValueError(
                f"trainable=all cannot match the frozen network's features at {self.objective.layers}. "
                "Use objective=task or objective=logits."
            )
        self.net.unfreeze().train()
        self._frozen = [frozen]  # in a list, so that Lightning neither moves, trains nor saves it

    @property
    def frozen(self) -> nn.Module:
        return self._frozen[0]

    def wanted(self, inputs: Tensor) -> None:
        return None

    def feature(self, inputs: Tensor) -> Tensor:
        return self.net.head(inputs)
