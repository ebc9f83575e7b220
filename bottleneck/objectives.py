"""What training maximises as task: the labels, or agreement with the frozen network.

feature ──► tail ──► frozen output ─┐
feature' ─► tail ──► output ────────┴──► objective ◄── label
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bottleneck.tasks import Classification


class Labels:
    """The task's own loss against the labels, as in the paper."""

    def __call__(
        self, task: Classification, output: Tensor, target: Tensor, inputs: Tensor, frozen: nn.Module
    ) -> Tensor:
        """Loss of a batch, a scalar."""
        return task.loss(output, target)


class FrozenLogits:
    """Match the frozen network's outputs on the same images; labels are not read.

    The Kullback-Leibler divergence from the frozen to the new distribution, both softened by a temperature
    and scaled by its square, so that the gradient keeps its size.

    Args:
        temperature: Larger: the small logits count for more.

    Raises:
        ValueError: If the temperature is not positive.

    Source: Hinton et al., "Distilling the knowledge in a neural network", arXiv:1503.02531.
    """

    def __init__(self, temperature: float = 2.0):
        if not temperature > 0:
            raise ValueError(f"objective.temperature={temperature} must be positive.")
        self.temperature = temperature

    def __call__(
        self, task: Classification, output: Tensor, target: Tensor, inputs: Tensor, frozen: nn.Module
    ) -> Tensor:
        """Loss of a batch, a scalar.

        Args:
            task: Not used.
            output: Logits from the reconstructed feature, `(b, classes)`.
            target: Not used.
            inputs: What `frozen` makes its logits from: the head's output, or the image.
            frozen: The frozen tail, or the whole frozen network.
        """
        with torch.no_grad():
            wanted = frozen(inputs.detach())
        divergence = F.kl_div(
            F.log_softmax(output / self.temperature, dim=1),
            F.softmax(wanted / self.temperature, dim=1),
            reduction="batchmean",
        )
        return self.temperature**2 * divergence
