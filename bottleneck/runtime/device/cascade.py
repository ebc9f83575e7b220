"""What is sent where the server is not sure of its answer: the picture, for the whole network.

    latent ──► answer, and how sure of it ──► sure: done
                                         └──► not: the same frame's picture ──► answer

Source: see `bottleneck.measure.cascade`, which measures how many bytes that takes.
"""

from collections.abc import Mapping
from typing import Any

from bottleneck.measure.sureness import check_sure
from bottleneck.runtime.device.frames import Underway
from bottleneck.runtime.device.line import Line
from bottleneck.runtime.device.routes import Route, picture
from bottleneck.runtime.messages import Result


class Cascade:
    """When a frame is sent again, and how.

    Args:
        sure: Probability of the answer below which it is.
        codec: What makes the picture: a codec's name and options.

    Attributes:
        route: The picture's.

    Raises:
        ValueError: If `sure` is no probability.
    """

    def __init__(self, sure: float, codec: Mapping[str, Any]):
        check_sure(sure)
        self._sure = sure
        self.route = picture(codec)

    def asks(self, route: Route, answer: Any) -> bool:
        """Whether an answer to what was sent on a route is too unsure; one to a picture never is."""
        if route.codec is not None or not isinstance(answer, dict) or not answer.get("top"):
            return False
        return bool(answer["top"][0]["score"] < self._sure)

    def goes_on(self, frame: Underway, result: Result, line: Line) -> bool:
        """Whether a frame's picture is to be sent next: its answer is not sure, and the server has loaded."""
        if not self.asks(frame.route, result.answer):
            return False
        if line.number(self.route) is None:
            line.prepare(self.route)
            return False
        frame.further(result, self.route)
        return True
