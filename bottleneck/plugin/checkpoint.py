"""The bottleneck in somebody's checkpoints: all of it under one key, and nothing of it in their `state_dict`.

checkpoint["state_dict"]    their module's, key for key, as without the plugin
checkpoint["bottleneck"]    split point, unit options, weights, codec with its tables
"""

from typing import Any

from torch import Tensor

from bottleneck.identity import UNIT_NAME
from bottleneck.plugin.channel import Channel

_ENTRY = "bottleneck"


def put(checkpoint: dict[str, Any], channel: Channel) -> None:
    """Move the bottleneck out of a checkpoint's `state_dict` into an entry of its own."""
    for name in named_weights(channel):
        del checkpoint["state_dict"][name]
    checkpoint[_ENTRY] = channel.state()


def take(checkpoint: dict[str, Any], wanted: dict[str, Any]) -> Channel:
    """The bottleneck of a checkpoint.

    Args:
        checkpoint: As the Trainer has read it.
        wanted: Options that it must have; `auto` takes any.

    Raises:
        ValueError: If the checkpoint has no bottleneck, or one with other options.
    """
    if _ENTRY not in checkpoint:
        raise ValueError(
            "ckpt_path= names a checkpoint without a bottleneck. If it is that of your network, load it into "
            "the module before (load_from_checkpoint), and fit without ckpt_path."
        )
    saved = checkpoint[_ENTRY]
    found = {"at": saved["at"], "codec": saved["codec"]["name"], **saved["unit"]}
    different = [key for key, value in wanted.items() if value not in ("auto", found.get(key))]
    if different:
        raise ValueError(
            f"The checkpoint's bottleneck has { ({key: found.get(key) for key in different}) }, this plugin "
            f"{ ({key: wanted[key] for key in different}) }. Give the plugin the checkpoint's values."
        )
    return Channel.from_state(saved)


def named_weights(channel: Channel) -> dict[str, Tensor]:
    """The unit's weights under their names in the LightningModule."""
    return {f"{UNIT_NAME}.{name}": tensor for name, tensor in channel.unit.state_dict().items()}
