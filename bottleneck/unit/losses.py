"""What is lost of a quantized latent while a unit trains, so that its decoder makes do with what arrives.

    PacketLoss   0 1 · 3 · 5 6 7    any groups of channels: every one says something of its own
    PrefixLoss   0 1 2 3 · · · ·    all from one group on: the first say what matters most

What is lost is zero, as it is where nothing conceals it. In evaluation nothing is lost here.

Source: dropout of units against losses, Itahara et al., "Packet-loss-tolerant split inference for
delay-sensitive deep learning in lossy wireless networks", arXiv:2104.13629; of all units behind one, Rippel,
Gelbart and Adams, "Learning ordered representations with nested dropout", ICML 2014.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class _GroupLoss(nn.Module, ABC):
    """Sets groups of channels to zero while training, others in each sample.

    Args:
        groups: Groups of neighbouring channels; fewer where there are not as many channels.

    Raises:
        ValueError: If there are no groups.
    """

    def __init__(self, groups: int = 8):
        super().__init__()
        if groups < 1 or groups != int(groups):
            raise ValueError(f"loss.groups={groups} must be a whole number of at least 1.")
        self.groups = groups

    def forward(self, latent: Tensor) -> Tensor:
        """The latent, `(b, C_r, ...)`, without what is lost."""
        if not self.training:
            return latent
        channels = latent.shape[1]
        groups = min(self.groups, channels)
        kept = self.kept(len(latent), groups, latent.device).to(latent.dtype)
        by_channel = kept[:, torch.arange(channels, device=latent.device) * groups // channels]
        return latent * by_channel.reshape(*by_channel.shape, *[1] * (latent.dim() - 2))

    @abstractmethod
    def kept(self, samples: int, groups: int, device: torch.device) -> Tensor:
        """Which groups arrive, bool, `(samples, groups)`."""


class PacketLoss(_GroupLoss):
    """Each group is lost with a probability that differs from sample to sample.

    Args:
        rate: The mean probability, at most 0.5; each sample's is drawn between 0 and twice that.
        groups: See `_GroupLoss`.

    Raises:
        ValueError: If the rate is out of range, or there are no groups.
    """

    def __init__(self, rate: float = 0.3, groups: int = 8):
        super().__init__(groups)
        if not 0 <= rate <= 0.5:
            raise ValueError(
                f"loss.rate={rate} must be from 0 to 0.5: samples lose between nothing and twice that share."
            )
        self.rate = rate

    def kept(self, samples: int, groups: int, device: torch.device) -> Tensor:
        rates = 2 * self.rate * torch.rand(samples, 1, device=device)
        return torch.rand(samples, groups, device=device) >= rates


class PrefixLoss(_GroupLoss):
    """All groups behind one are lost; how many arrive is equally likely, one at least."""

    def kept(self, samples: int, groups: int, device: torch.device) -> Tensor:
        arriving = torch.randint(1, groups + 1, (samples, 1), device=device)
        return torch.arange(groups, device=device) < arriving
