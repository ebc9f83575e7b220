"""How sure a network has to be of its answer; needs nothing, so that a device without PyTorch asks it too."""


def check_sure(sure: float) -> None:
    """Refuse what is no probability.

    Raises:
        ValueError: If it is not above 0, and at most 1.
    """
    if not isinstance(sure, (int, float)) or not 0 < sure <= 1:
        raise ValueError(f"cascade.sure={sure} is no probability. Use above 0 and at most 1, such as 0.8.")
