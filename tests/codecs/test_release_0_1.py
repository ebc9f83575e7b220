"""What release 0.1 wrote: descriptions in bundles, and payloads, byte for byte.

`release_0_1.json` was written by release 0.1 itself: for every codec its description, as a bundle holds it,
and payloads of samples that `sample` makes again.
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest

from bottleneck import codecs

WRITTEN = json.loads(Path(__file__).with_name("release_0_1.json").read_text())
LOSSY_PICTURES = {"avif", "heic", "hevc", "jpeg", "jpeg2000", "webp"}  # decode as their library does
LIBRARY_BYTES = {"deflate", "zstd", "png"}  # lossless, whose bytes depend on the library's build


def sample(shape, kind, mode):
    """A sample by an integer formula, so that no random generator needs to stay as it is."""
    n = math.prod(shape)
    x = (np.arange(n, dtype=np.int64) * 2654435761 + 77 * 40503 + 12345) % (1 << 32)
    x = ((x >> 7) ^ (x << 3)) % 1000003
    values = {
        "sparse": np.where(x % 10 < 7, 0, x % 5 - 1),
        "zero": np.zeros(n, np.int64),
        "wild": np.where(x % 11 == 0, (x - 500000) * 4000, x % 4),
    }[mode].reshape(shape)
    if kind == "pixels":
        return (np.abs(values) % 17).astype(np.uint8)
    return (values / 4).astype(np.float32) if kind == "feature" else values.astype(np.int32)


def libraries_of(description):
    names = {description["name"], description["options"].get("image")}
    return names & LOSSY_PICTURES, names & LIBRARY_BYTES


def test_every_codec_of_the_release_is_here():
    """Every codec but those that came later has a description of release 0.1 that is read."""
    assert {entry["description"]["name"] for entry in WRITTEN} == set(codecs.names()) - {
        "context",
        "packets",
        "parts",
        "stream",
    }


@pytest.mark.parametrize("entry", WRITTEN, ids=lambda entry: entry["description"]["name"])
def test_descriptions_are_read_and_written_alike(entry):
    """A description of release 0.1 is read, and comes out as it went in."""
    assert codecs.from_dict(entry["description"]).to_dict() == entry["description"]


@pytest.mark.parametrize("entry", WRITTEN, ids=lambda entry: entry["description"]["name"])
def test_payloads_are_those_of_the_release(entry):
    """Equal samples are equal bytes and decode to what they did; an empty payload is a zero byte now."""
    codec = codecs.from_dict(entry["description"])
    lossy, lossless = libraries_of(entry["description"])
    for row in entry["rows"]:
        array, payload = sample(codec.shape, codec.input, row["mode"]), bytes.fromhex(row["payload"]) or b"\0"
        decoded = codec.decode(payload)
        if not lossy:
            assert hashlib.sha256(decoded.tobytes()).hexdigest()[:16] == row["decoded"]
        if not lossy and not lossless:
            assert codec.encode(array) == payload
        if "ideal" in row:
            assert codec.ideal_bits(array) == pytest.approx(row["ideal"], rel=1e-9)
