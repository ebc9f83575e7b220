"""What the plugin needs from a Trainer before training: a setting that it can work in, and one batch."""

import difflib
import inspect
from collections.abc import Callable
from typing import Any


def check_training(trainer: Any, module: Any) -> None:
    """Refuse settings in which the plugin cannot train.

    Raises:
        ValueError: For manual optimization, whole-network precisions, and strategies that shard the network
            or fork the process; the message has what works.
    """
    name = type(module).__name__
    if not module.automatic_optimization:
        raise ValueError(
            f"{name} optimizes manually (automatic_optimization=False), so the rate cannot be added to its "
            "loss. Use automatic optimization, or train a bottleneck.BottleneckUnit in your own loop."
        )
    precision = str(trainer.precision)
    if precision.endswith("-true") and precision != "32-true":
        raise ValueError(
            f"Trainer(precision={precision!r}) would convert the frozen network too. "
            "Use 'bf16-mixed' or '16-mixed'."
        )
    strategy = type(trainer.strategy).__name__
    spawned = getattr(trainer.strategy, "_start_method", "popen") != "popen"
    if spawned or strategy in ("FSDPStrategy", "DeepSpeedStrategy", "ModelParallelStrategy"):
        raise ValueError(
            f"The plugin does not work with {strategy}{' in spawned processes' if spawned else ''}. "
            "Use one device, or strategy='ddp' from a script."
        )


def check_name(module: Any, at: str) -> None:
    """Refuse a name that is no submodule.

    Raises:
        ValueError: With similar names.
    """
    names = [name for name, _ in module.named_modules() if name]
    try:
        module.get_submodule(at)
    except AttributeError as error:
        similar = difflib.get_close_matches(at, names, n=5, cutoff=0.3) or names[:5]
        raise ValueError(
            f"at={at!r} is no submodule of {type(module).__name__}. Similar names: {similar}."
        ) from error
    if not at:
        raise ValueError(f"at='' is the whole module. Name one of its submodules: {names[:5]}.")


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
