"""An array on disk in shards, each read only after its checksum was found right.

Samples are read, not mapped: where a file turns out shorter than it was, a map would end the process.
"""

import os
import weakref
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

SHARD = 256  # samples per shard: what a killed writer loses at most


class ArrayLayout(NamedTuple):
    """Shape of one sample and dtype of an array on disk."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def sample_bytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


def shards_of(count: int) -> list[range]:
    """Which samples each shard has."""
    return [range(start, min(start + SHARD, count)) for start in range(0, count, SHARD)]


class StoredArray:
    """Samples of a file.

    Args:
        file: Its bytes, sample after sample.
        layout: Of a sample.
        count: How many there are.
        sums: CRC-32 of each shard; `None`: nobody has taken them.

    Raises:
        OSError: From reading too, if the file has other content than was written.
    """

    def __init__(self, file: Path, layout: ArrayLayout, count: int, sums: list[int] | None = None):
        self.file, self.layout, self.count = file, layout, count
        self._sums = dict(enumerate(sums or ()))  # of shards that were not read yet
        if count:  # else there is no file
            self._descriptor = os.open(file, os.O_RDONLY)
            weakref.finalize(self, os.close, self._descriptor)

    def __len__(self) -> int:
        return self.count

    def gather(self, positions: list[int]) -> np.ndarray:
        """Copies of samples, `(len(positions), *shape)`."""
        for shard in {position // SHARD for position in positions} & self._sums.keys():
            self._check(shard)
        samples = np.empty((len(positions), *self.layout.shape), self.layout.dtype)
        into, size = samples.reshape(-1).view(np.uint8).data, self.layout.sample_bytes
        for row, position in enumerate(positions):
            found = os.preadv(self._descriptor, [into[row * size : (row + 1) * size]], position * size)
            if found != size:
                raise OSError(f"{self.file} has lost sample {position}: {self._cure}")
        return samples

    def sums(self) -> list[int]:
        """CRC-32 of each shard as it is on disk."""
        return [self._sum(shard) for shard in range(len(shards_of(self.count)))]

    def _sum(self, shard: int) -> int:
        samples, size = shards_of(self.count)[shard], self.layout.sample_bytes
        return zlib.crc32(os.pread(self._descriptor, len(samples) * size, samples.start * size))

    def _check(self, shard: int) -> None:
        if self._sum(shard) != self._sums[shard]:
            raise OSError(f"{self.file} was changed in shard {shard} after it was written: {self._cure}")
        del self._sums[shard]

    @property
    def _cure(self) -> str:
        return f"remove the folder {self.file.parent}, and its features are computed again."
