"""Settings in which the plugin cannot train, found before anything has begun."""

import difflib
from typing import Any

from bottleneck.training.averaging import averaging
from bottleneck.training.checks import check_trainer


def check_training(trainer: Any, module: Any, plugin: Any) -> None:
    """Refuse a Trainer in which the plugin cannot train a module.

    Raises:
        ValueError: For manual optimization, whole-network precisions, strategies that shard the network or
            fork the process, and averaging callbacks that cannot work; the message has what works.
    """
    check_trainer(trainer.precision, trainer.callbacks)
    if not module.automatic_optimization:
        raise ValueError(
            f"{type(module).__name__} optimizes manually (automatic_optimization=False), so the rate cannot "
            "be added to its loss. Use automatic optimization, or train a BottleneckUnit in your own loop."
        )
    strategy = type(trainer.strategy).__name__
    spawned = getattr(trainer.strategy, "_start_method", "popen") != "popen"
    if spawned or strategy in ("FSDPStrategy", "DeepSpeedStrategy", "ModelParallelStrategy"):
        raise ValueError(
            f"The plugin does not work with {strategy}{' in spawned processes' if spawned else ''}. "
            "Use one device, or strategy='ddp' from a script."
        )
    before = trainer.callbacks[: trainer.callbacks.index(plugin)]
    for callback in averaging(before):
        name = type(callback).__name__
        raise ValueError(
            f"{name} has copied the module before the unit was in it. Put the plugin in front: "
            f"callbacks=[BottleneckPlugin(...), {name}(...)]."
        )


def check_name(module: Any, at: str) -> None:
    """Refuse a name that is no submodule.

    Raises:
        ValueError: With similar names.
    """
    names = [name for name, _ in module.named_modules(remove_duplicate=False) if name]
    if not at:
        raise ValueError(f"at='' is the whole module. Name one of its submodules: {names[:5]}.")
    if at not in names:
        similar = difflib.get_close_matches(at, names, n=5, cutoff=0.3) or names[:5]
        raise ValueError(f"at={at!r} is no submodule of {type(module).__name__}. Similar names: {similar}.")
