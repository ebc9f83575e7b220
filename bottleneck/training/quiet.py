"""What Lightning says that tells nobody anything about the training of a bottleneck."""

import logging
import warnings

#: Cached features need no workers, the frozen network stays in eval mode, nothing may be held out.
_MEANT = (
    "The '.*dataloader' does not have many workers",
    "Found .* in eval mode",
    "Total length of `list` across ranks is zero",
)


def quiet() -> None:
    """Leave out greetings, advertisements and advice that does not apply; warnings of consequence stay."""
    # Both packages share one logger, which the one imported last names.
    for package in ("pytorch_lightning", "lightning.pytorch"):
        for name in (package, f"{package}.utilities.rank_zero"):
            logging.getLogger(name).setLevel(logging.WARNING)
    # Lightning 2.6 still asks PyTorch in a way that PyTorch 2.15 deprecates.
    warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", FutureWarning)
    for text in _MEANT:
        warnings.filterwarnings("ignore", text, UserWarning)
