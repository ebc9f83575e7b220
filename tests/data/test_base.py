"""What every data set promises: settled subsets, labels without decoding, honest fingerprints."""

import pickle
import subprocess
import sys

import numpy as np
import PIL
import pytest
import pytorch_lightning
import torch
import torchvision
from torch.utils.data import SequentialSampler

from bottleneck.data import Digits, ImageData
from bottleneck.data.base import SUBSETS
from bottleneck.data.samples import Part, SeededShuffle


class Numbered(ImageData):
    """Single grey pixels that hold the sample's index; class 0 is three times as frequent as class 1."""

    name = "numbered"
    image_shape = (1, 1, 1)
    num_classes = 2
    version = "1"

    def read_part(self, part):
        labels = np.array([0, 0, 1, 0] * (50 if part == "train" else 20))
        return Part([(np.full((1, 1, 1), i, np.uint8), label) for i, label in enumerate(labels)], labels)

    def sample_version(self, part, index):
        return self.version


class Unreadable(Numbered):
    """A data set that is not there."""

    def read_part(self, part):
        raise FileNotFoundError("no data here")


def members(data: ImageData, name: str) -> list[int]:
    return [image.item() for image, _ in data.subset(name)]


@pytest.mark.parametrize("data", [Digits(), Numbered()])
@pytest.mark.parametrize("name", SUBSETS)
def test_samples_are_uint8_images_with_int_labels(data, name):
    """Every subset yields uint8 tensors of the stated shape with plain int labels below the class count."""
    subset = data.subset(name)
    for position in (0, len(subset) - 1):
        image, label = subset[position]
        assert image.dtype == torch.uint8
        assert tuple(image.shape) == data.image_shape
        assert type(label) is int
        assert 0 <= label < data.num_classes


def test_select_is_held_out_of_train():
    """Train and select share no sample and together are the official train part, in the stated shares."""
    train, select = members(Numbered(holdout=0.2), "train"), members(Numbered(holdout=0.2), "select")
    assert sorted(train + select) == list(range(200))
    assert len(select) == 40
    assert train == sorted(train)
    assert select == sorted(select)
    assert np.bincount(Numbered(holdout=0.2).targets("select")).tolist() == [30, 10]


def test_select_does_not_depend_on_the_run():
    """Select is the same whatever the run's seed, its limit on training samples, or what was asked before."""
    first = Numbered()
    expected = members(first, "select")
    pytorch_lightning.seed_everything(7, verbose=False)
    other = Numbered(train_limit=5)
    members(other, "train")
    assert members(other, "select") == expected == members(first, "select")


@pytest.mark.parametrize(("holdout", "size"), [(0, 0), (0.001, 1), (0.5, 100)])
def test_holdout_sizes(holdout, size):
    """A hold-out of zero is empty, and any other holds at least one sample."""
    data = Numbered(holdout=holdout)
    assert len(data.subset("select")) == len(data.targets("select")) == size
    assert len(data.subset("train")) == 200 - size


def test_limits_are_stratified_and_nested():
    """A limit takes that many samples in the proportion of the classes, and a larger limit keeps them all."""
    data = Numbered(train_limit=40, val_limit=8)
    assert [np.bincount(data.targets(name)).tolist() for name in SUBSETS] == [[30, 10], [6, 2], [6, 2]]
    larger = Numbered(train_limit=41, val_limit=9)
    for name in SUBSETS:
        assert set(members(data, name)) < set(members(larger, name))


def test_limit_beyond_the_data_means_all():
    """A limit above the number of samples takes every one."""
    data = Numbered(train_limit=10_000, val_limit=10_000)
    assert [len(data.subset(name)) for name in SUBSETS] == [180, 20, 80]


@pytest.mark.parametrize("name", SUBSETS)
def test_targets_are_the_labels_in_order(name):
    """Targets are the labels of the samples, one for one, as int64."""
    data = Digits(val_limit=30)
    targets = data.targets(name)
    assert targets.dtype == np.int64
    assert targets.tolist() == [label for _, label in data.subset(name)]


def test_nothing_is_read_before_it_is_asked_for():
    """A data set that is missing can be constructed and described, and complains on setup."""
    data = Unreadable()
    assert (data.name, data.image_shape, data.num_classes) == ("numbered", (1, 1, 1), 2)
    assert (data.preprocessing, data.augmented) == ({}, False)
    with pytest.raises(FileNotFoundError, match="no data here"):
        data.setup("fit")


def test_parts_are_read_once():
    """Each official part is read once, however often its subsets are asked for."""
    data = Numbered()
    data.setup()
    data.read_part = pytest.fail
    for name in SUBSETS:
        data.subset(name), data.targets(name), data.fingerprint(name)


@pytest.mark.slow
def test_fingerprint_is_equal_in_another_process():
    """Another process, with another hash seed, computes the same fingerprint."""
    code = "from bottleneck.data import Digits; print(Digits().fingerprint('select'), end='')"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout == Digits().fingerprint("select")


def test_fingerprint_tells_subsets_apart():
    """No two subsets, nor a subset and a smaller draw of it, have the same fingerprint."""
    prints = [
        Numbered(**options).fingerprint(name)
        for options in ({}, {"train_limit": 9, "val_limit": 9})
        for name in SUBSETS
    ]
    assert len(set(prints)) == 6


def test_fingerprint_changes_with_stored_samples(monkeypatch):
    """A changed sample or label changes the fingerprint."""
    before = Numbered().fingerprint("val")
    monkeypatch.setattr(Numbered, "version", "2")
    changed = Numbered().fingerprint("val")
    data = Numbered()
    data.setup()
    data._parts["val"].labels[:] = 1
    assert len({before, changed, data.fingerprint("val")}) == 3


@pytest.mark.parametrize("library", [torchvision, PIL])
def test_fingerprint_changes_with_the_transform(library, monkeypatch):
    """Another preprocessing, or another version of the library that does it, changes the fingerprint."""
    before = Numbered().fingerprint("val")
    monkeypatch.setattr(library, "__version__", "0.0")
    with_other_library = Numbered().fingerprint("val")
    monkeypatch.undo()
    monkeypatch.setattr(Numbered, "preprocessing", {"short_side": 2})
    assert len({before, with_other_library, Numbered().fingerprint("val")}) == 3


def test_loaders():
    """Only train is shuffled; every loader yields its whole subset, the last smaller batch included."""
    data = Numbered(batch_size=32)
    loaders = [data.train_dataloader(), data.val_dataloader(), data.test_dataloader()]
    for loader, name, sampler in zip(
        loaders, SUBSETS, (SeededShuffle, SequentialSampler, SequentialSampler), strict=True
    ):
        assert isinstance(loader.sampler, sampler)
        batches = list(loader)
        assert [len(labels) for _, labels in batches[:-1]] == [32] * (len(batches) - 1)
        images = torch.cat([images for images, _ in batches]).flatten().tolist()
        assert sorted(images) == members(data, name)
    assert next(iter(loaders[0]))[0].flatten().tolist() != members(data, "train")[:32]


class Counting(pytorch_lightning.LightningModule):
    """Counts the images of each stage."""

    automatic_optimization = False

    def __init__(self):
        super().__init__()
        self.seen = {"train": 0, "select": 0, "val": 0}

    def training_step(self, batch):
        self.seen["train"] += len(batch[1])

    def validation_step(self, batch):
        self.seen["select"] += len(batch[1])

    def test_step(self, batch):
        self.seen["val"] += len(batch[1])

    def configure_optimizers(self):
        return None


@pytest.mark.filterwarnings("ignore:.*(many workers|configure_optimizers)")  # as this test wants them
@pytest.mark.filterwarnings("ignore:Total length of `list`")  # how Lightning greets an empty select
@pytest.mark.parametrize(("holdout", "seen"), [(0.1, [180, 20, 80]), (0, [200, 0, 80])])
def test_lightning_trains_selects_and_tests(holdout, seen, tmp_path):
    """A Trainer sees train, select and val once in an epoch, and skips an empty select."""
    trainer = pytorch_lightning.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, num_sanity_val_steps=0,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path, log_every_n_steps=1,
    )  # fmt: skip
    model, data = Counting(), Numbered(holdout=holdout)
    trainer.fit(model, data)
    trainer.test(model, data, verbose=False)
    assert list(model.seen.values()) == seen


def test_data_sets_cross_processes():
    """A data set, read or not, and its subsets can be pickled, as spawned workers need."""
    data = Digits()
    for copy in (pickle.loads(pickle.dumps(data)), data):
        copy.setup()
        again = pickle.loads(pickle.dumps(copy))
        assert again.fingerprint("val") == data.fingerprint("val")
    image, label = pickle.loads(pickle.dumps(data.subset("val")))[3]
    assert torch.equal(image, data.subset("val")[3][0])
    assert label == data.targets("val")[3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "data.batch_size=0 is not a batch"),
        ({"holdout": 1.0}, "data.holdout=1.0 is no share"),
        ({"holdout": -0.1}, "data.holdout=-0.1 is no share"),
        ({"train_limit": 0}, "data.train_limit=0 is no number of samples"),
        ({"val_limit": -3}, "data.val_limit=-3 is no number of samples"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    """A number out of its range is refused at construction, by its configuration key."""
    with pytest.raises(ValueError, match=message):
        Numbered(**options)


def test_holdout_must_leave_something():
    """A hold-out that would take every training sample is refused when the data are read."""
    with pytest.raises(ValueError, match=r"data.holdout=0.999 of 200 training images leaves none"):
        Numbered(holdout=0.999).setup()


def test_unknown_subset_is_refused():
    """An unknown subset is refused with the names that exist."""
    with pytest.raises(ValueError, match=r"no subset 'test'. Choose one of 'train', 'select', 'val'"):
        Digits().subset("test")
