"""The on-disk feature cache: what frozen networks make of samples, computed once and read by later runs.

    <root>/features/<key>/  about.json    what the arrays hold
                            NAME.bin      an array (n, ...), little-endian, shard after shard: features.bin
                                          (n, C, H, W) with targets.bin, or probes.bin (n, K, C, H, W)
                            done          one line per finished shard: the CRC-32 of each array's bytes, taken
                                          before they were written

A shard counts as finished only after its bytes are on disk, so a writer may be killed at any moment: its
lock is freed by the operating system, and the next writer goes on behind the finished shards, as far as they
are still what was computed.
"""

import contextlib
import hashlib
import json
import os
import shutil
import warnings
import zlib
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from bottleneck.features.shards import SHARD, ArrayLayout, StoredArray, shards_of
from bottleneck.files import replace_text

_FORMAT = 1
Batches = Iterator[tuple[Tensor, ...]]


class StoredSamples(Dataset[Any]):
    """What is known of the samples of one subset, on disk.

    Indexed by a list of positions it returns a whole batch: a tensor `(b, ...)` of each array, in their
    order; what is stored in half precision comes as float32.

    Args:
        arrays: By name, such as `features` and `targets`; of equally many samples.
        key: A word that says what they depend on.
    """

    def __init__(self, arrays: dict[str, StoredArray], key: str):
        self.arrays, self.key = arrays, key

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitems__(self, positions: list[int]) -> tuple[Tensor, ...]:
        gathered = (torch.from_numpy(array.gather(positions)) for array in self.arrays.values())
        return tuple(values.float() if values.dtype == torch.float16 else values for values in gathered)


class FeatureCache:
    """A folder of cached features.

    Args:
        root: The cache's folder; made on first use.
        dtype: `float32`, or `float16` at half the size.
        max_gb: Largest size of all cached features together, in GB (1e9 bytes), or `None` for no limit.

    Raises:
        ValueError: If the dtype is neither of the two, or the size is negative.
    """

    def __init__(self, root: str | Path, dtype: str = "float32", max_gb: float | None = None):
        if dtype not in ("float32", "float16"):
            raise ValueError(f"cache.dtype={dtype!r}: choose 'float32' or 'float16'.")
        if max_gb is not None and (not isinstance(max_gb, (int, float)) or not max_gb >= 0):
            raise ValueError(
                f"cache.max_gb={max_gb} must be a number of GB of at least 0, or null for no limit."
            )
        self.root = Path(root).expanduser() / "features"
        self.dtype = dtype
        self.max_gb = max_gb

    def get(
        self,
        description: dict[str, Any],
        count: int,
        layouts: dict[str, ArrayLayout],
        compute: Callable[[int], Batches],
        title: str,
    ) -> StoredSamples | None:
        """Arrays of one subset: from disk, or computed and stored.

        Args:
            description: JSON-able; everything that the arrays depend on. Its hash names the folder.
            count: Number of samples.
            layouts: The arrays by name.
            compute: Called with the first missing sample's position; yields a tensor of each array, in the
                order of `layouts`, of consecutive samples from there to the end.
            title: What they are; the progress bar says so meanwhile.

        Returns:
            The arrays, or `None` where they do not fit the disk or `max_gb`; a warning then says
            how much is missing.
        """
        arrays = {name: layout._asdict() for name, layout in layouts.items()}
        about = {"format": _FORMAT, "count": count, **arrays, "description": description}
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
        folder = self.root / key
        store = _Store(folder, about, count, layouts)
        if not store.missing_bytes() and None not in store.marks():
            return store.open()  # where nothing is to be written, nobody need be allowed to
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / "lock").acquire()
        except OSError as error:
            if not store.missing_bytes():
                return store.open()
            raise ValueError(
                f"cache.dir: {folder} cannot be written ({error}). Choose a writable folder, or one whose "
                "cache is filled."
            ) from error
        with lock:
            missing = store.missing_bytes()
            if missing and not self._has_room(missing, title):
                return None
            if missing:
                try:
                    store.fill(compute, title)
                except OSError as error:
                    warnings.warn(
                        f"Writing the feature cache {folder} failed ({error}); going on without it.",
                        stacklevel=2,
                    )
                    return None
            with contextlib.suppress(OSError):  # a full disk
                store.seal()
            return store.open()

    def _has_room(self, needed: int, title: str) -> bool:
        """Whether `needed` more bytes fit; if not, a warning names what is missing."""
        free = shutil.disk_usage(self.root).free
        reasons = []
        if needed > free:
            reasons.append(
                f"{self.root} has {free / 1e9:.2f} GB free, {(needed - free) / 1e9:.2f} GB too little"
            )
        if self.max_gb is not None:
            used = sum(file.stat().st_size for file in self.root.glob("*/*.bin"))
            if used + needed > self.max_gb * 1e9:
                excess = (used + needed) / 1e9 - self.max_gb
                reasons.append(f"cache.max_gb={self.max_gb} would be exceeded by {excess:.2f} GB")
        if reasons:
            warnings.warn(
                f"{title} need {needed / 1e9:.2f} GB, but {' and '.join(reasons)}. They are not kept. Free "
                "space, set cache.dir to a larger disk, or set cache.dtype=float16.",
                stacklevel=3,
            )
        return not reasons


class _Store:
    """The files of one cached subset."""

    def __init__(self, folder: Path, about: dict[str, Any], count: int, layouts: dict[str, ArrayLayout]):
        self.folder, self.count, self.layouts = folder, count, layouts
        self.files = {name: folder / f"{name}.bin" for name in layouts}
        self.done_file = folder / "done"
        self.about, self.about_file = about, folder / "about.json"

    def marks(self) -> list[dict[str, int] | None]:
        """Checksums by file of each shard, counted from the first, that is marked as done and really there.

        They were taken before it was written. `None`: it was marked without any, as in caches of 0.1.
        """
        lines = self.done_file.read_text(errors="replace").splitlines() if self.done_file.exists() else []
        names = {file.name for file in self.files.values()}
        marks: list[dict[str, int] | None] = []
        for number, (shard, line) in enumerate(zip(shards_of(self.count), lines, strict=False)):
            whole = all(
                file.exists() and file.stat().st_size >= shard.stop * self.layouts[name].sample_bytes
                for name, file in self.files.items()
            )
            try:
                mark = json.loads(line)
            except ValueError:
                break
            summed = isinstance(mark, dict) and mark.keys() == names
            if not whole or not (summed or mark == number):
                break
            marks.append(mark if summed else None)
        return marks

    def missing_bytes(self) -> int:
        start = len(self.marks()) * SHARD
        return max(0, self.count - start) * sum(layout.sample_bytes for layout in self.layouts.values())

    def fill(self, compute: Callable[[int], Batches], title: str) -> None:
        """Compute and write the missing shards."""
        replace_text(self.about_file, json.dumps(self.about, indent=1))
        marks = self._unchanged()
        self._write_marks(marks)
        done = len(marks)
        rows = compute(done * SHARD)
        pending: list[tuple[Tensor, ...]] = []
        progress = tqdm(
            desc=f"{title} (once)", total=self.count, initial=done * SHARD, unit="image", disable=None
        )
        with contextlib.ExitStack() as opened:
            opened.enter_context(progress)
            files = {name: opened.enter_context(file.open("ab")) for name, file in self.files.items()}
            for name, file in files.items():
                file.truncate(done * SHARD * self.layouts[name].sample_bytes)
            for shard in shards_of(self.count)[done:]:
                while sum(len(batch[0]) for batch in pending) < len(shard):
                    pending.append(next(rows))
                    progress.update(len(pending[-1][0]))
                joined = [torch.cat(parts) for parts in zip(*pending, strict=True)]
                pending = [tuple(values[len(shard) :] for values in joined)]
                mark = {}
                for (name, file), values in zip(files.items(), joined, strict=True):
                    data = _encoded(values[: len(shard)], name, self.layouts[name])
                    mark[self.files[name].name] = zlib.crc32(data)
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                with self.done_file.open("a") as done_file:
                    done_file.write(f"{json.dumps(mark)}\n")

    def seal(self) -> None:
        """Take the checksums, where there are none."""
        marks = self.marks()
        if None in marks:
            found = self._read_back(len(marks))
            self._write_marks([mark or now for mark, now in zip(marks, found, strict=True)])

    def open(self) -> StoredSamples:
        marks = self.marks()
        sums = [mark for mark in marks if mark is not None]
        arrays = {
            name: StoredArray(
                file,
                self.layouts[name],
                self.count,
                [of[file.name] for of in sums] if len(sums) == len(marks) else None,
            )
            for name, file in self.files.items()
        }
        return StoredSamples(arrays, self.folder.name)

    def _unchanged(self) -> list[dict[str, int]]:
        """Marks of the shards, counted from the first, that are on disk as they were written."""
        marks = self.marks()
        pairs = zip(marks, self._read_back(len(marks)), strict=True)
        return [now for _, now in takewhile(lambda pair: pair[0] == pair[1], pairs)]

    def _read_back(self, shards: int) -> list[dict[str, int]]:
        """Checksums by file of the first shards as they are on disk."""
        count = min(shards * SHARD, self.count)
        sums = {
            file.name: StoredArray(file, self.layouts[name], count).sums()
            for name, file in self.files.items()
        }
        return [{name: of[number] for name, of in sums.items()} for number in range(shards)]

    def _write_marks(self, marks: list[dict[str, int]]) -> None:
        replace_text(self.done_file, "".join(f"{json.dumps(mark)}\n" for mark in marks))


def _encoded(values: Tensor, name: str, layout: ArrayLayout) -> bytes:
    array = values.cpu().numpy()
    if np.dtype(layout.dtype).kind == "f" and np.abs(array).max(initial=0) > np.finfo(layout.dtype).max:
        cure = " Use cache.dtype=float32." if np.isfinite(array).all() and name == "features" else ""
        raise ValueError(f"There are {name} beyond {layout.dtype}, up to {np.abs(array).max()}.{cure}")
    array = array.astype(layout.dtype)
    if array.shape[1:] != tuple(layout.shape):
        raise ValueError(f"computed {name} of shape {array.shape[1:]}, the cache expects {layout.shape}.")
    return array.tobytes()
