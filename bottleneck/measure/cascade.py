"""A cascade: a small payload first, a better one where the server is not sure of what it made of that.

    device ── small payload ──► server ── sure ───────────────► its answer
       ▲                          └────── not sure: asks again
       └────── better payload ──► server ─────────────────────► its answer to that

Whether it is sure costs nothing to know: the probability that the network gives its answer tells right from
wrong well, better than anything that a device can see before it has sent. Both payloads are counted; bytes do
not show that some samples take another round trip, and the server two passes.

Source: Wang et al., "IDK Cascades: Fast Deep Learning by Learning not to Overthink", UAI 2018, of networks.
"""

import dataclasses

import numpy as np

from bottleneck.measure.harness import Measured
from bottleneck.measure.mixed import mixed_row
from bottleneck.measure.results import Result
from bottleneck.measure.sureness import check_sure


def cascade(first: Measured, second: Measured, sure: float) -> Result:
    """The row of a cascade, of what is known of its two channels on the same samples.

    Args:
        first: Sent of every sample.
        second: Sent where the network's probability of its answer to the first is below `sure`.
        sure: Above 0, and at most 1: at 1 all is sent twice.

    Returns:
        The first one's row with other bytes, metric and intervals. The work of the device is the first one's.

    Raises:
        ValueError: If `sure` is out of range, or the task knows no probability of an answer.
    """
    check_sure(sure)
    task, sureness, scores = first.tally.task, first.tally.sureness(), first.tally.scores()
    if sureness.ndim != 1:
        raise ValueError(
            f"cascade.sure={sure}: answers of task={task.name} have no probability each. Cascades are for "
            "classification; set cascade.sure=[]."
        )
    again = sureness < sure
    name = f"{first.row.method}-then-{second.row.method}"
    row = mixed_row(
        first,
        np.where(again, second.tally.scores(), scores),
        first.payload_bytes + again * second.payload_bytes,
        name,
        f"{sure:g}",
    )
    return dataclasses.replace(row, asked_again=float(again.mean()))
