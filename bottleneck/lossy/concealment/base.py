"""What every concealment does: it looks at training samples, and fills what is missing of later ones."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Float32 = NDArray[np.float32]


class Concealment(ABC):
    """Fills the gaps of samples, channels first: features, latents or symbols.

    Attributes:
        name: In configurations and results.
    """

    name: ClassVar[str]

    def fit(self, arrays: Iterable[Array]) -> Self:
        """Learn from training samples, as they are before they are coded; the base learns nothing.

        Args:
            arrays: Samples of one shape, `(C, ...)`, read once.

        Raises:
            ValueError: If there are none, where something is to be learned.
        """
        return self

    def side(self, array: Array) -> bytes:
        """What the device sends along of a sample; it is counted, and taken to be protected from loss."""
        return b""

    def session(self) -> Self:
        """The same, fitted, for one stream of samples: what it remembers of earlier ones begins anew."""
        return copy.copy(self)

    def fill(self, array: Array, mask: NDArray[np.bool_], side: bytes = b"") -> Array:
        """A sample without gaps.

        Args:
            array: What arrived.
            mask: True where it did, of the same shape.
            side: What `side` made of the sample that was sent.

        Returns:
            The array itself where nothing is missing, else float32 that is equal to it where it arrived.

        Raises:
            ValueError: If the mask has another shape.
        """
        if mask.shape != array.shape:
            raise ValueError(
                f"mask of shape {mask.shape} for a sample of shape {array.shape}: give one value per element."
            )
        filled = (
            array if mask.all() else np.where(mask, array, self.guess(array, mask, side)).astype(np.float32)
        )
        self.remember(filled)
        return filled

    @abstractmethod
    def guess(self, array: Array, mask: NDArray[np.bool_], side: bytes) -> Array:
        """Values for what is missing, in an array that can be broadcast to the sample's shape."""

    def remember(self, filled: Array) -> None:  # noqa: B027  # most need not
        """Take note of a sample as it was filled, for later ones."""
