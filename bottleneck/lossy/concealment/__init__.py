"""What is put where elements are missing: objects that are fitted on training samples, then fill gaps.

Zero           nothing, as no method at all                         `zero`
ChannelMean    the channel's mean, which the device sends along     `channel-mean`
DataSetMean    the element's mean over the training samples         `mean`
Hybrid         that, moved to the channel's mean of this sample     `hybrid`
Spatial        what the neighbours in the channel deviate by        `spatial`
Correlated     an affine copy of the channel that resembles it most `correlated`
Previous       the last sample                                      `previous`
RunningMean    the mean of the last ones                            `running-mean`
MotionCompensated  the last one, moved as what arrived has moved    `motion`
LowRank        the matrix of least rank; a slow reference           `low-rank`
"""

from bottleneck.lossy.concealment.base import Concealment
from bottleneck.lossy.concealment.completion import LowRank
from bottleneck.lossy.concealment.correlated import Correlated
from bottleneck.lossy.concealment.means import ChannelMean, DataSetMean, Hybrid, Zero
from bottleneck.lossy.concealment.spatial import Spatial
from bottleneck.lossy.concealment.temporal import MotionCompensated, Previous, RunningMean

__all__ = [
    "CONCEALMENTS",
    "ChannelMean",
    "Concealment",
    "Correlated",
    "DataSetMean",
    "Hybrid",
    "LowRank",
    "MotionCompensated",
    "Previous",
    "RunningMean",
    "Spatial",
    "Zero",
    "create",
]

#: Concealments by their name.
CONCEALMENTS: dict[str, type[Concealment]] = {
    each.name: each
    for each in (
        Zero,
        ChannelMean,
        DataSetMean,
        Hybrid,
        Spatial,
        Correlated,
        Previous,
        RunningMean,
        MotionCompensated,
        LowRank,
    )
}


def create(name: str) -> Concealment:
    """A concealment by name, not yet fitted.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in CONCEALMENTS:
        raise ValueError(f"concealment={name!r} is unknown. Choose one of {', '.join(CONCEALMENTS)}.")
    return CONCEALMENTS[name]()
