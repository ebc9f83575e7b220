"""Features instead of images: what a bottleneck is trained and measured on.

images ──► head (frozen) ──► features ──┬──► CachedFeatures: computed once, read from disk
                                        └──► LiveFeatures: computed for each batch
"""

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from bottleneck.data.base import SUBSETS, ImageData
from bottleneck.data.samples import SeededShuffle
from bottleneck.devices import device_of, moved
from bottleneck.features.cache import FeatureCache, StoredSamples
from bottleneck.features.shards import ArrayLayout
from bottleneck.identity import behaviour, digest, weights_identity
from bottleneck.splitting import SplitModel


class LiveFeatures(LightningDataModule):
    """Run the head on every batch of images, on the device that the batch is on.

    Args:
        images: The data set.
        net: The split network; only its head is used.
    """

    def __init__(self, images: ImageData, net: SplitModel):
        super().__init__()
        self.images = images
        self.net = net

    def train_dataloader(self) -> DataLoader[Any]:
        return self.images.train_dataloader()

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        return self.images.val_dataloader()

    def on_after_batch_transfer(
        self, batch: tuple[Tensor, Tensor], dataloader_idx: int
    ) -> tuple[Tensor, Tensor]:
        images, targets = batch
        self.net.head.to(images[0].device)
        with torch.no_grad():
            return head_output(self.net, images, targets)

    def batches(self, subset: str) -> Iterator[tuple[Tensor, Any]]:
        """`(features, targets)` of a subset in order, on the head's device.

        Images of different sizes come one by one, so that none is padded to another's size.
        """
        yield from _head_outputs(self.images, self.net, subset, 0)


class CachedFeatures(LightningDataModule):
    """Features of every subset from the cache.

    Args:
        stores: Stored features of each subset, with targets and what else batches have.
        batch_size: Features per batch.
    """

    def __init__(self, stores: dict[str, StoredSamples], batch_size: int):
        super().__init__()
        self.stores = stores
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        return self._loader("select", shuffle=False) if len(self.stores["select"]) else []

    def batches(self, subset: str) -> DataLoader[Any]:
        """`(features, targets)` of a subset in order, on the CPU."""
        return self._loader(subset, shuffle=False)

    def _loader(self, subset: str, shuffle: bool) -> DataLoader[Any]:
        store = self.stores[subset]
        return DataLoader(
            store,
            batch_size=self.batch_size,
            sampler=SeededShuffle(len(store)) if shuffle else None,
            drop_last=shuffle and len(store) % self.batch_size == 1,  # BatchNorm cannot train on one sample
            collate_fn=_as_gathered,
        )


def _as_gathered(batch: Any) -> Any:
    """`StoredSamples` gathers whole batches, so there is nothing to collate."""
    return batch


def features_of(
    images: ImageData, net: SplitModel, cache: FeatureCache | None
) -> CachedFeatures | LiveFeatures:
    """A data set's features at a split point, cached where that is possible.

    Without a cache, with randomly augmented images or with too little disk, the head runs on every batch.
    """
    if cache is not None and images.augmented:
        warnings.warn(
            "data.augment=true changes the images in every epoch, so their features cannot be cached: "
            "the head runs in every epoch.",
            stacklevel=2,
        )
        cache = None
    if cache is None or images.target_layout is None:
        return LiveFeatures(images, net)

    head = {
        "graph": net.head.code,
        "modules": str(net.head),
        "weights": weights_identity(net.head),
        "computes": digest(behaviour(net.head, images.image_shape)),
        "split": net.entry.name,
        "input": list(images.image_shape),
    }
    stores: dict[str, StoredSamples] = {}
    for subset in SUBSETS:
        stored = cache.get(
            {**head, "images": images.fingerprint(subset)},
            images.count(subset),
            {
                "features": ArrayLayout(net.entry.shape, cache.dtype),
                "targets": ArrayLayout(*images.target_layout),
            },
            partial(_head_outputs, images, net, subset),
            f"Features of {subset} at {net.entry.name}",
        )
        if stored is None:  # the head runs in every epoch
            return LiveFeatures(images, net)
        stores[subset] = stored
    return CachedFeatures(stores, images.batch_size)


@torch.no_grad()
def _head_outputs(
    images: ImageData, net: SplitModel, subset: str, start: int
) -> Iterator[tuple[Tensor, Any]]:
    """The head's outputs for a subset's samples from `start` on, in order."""
    samples = images.subset(subset)
    device = device_of(net)
    loader = DataLoader(
        Subset(samples, range(start, len(samples))),
        images.batch_size,
        num_workers=images.num_workers,
        collate_fn=images.collate,
    )
    for batch, targets in loader:
        batch = moved(batch, device)
        if isinstance(batch, list) and len({image.shape for image in batch}) > 1:
            for image, target in zip(batch, targets, strict=True):
                yield head_output(net, [image], [target])
        else:
            yield head_output(net, batch, targets)


def head_output(net: SplitModel, images: Any, targets: Any) -> tuple[Tensor, Any]:
    """What the head makes of a batch, and its targets.

    A list of images, which may have different sizes, leaves the sizes that cross the cut in each target.
    """
    if isinstance(images, list):
        (sizes,) = net.sizes(images).values()
        targets = [{**target, "sizes": sizes.of(index)} for index, target in enumerate(targets)]
        if len({image.shape for image in images}) == 1:
            images = torch.stack(images)
    feature = net.head(images)  # in half precision, units and codecs around it are not
    return (feature.float() if feature.is_floating_point() else feature), targets
