"""What may be wrong with a trained channel whose row looks like any other."""

import math

from bottleneck.measure.results import Result


def ailment(row: Result) -> str | None:
    """What is wrong with a trained channel that is of no use at all, and its cure, or `None`."""
    if not math.isfinite(row.value):
        return "its training diverged (NaN): lower the optimizer's lr, or raise unit.step"
    if row.payload_bytes is not None and row.payload_bytes <= 1:
        return "it sends nothing, every latent is zero: lower unit.step, raise alpha, or train longer"
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
