"""The feature cache: computed once, right for ever, whole or not there."""

import contextlib
import os
import signal
import time
from multiprocessing import get_context

import numpy as np
import pytest
import torch

from bottleneck.features import cache
from bottleneck.features.cache import FeatureCache
from bottleneck.features.shards import ArrayLayout

COUNT, SHAPE = 700, (3, 2, 2)
LAYOUTS = {"features": ArrayLayout(SHAPE, "float32"), "targets": ArrayLayout((), "int64")}


def rows(start, calls=None, batch=64):
    """Recognisable features: sample i is filled with i."""
    if calls is not None:
        calls.append(start)
    for first in range(start, COUNT, batch):
        ids = torch.arange(first, min(first + batch, COUNT))
        yield ids[:, None, None, None].expand(-1, *SHAPE).float(), ids * 2


def get(cache, description=None, compute=rows):
    layouts = {**LAYOUTS, "features": ArrayLayout(SHAPE, cache.dtype)}
    return cache.get(description or {"head": "a"}, COUNT, layouts, compute, "Features")


def everything(array):
    return array.gather(list(range(len(array))))


@pytest.mark.parametrize("batch", [1, 64, 100, 1000])
def test_features_come_back_as_computed(tmp_path, batch):
    """Whatever the batches that computed them, features and targets are gathered sample by sample."""
    stored = get(FeatureCache(tmp_path), compute=lambda start: rows(start, batch=batch))
    features, targets = stored.__getitems__([699, 0, 256, 255])
    assert features.shape == (4, *SHAPE)
    assert features[:, 0, 0, 0].tolist() == [699, 0, 256, 255]
    assert targets.tolist() == [1398, 0, 512, 510]


def test_second_request_computes_nothing(tmp_path):
    """A filled cache is opened, not computed; another description is."""
    calls = []
    for _ in range(2):
        get(FeatureCache(tmp_path), compute=lambda start: rows(start, calls))
    assert calls == [0]
    get(FeatureCache(tmp_path), {"head": "b"}, lambda start: rows(start, calls))
    assert calls == [0, 0]


def test_interrupted_writer_leaves_finished_shards(tmp_path):
    """After a failure in the third shard, the next writer starts there."""
    interrupted(tmp_path, 600)
    calls = []
    stored = get(FeatureCache(tmp_path), compute=lambda start: rows(start, calls))
    assert calls == [512]
    np.testing.assert_array_equal(everything(stored.arrays["features"])[:, 0, 0, 0], np.arange(COUNT))


def slow_fill(folder):
    def slow(start):
        for batch in rows(start, batch=32):
            time.sleep(0.05)
            yield batch

    get(FeatureCache(folder), compute=slow)


@pytest.mark.slow
def test_killed_writer_frees_the_lock_and_tears_nothing(tmp_path):
    """A writer killed with SIGKILL half way costs the next one its unfinished shard only."""
    writer = get_context("spawn").Process(target=slow_fill, args=(tmp_path,))
    writer.start()
    deadline = time.monotonic() + 60
    while not any(p.read_text() for p in tmp_path.glob("features/*/done")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    calls = []
    stored = get(FeatureCache(tmp_path), compute=lambda start: rows(start, calls))
    assert calls[0] >= 256
    np.testing.assert_array_equal(everything(stored.arrays["features"])[:, 0, 0, 0], np.arange(COUNT))
    np.testing.assert_array_equal(everything(stored.arrays["targets"]), 2 * np.arange(COUNT))


def test_truncated_array_is_noticed(tmp_path):
    """A file that lost its end is completed again, although its shards were marked as done."""
    get(FeatureCache(tmp_path))
    (file,) = tmp_path.glob("features/*/features.bin")
    with file.open("r+b") as handle:
        handle.truncate(300 * 4 * 12)
    calls = []
    stored = get(FeatureCache(tmp_path), compute=lambda start: rows(start, calls))
    assert calls == [256]
    np.testing.assert_array_equal(everything(stored.arrays["features"])[:, 0, 0, 0], np.arange(COUNT))


def parallel_request(arguments):
    folder, name = arguments
    calls = []
    stored = get(FeatureCache(folder), compute=lambda start: rows(start, calls))
    return len(calls), float(everything(stored.arrays["features"]).sum()), name


@pytest.mark.slow
def test_parallel_requests_compute_once(tmp_path):
    """Of several processes that ask at once, one computes and the others read."""
    with get_context("spawn").Pool(2) as pool:
        answers = pool.map(parallel_request, [(tmp_path, name) for name in range(2)])
    assert sum(computed for computed, _, _ in answers) == 1
    assert len({total for _, total, _ in answers}) == 1


def test_half_precision_takes_half_the_disk(tmp_path):
    """float16 stores two bytes per element and still hands out float32."""
    stored = get(FeatureCache(tmp_path, "float16"))
    (file,) = tmp_path.glob("features/*/features.bin")
    assert file.stat().st_size == COUNT * 12 * 2
    assert stored.__getitems__([5])[0].dtype == torch.float32


def test_too_little_disk_says_how_much_is_missing(tmp_path, monkeypatch):
    """With too little disk the cache declines with a warning that names the missing amount."""
    usage = type("Usage", (), {"free": 1_000})
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: usage)
    with pytest.warns(UserWarning, match=r"0\.00 GB free, 0\.00 GB too little.*cache\.dir"):
        assert get(FeatureCache(tmp_path)) is None


def test_size_limit_is_kept(tmp_path):
    """`max_gb` counts all cached features and declines what would exceed it."""
    size = COUNT * (12 * 4 + 8)
    cache = FeatureCache(tmp_path, max_gb=1.5 * size / 1e9)
    assert get(cache) is not None
    with pytest.warns(UserWarning, match=r"cache\.max_gb=.* would be exceeded"):
        assert get(cache, {"head": "b"}) is None
    assert get(cache) is not None


def test_disk_that_fills_up_meanwhile_is_survived(tmp_path, monkeypatch):
    """An error of the disk while writing is reported, and the run goes on without a cache."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "fsync", full)
    with pytest.warns(UserWarning, match="No space left on device.*going on without it"):
        assert get(FeatureCache(tmp_path)) is None


def test_empty_subset_is_stored_without_computing(tmp_path):
    """A hold-out of nothing has no features and needs no head."""
    stored = FeatureCache(tmp_path).get({"head": "a"}, 0, LAYOUTS, rows, "Features")
    assert len(stored) == 0


def test_any_arrays_are_kept_under_their_names(tmp_path):
    """One array or several, of any shape and type, come back in their order; half precision as float32."""
    layouts = {"probes": ArrayLayout((4, *SHAPE), "float16"), "sizes": ArrayLayout((2,), "uint8")}

    def computed(start):
        yield torch.full((300 - start, 4, *SHAPE), 0.1), torch.full((300 - start, 2), 7, dtype=torch.uint8)

    stored = FeatureCache(tmp_path).get({"head": "a"}, 300, layouts, computed, "Probes")
    assert {file.name for file in tmp_path.glob("features/*/*.bin")} == {"probes.bin", "sizes.bin"}
    probes, sizes = stored.__getitems__([299, 0])
    assert (probes.dtype, sizes.dtype) == (torch.float32, torch.uint8)
    torch.testing.assert_close(probes, torch.full((2, 4, *SHAPE), 0.1), atol=1e-4, rtol=0)
    assert sizes.tolist() == [[7, 7], [7, 7]]


def test_unknown_dtype_is_refused(tmp_path):
    """Only two precisions are stored."""
    with pytest.raises(ValueError, match=r"cache\.dtype='int8'"):
        FeatureCache(tmp_path, "int8")


def test_values_beyond_half_precision_are_refused(tmp_path):
    """A feature that float16 cannot hold is an error that names the option, not an infinity in the cache."""
    with pytest.raises(ValueError, match=r"features beyond float16, up to .*\. Use cache\.dtype=float32"):
        get(FeatureCache(tmp_path, "float16"), compute=lambda start: ((x * 1e5, y) for x, y in rows(start)))


def test_cache_folder_that_cannot_be_made_is_named(tmp_path):
    """A file in the place of the cache's folder is reported with the option."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cache\.dir: .* cannot be written"):
        get(FeatureCache(tmp_path / "file"))


def flip(file, position):
    """Change one bit of a byte on disk."""
    with file.open("r+b") as handle:
        handle.seek(position)
        (byte,) = handle.read(1)
        handle.seek(position)
        handle.write(bytes([byte ^ 16]))


def interrupted(folder, at):
    """A fill that ends where sample `at` would be computed."""

    def failing(start):
        for features, targets in rows(start):
            if targets[0] >= 2 * at:
                raise KeyboardInterrupt
            yield features, targets

    with pytest.raises(KeyboardInterrupt):
        get(FeatureCache(folder), compute=failing)


def test_what_changed_before_a_fill_goes_on_is_computed_again(tmp_path):
    """A bit that flips between a killed fill and the next costs the shards from there, and is not served."""
    interrupted(tmp_path, 600)
    (file,) = tmp_path.glob("features/*/features.bin")
    flip(file, 300 * 12 * 4 + 2)
    calls = []
    stored = get(FeatureCache(tmp_path), compute=lambda start: rows(start, calls))
    assert calls == [256]
    np.testing.assert_array_equal(everything(stored.arrays["features"])[:, 0, 0, 0], np.arange(COUNT))


def test_what_changes_during_a_fill_is_noticed(tmp_path):
    """A bit that flips in a finished shard while later ones are computed is an error when it is read."""

    def computed(start):
        for features, targets in rows(start):
            if targets[0] == 2 * 640:
                flip(next(tmp_path.glob("features/*/features.bin")), 300 * 12 * 4 + 2)
            yield features, targets

    stored = get(FeatureCache(tmp_path), compute=computed)
    with pytest.raises(OSError, match=r"features\.bin was changed in shard 1 .* remove the folder"):
        stored.__getitems__([300])


def test_an_unfinished_fill_without_checksums_begins_anew(tmp_path):
    """What nobody can vouch for is computed again: a fill that 0.1 left unfinished."""
    interrupted(tmp_path, 600)
    as_0_1_wrote_it(tmp_path)
    calls = []
    get(FeatureCache(tmp_path), compute=lambda start: rows(start, calls))
    assert calls == [0]


@pytest.mark.parametrize("place", [0, 5, 20, -3])
@pytest.mark.parametrize("bit", [1, 16, 128])
def test_damaged_marks_serve_no_wrong_sample(tmp_path, place, bit):
    """Whatever byte of `done` changes, samples are right, or reading them is an error."""
    get(FeatureCache(tmp_path))
    (done,) = tmp_path.glob("features/*/done")
    data = bytearray(done.read_bytes())
    data[place] ^= bit
    done.write_bytes(data)
    stored = get(FeatureCache(tmp_path))
    with contextlib.suppress(
        OSError
    ):  # a shard that was changed after it was written, as the tests below say
        features = everything(stored.arrays["features"])
        np.testing.assert_array_equal(features[:, 0, 0, 0], np.arange(COUNT))


@pytest.mark.parametrize("name", ["features.bin", "targets.bin"])
@pytest.mark.parametrize("sample", [0, 255, 256, 699])
def test_flipped_bit_is_noticed_when_its_shard_is_first_read(tmp_path, name, sample):
    """A bit that changed on disk is an error that names file and cure; other shards are read as ever."""
    get(FeatureCache(tmp_path))
    (file,) = tmp_path.glob(f"features/*/{name}")
    flip(file, sample * file.stat().st_size // COUNT + 3)
    stored = get(FeatureCache(tmp_path))
    other = (sample + 300) % COUNT
    assert stored.__getitems__([other])[1].tolist() == [2 * other]
    for _ in range(2):  # and whenever it is read again
        with pytest.raises(
            OSError, match=rf"{name} was changed in shard {sample // 256} .* remove the folder"
        ):
            stored.__getitems__([other, sample])


def test_truncation_under_a_reader_is_an_error(tmp_path):
    """A file that loses its end while it is read is an error, not a signal that ends the process."""
    stored = get(FeatureCache(tmp_path))
    everything(stored.arrays["features"])
    (file,) = tmp_path.glob("features/*/features.bin")
    os.truncate(file, 600 * 4 * 12 + 5)
    assert everything(stored.arrays["targets"])[699] == 1398
    with pytest.raises(OSError, match=r"features\.bin has lost sample 600"):
        stored.__getitems__([0, 600])


@pytest.fixture
def read_only(monkeypatch):
    """Folders in which nothing can be written."""

    def refuse(*_, **__):
        raise PermissionError(30, "Read-only file system")

    def begin():
        for place, name in ((cache, "FileLock"), (cache, "replace_text"), (cache.Path, "mkdir")):
            monkeypatch.setattr(place, name, refuse)

    return begin


def as_0_1_wrote_it(folder):
    """The cache's marks, without the checksums."""
    (done,) = folder.glob("features/*/done")
    done.write_text("".join(f"{number}\n" for number in range(len(done.read_text().splitlines()))))
    return done


@pytest.mark.parametrize("sealed", [True, False])
def test_filled_cache_is_used_where_nothing_can_be_written(tmp_path, read_only, sealed):
    """Everything is there, so nobody waits for a lock or needs a permission; an empty one is an error."""
    get(FeatureCache(tmp_path))
    if not sealed:
        as_0_1_wrote_it(tmp_path)
    read_only()
    stored = get(FeatureCache(tmp_path), compute=None)
    assert everything(stored.arrays["targets"]).tolist() == list(range(0, 2 * COUNT, 2))
    with pytest.raises(ValueError, match=r"cache\.dir: .* cannot be written .*Read-only file system"):
        get(FeatureCache(tmp_path), {"head": "b"})


def test_cache_without_checksums_gets_them(tmp_path):
    """One that an earlier release has filled is used, nothing is computed, and it is checked from then on."""
    get(FeatureCache(tmp_path))
    before = next(tmp_path.glob("features/*/done")).read_text()
    done = as_0_1_wrote_it(tmp_path)
    get(FeatureCache(tmp_path), compute=None)
    assert done.read_text() == before
