"""The bottleneck in a checkpoint: one entry, whoever has trained it.

checkpoint["bottleneck"]    at               the split point's name
                            unit, weights    its options, and its tensors (averaged where a callback averages)
                            codec            with its tables
                            rate             what the rate has learned
                            ...              what else the writer knows, such as the image's shape

A module that trains a bottleneck has the unit as `unit` and the loss as `loss`, below some prefix. The entry
shares their tensors with the checkpoint's `state_dict`, so that nothing is stored twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from bottleneck import codecs
from bottleneck.channel import Channel
from bottleneck.codecs import Codec
from bottleneck.unit import Unit, build

ENTRY = "bottleneck"
#: Where checkpoints keep a module's tensors. With an averaging callback the first has the averages, and the
#: second what training goes on from.
STATES = ("state_dict", "current_model_state")

State = dict[str, Tensor]


@dataclass
class Saved:
    """The bottleneck of a checkpoint.

    Attributes:
        at: The split point's name.
        channel: Unit and codec.
        rate: What the rate has learned.
        about: What else the writer knew.
    """

    at: str
    channel: Channel
    rate: State
    about: dict[str, Any]

    @property
    def unit(self) -> Unit:
        """The channel's."""
        assert self.channel.unit is not None
        return self.channel.unit

    def named(self, prefix: str) -> State:
        """Every tensor under its name in a module that trains the bottleneck below a prefix."""
        parts = {f"{prefix}unit.": self.unit.state_dict(), f"{prefix}loss.rate.": self.rate}
        return {f"{part}{name}": tensor for part, state in parts.items() for name, tensor in state.items()}

    def check(self, wanted: Mapping[str, Any]) -> None:
        """Refuse another bottleneck than the wanted one.

        Args:
            wanted: `at`, `codec` (its name) and options of the unit; `auto` takes any.

        Raises:
            ValueError: With what differs.
        """
        found = {"at": self.at, "codec": self.channel.codec.name, **self.unit.options}
        different = [key for key in wanted if key in found and wanted[key] not in ("auto", found[key])]
        if different:
            raise ValueError(
                f"The checkpoint's bottleneck has { ({key: found[key] for key in different}) }, this "
                f"training { ({key: wanted[key] for key in different}) }. Give it the checkpoint's values."
            )


def tensors_below(state: Mapping[str, Tensor], prefix: str) -> State:
    """The tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def put(
    checkpoint: dict[str, Any], at: str, unit: Unit, codec: Codec, prefix: str = "", **about: Any
) -> None:
    """Write the entry.

    Args:
        checkpoint: Its `state_dict` has the tensors of unit and loss, below the prefix.
        at: The split point's name.
        unit: Whose options are kept.
        codec: What makes the bytes.
        prefix: Of the module that has the unit and the loss.
        about: What else is worth knowing, plain values.
    """
    state = checkpoint["state_dict"]
    checkpoint[ENTRY] = {
        "at": at,
        "unit": unit.options,
        "weights": tensors_below(state, f"{prefix}unit."),
        "codec": codec.to_dict(),
        "rate": tensors_below(state, f"{prefix}loss.rate."),
        **about,
    }


def take(checkpoint: Mapping[str, Any]) -> Saved:
    """Read the entry.

    Raises:
        ValueError: If there is none; the message says what the checkpoint is instead.
    """
    if ENTRY not in checkpoint:
        if any(name.startswith("unit.") for name in checkpoint["state_dict"]):
            raise ValueError(
                "The checkpoint is one of train in release 0.1: it does not say what its weights are of. "
                "Resume its training with ckpt_path= to write it anew."
            )
        raise ValueError(
            "ckpt_path= names a checkpoint without a bottleneck. If it is that of your network, load it into "
            "the module before (load_from_checkpoint), and fit without ckpt_path."
        )
    about = dict(checkpoint[ENTRY])
    unit = build(about.pop("unit"))
    unit.load_state_dict(about.pop("weights"))
    channel = Channel(codecs.from_dict(about.pop("codec")), unit.eval())
    # The plugin of 0.1 kept nothing of its rate, which learned nothing.
    return Saved(about.pop("at"), channel, about.pop("rate", {}), about)
