"""What the rest of the project asks of a task, whatever its outputs and targets are.

tail ──► output ──┬──► loss(output, target)                 what training minimises against labels
                  ├──► metrics().update(output, target)     what results report
                  └──► scores(output, target) ──► interval  what each sample adds, hence how sure that is
"""

from typing import Any, Protocol

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from bottleneck.tasks.intervals import Interval


class Metrics(Protocol):
    """Accumulates batches, as torchmetrics' collections do."""

    def update(self, output: Any, target: Any) -> None: ...

    def compute(self) -> dict[str, Tensor]: ...

    def reset(self) -> None: ...


class Task(Protocol):
    """Loss, metrics and intervals; outputs and targets are batches as the tail and the data set make them.

    Attributes:
        name: What results call the task.
        metric: The metric that ranks operating points.
    """

    name: str
    metric: str

    def headers(self, target: Any) -> list[bytes]:
        """What crosses the channel beside each sample's feature, because the tail needs it."""

    def sizes(self, headers: list[bytes]) -> dict[str, Any]:
        """What the tail takes as `sizes` for a batch, from the headers that arrived."""

    def check_output(self, output: Any, image: Tensor) -> None:
        """Refuse a network that was made for other data.

        Args:
            output: What it returns for one image.
            image: That image, `(1, C, H, W)`.

        Raises:
            ValueError: If output and data set do not belong together; the message has the cure.
        """

    def loss(self, output: Any, target: Any) -> Tensor:
        """Loss of each sample of a batch, `(b,)`."""

    def divergence(self, output: Any, wanted: Any, temperature: float) -> Tensor:
        """How far an output is from the frozen network's, `(b,)`: 0 where they are the same.

        Args:
            output: Of a batch.
            wanted: What the frozen network says there.
            temperature: Larger: what it is not sure of counts for more.

        Raises:
            ValueError: If outputs of this task are nothing that can be compared.
        """

    def metrics(self, prefix: str = "", synchronised: bool = True) -> Any:
        """Fresh `Metrics` with values in [0, 1], `metric` among them; a module, so that it follows devices.

        Args:
            prefix: Put before the metrics' names.
            synchronised: Whether a distributed run computes them over all processes.
        """

    def scores(self, output: Any, target: Any) -> Tensor:
        """What each sample contributes to `metric`, `(b, ...)`; intervals are computed from these."""

    def sureness(self, output: Any) -> Tensor:
        """How sure the network is of each sample's answer, 0 to 1, `(b,)`; `(b, 0)`: it does not say."""

    def interval(self, scores: np.ndarray, value: float) -> Interval | None:
        """95 % interval of `metric` over samples, or `None` where none is known.

        Args:
            scores: All samples' scores, `(n, ...)`.
            value: The metric on them.
        """

    def drop_interval(self, reference: np.ndarray, scores: np.ndarray) -> Interval | None:
        """95 % interval of the metric lost between two outputs for the same samples; see `interval`."""


class Logits:
    """Part of tasks whose outputs are logits of images or of pixels, `(b, classes, ...)`."""

    def divergence(self, output: Tensor, wanted: Tensor, temperature: float) -> Tensor:
        """Kullback-Leibler divergence of softened distributions, times the temperature's square."""
        given, wanted = output / temperature, wanted / temperature
        found = F.kl_div(F.log_softmax(given, 1), F.softmax(wanted, 1), reduction="none").sum(1)
        return temperature**2 * (found.flatten(1).mean(1) if found.dim() > 1 else found)


class OneSize:
    """Part of tasks whose images all have one size, which both sides know."""

    def headers(self, target: Any) -> list[bytes]:
        return [b""] * len(target)

    def sizes(self, headers: list[bytes]) -> dict[str, Any]:
        return {}
