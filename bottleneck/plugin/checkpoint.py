"""The bottleneck in somebody's checkpoint: their `state_dict` stays theirs, key for key; one entry is ours.

In a training unit and loss are part of the module, so their tensors come with its `state_dict`, averaged
where a callback averages. They are moved out when a checkpoint is written, and back in when it is read.
"""

import copy
from collections.abc import Callable
from typing import Any

from bottleneck import codecs
from bottleneck.identity import UNIT_NAME
from bottleneck.plugin.hook import Hook
from bottleneck.training import checkpoint as entry
from bottleneck.training.averaging import FrozenTensors

_PREFIX = f"{UNIT_NAME}."


def put(
    checkpoint: dict[str, Any], hook: Hook, frozen: FrozenTensors | None, share: Callable[[Any], Any]
) -> None:
    """Move the bottleneck out of a checkpoint's `state_dict` into the entry.

    Args:
        checkpoint: As the callbacks leave it.
        hook: The bottleneck in training.
        frozen: The network's tensors as they were.
        share: Gives every process what the first has.
    """
    state, going_on = (checkpoint.get(name) for name in entry.STATES)
    assert state is not None, "Lightning's checkpoints have a state_dict"
    unit = copy.deepcopy(hook.unit)
    unit.load_state_dict(entry.tensors_below(state, f"{_PREFIX}unit."))
    codec = codecs.from_dict(share(hook.fitted_codec(unit).to_dict()))
    image = {
        "image_shape": list(hook.image.shape),
        "image_dtype": str(hook.image.dtype).removeprefix("torch."),
    }
    entry.put(checkpoint, hook.at, unit, codec, _PREFIX, **image)
    for name in [name for name in state if name.startswith(_PREFIX)]:
        del state[name]
    if frozen is not None:
        frozen.correct(state)
    if going_on is not None:  # its frozen tensors are those of `state`
        for name in [name for name in going_on if name in state]:
            del going_on[name]


def put_back(checkpoint: dict[str, Any], saved: entry.Saved, hook: Hook) -> None:
    """Move the bottleneck into a checkpoint's `state_dict`, as the hook's module expects it.

    Raises:
        ValueError: If the rate has learned other things than the hook's rate can.
    """
    learns, learned = set(hook.loss.rate.state_dict()), set(saved.rate)
    if learns != learned:
        raise ValueError(
            f"The checkpoint's rate has learned {sorted(learned)}, this plugin's learns {sorted(learns)}. "
            "Give the plugin the checkpoint's rate=."
        )
    state, going_on = (checkpoint.get(name) for name in entry.STATES)
    assert state is not None, "Lightning's checkpoints have a state_dict"
    if going_on is not None:
        checkpoint["current_model_state"] = {**state, **going_on}
    state |= saved.named(_PREFIX)
    hook.take(saved.channel.codec)
