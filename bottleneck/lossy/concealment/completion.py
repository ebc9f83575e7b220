"""Completion to a matrix of low rank, channels by places: what all that arrived says together, slowly.

Deviations from the data set's means are completed, so what nothing is known of is its mean.

Source: Mazumder, Hastie and Tibshirani, "Spectral regularization algorithms for learning large incomplete
matrices" (soft-impute), JMLR 2010; as a reference for features: Bragilevsky and Bajić, "Tensor completion
methods for collaborative intelligence", IEEE Access 2020.
"""

import numpy as np
from numpy.typing import NDArray

from bottleneck.lossy.concealment.base import Array
from bottleneck.lossy.concealment.means import DataSetMean

_STEPS = 40
_SHRINKAGE = (0.3, 0.03)  # of singular values, as shares of the largest, in the first and the last step


class LowRank(DataSetMean):
    """Soft-impute, its threshold coming down; some hundred times slower than the others."""

    name = "low-rank"

    def guess(self, array: Array, mask: NDArray[np.bool_], side: bytes) -> Array:
        known = mask.reshape(len(array), -1)
        given = np.where(known, (array - self.mean).reshape(known.shape), 0).astype(np.float32)
        completed = given
        for share in np.geomspace(*_SHRINKAGE, _STEPS):
            left, values, right = np.linalg.svd(np.where(known, given, completed), full_matrices=False)
            completed = (left * (values - share * values[:1]).clip(0)) @ right
        return self.mean + completed.reshape(array.shape)
