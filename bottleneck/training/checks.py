"""What no training of a unit may do, whoever starts it."""

from collections.abc import Iterable
from typing import Any


def check_trainer(precision: Any = None, callbacks: Iterable[Any] = ()) -> None:
    """Refuse settings of a Trainer that would change the frozen network.

    Args:
        precision: As Lightning's Trainer takes it; `None`: float32.
        callbacks: The Trainer's.

    Raises:
        ValueError: With what works instead.
    """
    precision = str(precision)
    if precision == "64" or (precision.endswith("-true") and precision != "32-true"):
        raise ValueError(
            f"trainer.precision={precision} would convert the frozen network too. Use bf16-mixed or 16-mixed."
        )
    for callback in callbacks:
        if any(base.__name__ == "StochasticWeightAveraging" for base in type(callback).__mro__):
            raise ValueError(
                "StochasticWeightAveraging computes the statistics of every BatchNorm anew, those of the "
                "frozen network included. Use EMAWeightAveraging, which averages what is trained alone."
            )
