"""The scans of handwritten digits that come with scikit-learn, and their split; loads no training stack."""

import numpy as np

from bottleneck.data.stratify import stratified_order

VAL_SAMPLES = 500  # there is no official split; this one is fixed, stratified, and leaves 1,297 to train on


def scans(part: str) -> tuple[np.ndarray, np.ndarray]:
    """The scans of a part, `train` or `val`: grey levels 0 (paper) to 16 (ink), and what they show.

    Returns:
        Pixels, uint8, shape ``(n, 1, 8, 8)``, and classes, integers, shape ``(n,)``.

    Source: scikit-learn's ``load_digits``, the test set of Alpaydin and Kaynak, UCI repository, 1998.
    """
    from sklearn.datasets import load_digits  # here, because other data sets should not wait for it

    digits = load_digits()
    order = stratified_order(digits.target)
    chosen = np.sort(order[:VAL_SAMPLES] if part == "val" else order[VAL_SAMPLES:])
    return digits.images[chosen].astype(np.uint8)[:, np.newaxis], digits.target[chosen]
