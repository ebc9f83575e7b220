"""The on-disk feature cache: what frozen networks make of samples, computed once and read by later runs.

    <root>/features/<key>/  about.json    what the arrays hold
                            NAME.bin      an array (n, ...), little-endian, shard after shard: features.bin
                                          (n, C, H, W) with targets.bin, or probes.bin (n, K, C, H, W)
                            done          one line per finished shard
                            sums.json     checksums of each array's shards, when all are finished

A shard counts as finished only after its bytes are on disk, so a writer may be killed at any moment: its
lock is freed by the operating system, and the next writer goes on behind the finished shards.
"""

import contextlib
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from bottleneck.features.shards import SHARD, ArrayLayout, StoredArray, shards_of
from bottleneck.files import replace_file

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
        if not store.missing_bytes() and store.sums() is not None:
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
        self.done_file, self.sums_file = folder / "done", folder / "sums.json"
        self.about, self.about_file = about, folder / "about.json"

    def finished(self) -> int:
        """How many shards, counted from the first, are whole: marked as done and really there."""
        marks = self.done_file.read_text().splitlines() if self.done_file.exists() else []
        done = 0
        for number, shard in enumerate(shards_of(self.count)):
            whole = all(
                file.exists() and file.stat().st_size >= shard.stop * self.layouts[name].sample_bytes
                for name, file in self.files.items()
            )
            if number >= len(marks) or marks[number] != str(number) or not whole:
                break
            done += 1
        return done

    def missing_bytes(self) -> int:
        start = self.finished() * SHARD
        return max(0, self.count - start) * sum(layout.sample_bytes for layout in self.layouts.values())

    def fill(self, compute: Callable[[int], Batches], title: str) -> None:
        """Compute and write the missing shards."""
        with replace_file(self.about_file) as temporary:
            temporary.write_text(json.dumps(self.about, indent=1))
        self.sums_file.unlink(missing_ok=True)
        done = self.finished()
        self.done_file.write_text("".join(f"{number}\n" for number in range(done)))
        rows = compute(done * SHARD)
        pending: list[tuple[Tensor, ...]] = []
        progress = tqdm(desc=f"{title} (once)", total=self.count, initial=done * SHARD, unit="image")
        with contextlib.ExitStack() as opened:
            opened.enter_context(progress)
            files = {name: opened.enter_context(file.open("ab")) for name, file in self.files.items()}
            for name, file in files.items():
                file.truncate(done * SHARD * self.layouts[name].sample_bytes)
            for number, shard in list(enumerate(shards_of(self.count)))[done:]:
                while sum(len(batch[0]) for batch in pending) < len(shard):
                    pending.append(next(rows))
                    progress.update(len(pending[-1][0]))
                joined = [torch.cat(parts) for parts in zip(*pending, strict=True)]
                pending = [tuple(values[len(shard) :] for values in joined)]
                for (name, file), values in zip(files.items(), joined, strict=True):
                    file.write(_encoded(values[: len(shard)], name, self.layouts[name]))
                    file.flush()
                    os.fsync(file.fileno())
                with self.done_file.open("a") as marks:
                    marks.write(f"{number}\n")

    def sums(self) -> dict[str, list[int]] | None:
        """Checksums of each file's shards; `None` where they are missing, as in caches of 0.1."""
        try:
            sums = json.loads(self.sums_file.read_text())
            right = all(len(sums[file.name]) == len(shards_of(self.count)) for file in self.files.values())
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return sums if right else None

    def seal(self) -> None:
        """Take the checksums, where there are none."""
        if self.sums() is None:
            sums = {array.file.name: array.sums() for array in self._opened({}).values()}
            with replace_file(self.sums_file) as temporary:
                temporary.write_text(json.dumps(sums))

    def open(self) -> StoredSamples:
        return StoredSamples(self._opened(self.sums() or {}), self.folder.name)

    def _opened(self, sums: dict[str, list[int]]) -> dict[str, StoredArray]:
        return {
            name: StoredArray(file, self.layouts[name], self.count, sums.get(file.name))
            for name, file in self.files.items()
        }


def _encoded(values: Tensor, name: str, layout: ArrayLayout) -> bytes:
    array = values.cpu().numpy()
    if np.dtype(layout.dtype).kind == "f" and np.abs(array).max(initial=0) > np.finfo(layout.dtype).max:
        cure = " Use cache.dtype=float32." if np.isfinite(array).all() and name == "features" else ""
        raise ValueError(f"There are {name} beyond {layout.dtype}, up to {np.abs(array).max()}.{cure}")
    array = array.astype(layout.dtype)
    if array.shape[1:] != tuple(layout.shape):
        raise ValueError(f"computed {name} of shape {array.shape[1:]}, the cache expects {layout.shape}.")
    return array.tobytes()
