"""A hook that fits somebody's module: unit, loss and codec for the feature behind the split point."""

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bottleneck import codecs
from bottleneck.loss import OperatingPoint
from bottleneck.plugin.hook import Hook
from bottleneck.plugin.network import surroundings
from bottleneck.plugin.probe import probe
from bottleneck.unit import build, unit_class


def new_hook(trainer: Any, module: Any, at: str, point: OperatingPoint, example: Tensor | None) -> Hook:
    """An untrained hook.

    Args:
        trainer: About to train the module, which is moved to its device.
        module: Somebody's; it is run once, up to the split point.
        at: The split point's name.
        point: What is to be trained.
        example: A batch of images as the module's `forward` takes it; `None`: the first training batch goes
            through `training_step`.

    Raises:
        ValueError: If the module does not run, or the unit takes no such feature.
    """
    device = trainer.strategy.root_device
    module.to(device)
    run = first_step(trainer, module) if example is None else functools.partial(module, example.to(device))
    with trainer.precision_plugin.train_step_context():
        feature, image = probe(module, at, run)
    black = torch.zeros(image.shape, dtype=torch.uint8 if image.dtype == torch.uint8 else torch.float32)
    around = surroundings(module, at, black, tuple(feature.shape[1:]))
    unit = unit_class(point.kind).from_features(feature.float(), around.layout, **point.unit)
    if around.network is None:
        problem = f"This bottleneck can be trained, but not exported: {around.problem}"
        warnings.warn(problem, stacklevel=2)
    # Processes see different batches, and whether any feature is negative decides an activation.
    unit = build(trainer.strategy.broadcast(unit.options))
    return Hook(at, point, unit, codecs.create(shape=unit.latent_shape, **point.codec), black)


def first_step(trainer: Any, module: Any) -> Callable[[], Any]:
    """The module's `training_step` on the first training batch, as the Trainer would call it.

    Raises:
        ValueError: If there is no training batch.
    """
    loop = trainer.fit_loop
    loop.setup_data()
    if not loop.max_batches:
        raise ValueError("There is no training batch to learn the feature's size from. Pass example=.")
    batch, *_ = next(loop._data_fetcher)
    iter(loop._data_fetcher)  # training begins with the first batch all the same
    batch = trainer.precision_plugin.convert_input(batch)
    batch = module._on_before_batch_transfer(batch)
    batch = trainer.strategy.batch_to_device(batch)
    try:
        inspect.signature(module.training_step).bind(batch, 0)
    except TypeError:
        return lambda: module.training_step(batch)
    return lambda: module.training_step(batch, 0)
