"""The row of samples that did not all go the same way: through one of several channels, or through two."""

import dataclasses

import numpy as np

from bottleneck.measure.harness import Measured
from bottleneck.measure.results import Result


def mixed_row(base: Measured, scores: np.ndarray, sizes: np.ndarray, name: str, setting: str) -> Result:
    """A channel's row with other bytes, metric and intervals; the work of the device is the channel's.

    Args:
        base: Of one of the channels.
        scores: What each sample contributes to the metric, `(n,)`, as it was answered at last.
        sizes: Bytes that were sent of each, `(n,)`.
        name: Of the way, which is the row's family.
        setting: Which point of it.
    """
    task, row = base.tally.task, base.row
    value, pixels = float(scores.mean()), 8 * base.payload_bytes.mean() / (row.bpp or 1)
    return dataclasses.replace(
        row,
        method=f"{name}-{setting}",
        family=name,
        setting=setting,
        value=value,
        metrics={task.metric: value},
        value_interval=task.interval(scores, value),
        drop=row.baseline - value,
        drop_interval=task.drop_interval(base.frozen.scores(), scores),
        payload_bytes=float(sizes.mean()),
        payload_bytes_p95=float(np.percentile(sizes, 95)),
        bpp=8 * float(sizes.mean()) / float(pixels),
        packets=None,
        bits_per_element=None,
        estimated_bpp=None,
        zero_fraction=None,
    )
