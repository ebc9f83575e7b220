"""What stands between a feature and the codecs that take integers: values ↔ header + symbols 0 .. N-1."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Symbols = NDArray[np.uint16]


class Quantizer(ABC):
    """Turns one sample's values into symbols below `levels`, and back.

    Attributes:
        levels: N, 2 to 65,536.
        n_header: Bytes of side information that each sample needs.
    """

    n_header: ClassVar[int] = 0

    def __init__(self, levels: int) -> None:
        self.levels = levels

    @property
    def fitted(self) -> bool:
        """Whether values can be quantised now; False only while tables are missing."""
        return True

    def fit(self, samples: Iterable[NDArray[np.float32]]) -> None:  # noqa: B027  # no tables, nothing to fit
        """Build tables from training samples, one at a time or in batches; none to build by default."""

    def tables(self) -> dict[str, Any]:
        """The tables as JSON values; only called when `fitted`."""
        return {}

    def load_tables(self, tables: Mapping[str, Any]) -> None:  # noqa: B027  # no tables, nothing to load
        """Take over what `tables` gave; raise ValueError where it cannot be right."""

    @abstractmethod
    def quantise(self, values: NDArray[np.float32]) -> tuple[bytes, Symbols | None]:
        """Header and symbols of a sample's values, shape ``(n,)``; no symbols where the header says all."""

    @abstractmethod
    def has_symbols(self, header: bytes) -> bool:
        """Whether symbols follow a header; raises ValueError for what is no header."""

    @abstractmethod
    def values(self, header: bytes, symbols: Symbols | None, count: int) -> NDArray[np.float32]:
        """The quantised values, shape ``(count,)``."""
