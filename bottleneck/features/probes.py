"""Gradient probes: what the tail says of small errors in a feature, asked once and kept beside the features.

    feature ──► frozen tail ──► logits, centred over the classes: z ──► v_k · z ──► g_k = ∂(v_k · z)/∂feature

The directions v_k are random and orthogonal to each other. Averaged over them,
(g_k · e)² is the squared change of z by an error e of the feature, to first order; as many of them as z has
free dimensions say it exactly.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bottleneck.devices import device_of
from bottleneck.features.cache import Batches, FeatureCache, StoredSamples
from bottleneck.features.shards import ArrayLayout
from bottleneck.features.sources import CachedFeatures, LiveFeatures
from bottleneck.identity import behaviour, digest, weights_identity
from bottleneck.splitting import SplitModel
from bottleneck.tasks import Task
from bottleneck.tasks.base import Logits

_SUBSETS = ("train", "select")  # what trains, and what is validated meanwhile
_CHANGES = "objective=probes, or warm_start.objective, "


def check_probes(count: int, task: Task, output: Any) -> None:
    """Refuse what cannot be probed, before features are computed.

    Args:
        count: Probes per sample.
        task: What the network's output is.
        output: What it returns for some images.

    Raises:
        ValueError: If the output is no logits, or these have fewer free dimensions than probes are wanted.
    """
    if not isinstance(task, Logits):
        raise ValueError(
            f"{_CHANGES}asks what changes the logits of images or pixels, and a network for {task.name} "
            "returns none. Use matching, or features with layers=[...] behind the cut."
        )
    if count > (free := _free_dimensions(output.shape[1:])):
        raise ValueError(
            f"probes={count}: {output.shape[1]} classes leave {free} free directions, which {free} probes "
            f"say all of. Use probes={free} or fewer."
        )


def with_probes(
    features: CachedFeatures | LiveFeatures,
    net: SplitModel,
    task: Task,
    cache: FeatureCache | None,
    count: int,
) -> CachedFeatures:
    """Features whose batches, of `train` and `select`, are `(features, targets, probes)`.

    Args:
        features: Of a split network.
        net: That network.
        task: What its output is.
        cache: Where probes are kept.
        count: How many for each sample, K. Probes have shape `(b, K, *feature)`, where a feature is what the
            tail takes.

    Raises:
        ValueError: If features are not cached, or there is no room for probes.
    """
    if cache is None or not isinstance(features, CachedFeatures):
        raise ValueError(
            f"{_CHANGES}needs features that are cached. Use cache.enabled=true, data.augment=false and a "
            "cut behind the input, or another objective."
        )
    tail = {
        "graph": net.tail.graph.code,
        "modules": str(net.tail),
        "weights": weights_identity(net.tail),
        "computes": digest(behaviour(net.tail, net.point.shape, torch.float32)),
        "split": net.point.name,
    }
    quicker = net.folded()
    layout = ArrayLayout((count, *net.point.shape), "float16")
    stores = dict(features.stores)
    for subset in _SUBSETS:
        known = features.stores[subset]
        kept = cache.get(
            {**tail, "features": known.key},
            len(known),
            {"probes": layout},
            partial(_probes, known, quicker, task, count, features.batch_size),
            f"Gradient probes of {subset} at {net.point.name}",
        )
        if kept is None:
            raise ValueError(
                f"{_CHANGES}keeps {len(known) * layout.sample_bytes / 1e9:.2f} GB of {subset}, which "
                f"{cache.root} does not hold. Use fewer probes= than {count}, a larger disk by cache.dir, or "
                "another objective."
            )
        stores[subset] = StoredSamples({**known.arrays, **kept.arrays}, kept.key)
    return CachedFeatures(stores, features.batch_size)


def directions(index: int, shape: tuple[int, ...], count: int) -> Tensor:
    """Random directions in which a sample's logits are probed, the same whenever they are asked for.

    Args:
        index: Which sample.
        shape: Of its logits, `(classes, ...)`.
        count: How many, at most as many as there are free dimensions.

    Returns:
        `(count, *shape)`, each centred over the classes, orthogonal to each other, of a length with which
        their mean square product with any centred logits is the logits' squared length.
    """
    drawn = np.random.default_rng(index).standard_normal((count, *shape))
    drawn -= drawn.mean(1, keepdims=True)
    orthonormal, _ = np.linalg.qr(drawn.reshape(count, -1).T)
    scaled = orthonormal.T * np.sqrt(_free_dimensions(shape))
    return torch.from_numpy(scaled.reshape(drawn.shape)).float()


def _free_dimensions(shape: tuple[int, ...]) -> int:
    """Of logits `(classes, ...)` that are centred over the classes."""
    return (shape[0] - 1) * int(np.prod(shape[1:]))


def _probes(
    known: StoredSamples, net: SplitModel, task: Task, count: int, batch_size: int, start: int
) -> Batches:
    """The gradients `(b, count, *feature)` of samples from `start` on, in order."""
    device = device_of(net)
    for first in range(start, len(known), batch_size):
        positions = list(range(first, min(first + batch_size, len(known))))
        given, targets = known.__getitems__(positions)
        feature = net.at_cut(given.to(device)).detach().requires_grad_()
        logits = net.tail(feature, task.sizes(task.headers(targets)))
        chosen = torch.stack([directions(index, tuple(logits.shape[1:]), count) for index in positions], 1)
        gradients = [
            torch.autograd.grad(logits, feature, along.to(logits), retain_graph=number + 1 < count)[0]
            for number, along in enumerate(chosen)
        ]
        yield (torch.stack(gradients, 1),)
