"""Units that are dead or diverged are told from small ones."""

import dataclasses
import re

import pytest

from bottleneck.measure.health import ailment
from bottleneck.measure.results import Result

NAMES = {field.name for field in dataclasses.fields(Result)}


def row(value, payload_bytes, baseline=0.98):
    known = {
        "value": value,
        "payload_bytes": payload_bytes,
        "baseline": baseline,
        "n": 500,
        "metric": "accuracy",
    }
    return Result(**{**dict.fromkeys(NAMES), **known})


@pytest.mark.parametrize(
    ("value", "payload_bytes", "words"),
    [
        (0.1, 1.0, "sends nothing.*lower unit.step"),
        (0.12, 40.0, "0.120 is that of guessing.*raise alpha"),
        (float("nan"), 40.0, r"diverged \(NaN\).*lr"),
    ],
)
def test_ailments_are_named_with_their_cure(value, payload_bytes, words):
    """A latent of zeros, a metric of chance and NaN each have a sentence."""
    found = ailment(row(value, payload_bytes), chance=0.1)
    assert re.search(words, found)


@pytest.mark.parametrize(
    ("value", "payload_bytes", "baseline", "chance"),
    [(0.2, 3.0, 0.98, 0.1), (0.1, 40.0, 0.11, 0.1), (0.01, 40.0, 0.3, None)],
)
def test_poor_units_are_not_ill(value, payload_bytes, baseline, chance):
    """A poor result is a result, also where the frozen network itself guesses or guessing means nothing."""
    assert ailment(row(value, payload_bytes, baseline), chance) is None
