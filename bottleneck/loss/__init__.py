"""What training minimises: `rate + alpha * task`, for every sample.

`rates.py` has what is paid for a latent, `objectives.py` what is weighed against it, `total.py` their sum,
`point.py` the settings of one training.
"""

from bottleneck.loss.objectives import Objective, Passage
from bottleneck.loss.point import OperatingPoint
from bottleneck.loss.rates import L1Rate, NoRate, Rate
from bottleneck.loss.total import Loss, Terms, check_alpha

__all__ = [
    "L1Rate",
    "Loss",
    "NoRate",
    "Objective",
    "OperatingPoint",
    "Passage",
    "Rate",
    "Terms",
    "check_alpha",
]
