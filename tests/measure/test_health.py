"""Units that are dead or diverged are told from small ones."""

import dataclasses
import re

import pytest
import torch
from torch import nn

from bottleneck.measure.health import ailment, guesses
from bottleneck.measure.results import Result

NAMES = {field.name for field in dataclasses.fields(Result)}


def row(value, payload_bytes, baseline=0.98, bits_per_element=None):
    known = {
        "value": value,
        "payload_bytes": payload_bytes,
        "baseline": baseline,
        "n": 500,
        "metric": "accuracy",
        "bits_per_element": bits_per_element,
    }
    return Result(**{**dict.fromkeys(NAMES), **known})


@pytest.mark.parametrize(
    ("value", "payload_bytes", "words"),
    [
        (0.1, 1.0, "sends nothing.*lower unit.step"),
        (float("nan"), 40.0, r"diverged \(NaN\).*lr"),
    ],
)
def test_ailments_are_named_with_their_cure(value, payload_bytes, words):
    """A latent of zeros and NaN each have a sentence."""
    assert re.search(words, ailment(row(value, payload_bytes)))


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_divergence_is_seen_in_the_weights(broken):
    """A metric and a payload stay numbers where a weight is none; a buffer counts too."""
    layers = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    assert ailment(row(0.1, 1.0), nn.Linear(2, 2), nn.BatchNorm1d(2)) == ailment(row(0.1, 1.0))
    torch.nn.init.constant_(layers[1].running_var, broken)
    told = ailment(row(0.1, 1.0), nn.Linear(2, 2), layers)
    assert re.search(r"diverged.*1\.running_var.*lower the optimizer's lr \(optimizer\.lr\)", told)


def test_symbols_that_explode_are_named_with_their_cure():
    """More bits for a symbol than an integer has are escapes; as many are codec `raw`."""
    assert re.search(r"exploded, 37\.2 bits.*raise unit\.step", ailment(row(0.5, 40.0, 0.98, 37.2)))
    assert ailment(row(0.5, 40.0, 0.98, 32.0)) is None


def test_guessing_is_named_with_its_cure():
    """A metric of chance has a sentence."""
    assert re.search("0.120 is that of guessing.*raise alpha", guesses(row(0.12, 40.0), chance=0.1))


@pytest.mark.parametrize(("value", "payload_bytes", "baseline"), [(0.2, 3.0, 0.98), (0.1, 40.0, 0.11)])
def test_poor_units_are_not_ill(value, payload_bytes, baseline):
    """A poor result is a result, also where the frozen network itself guesses."""
    poor = row(value, payload_bytes, baseline)
    assert ailment(poor) is None
    assert guesses(poor, chance=0.1) is None
