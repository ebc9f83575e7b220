"""Networks that the package makes itself, so that everything runs offline.

Each is trained on embedded data when it is first asked for, and cached.
"""

from bottleneck.models.embedded.detector import SCENES_DETECTOR
from bottleneck.models.embedded.digits import DIGITS
from bottleneck.models.embedded.first_use import Embedded
from bottleneck.models.embedded.segmenter import SCENES_SEGMENTER

#: By the name that `bottleneck.models.create` takes.
EMBEDDED: dict[str, Embedded] = {
    **DIGITS,
    "scenes_detector": SCENES_DETECTOR,
    "scenes_segmenter": SCENES_SEGMENTER,
}

__all__ = ["EMBEDDED", "Embedded"]
