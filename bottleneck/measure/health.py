"""What may be wrong with a trained channel whose row looks like any other."""

import math

from torch import nn

from bottleneck.measure.results import Result

_INTEGER_BITS = 32  # of a symbol as it is


def divergence(*trained: nn.Module) -> str | None:
    """Where modules that were trained hold no numbers, and the cure, or `None`. No bundle of such is read."""
    broken = [
        name
        for module in trained
        for name, tensor in module.state_dict().items()
        if not bool(tensor.isfinite().all())
    ]
    if not broken:
        return None
    return (
        f"its training diverged, NaN or infinity is in {len(broken)} of its tensors, such as {broken[0]}: "
        "lower the optimizer's lr (optimizer.lr)"
    )


def ailment(row: Result, *trained: nn.Module) -> str | None:
    """What is wrong with a trained channel that is of no use at all, and its cure, or `None`.

    Args:
        row: Measured through real bytes.
        trained: Its unit, and what was trained with it.
    """
    if (why := divergence(*trained)) is not None:
        return why
    if not math.isfinite(row.value):
        return "its training diverged (NaN): lower the optimizer's lr (optimizer.lr), or raise unit.step"
    if row.payload_bytes is not None and row.payload_bytes <= 1:
        return "it sends nothing, every latent is zero: lower unit.step, raise alpha, or train longer"
    # An escape takes more than the integer that follows it, and nothing that codes takes as much.
    if row.bits_per_element is not None and row.bits_per_element > _INTEGER_BITS:
        return (
            f"its symbols exploded, {row.bits_per_element:.1f} bits for each, where an integer has "
            f"{_INTEGER_BITS}: raise unit.step, or lower the optimizer's lr (optimizer.lr)"
        )
    return None


def guesses(row: Result, chance: float) -> str | None:
    """Why a trained channel only guesses where the frozen network does not, and its cure, or `None`.

    Args:
        row: Measured through real bytes.
        chance: What guessing reaches.
    """
    # What guessing reaches by luck, one time in forty.
    lucky = chance + 2 * math.sqrt(chance * (1 - chance) / row.n)
    if row.value <= lucky < row.baseline:
        return (
            f"its {row.metric} of {row.value:.3f} is that of guessing: raise alpha or "
            "unit.latent_channels, or train longer"
        )
    return None
