"""Foreign payloads over all codecs and through `server(payload)`: a legal array, or a `ValueError`, in time.

    python -m benchmarks.fuzz --minutes 60 --seed 1

Payloads are valid ones with bits, bytes and runs changed, cut, repeated or spliced with others, and now and
then nothing but noise. What breaks the contract is printed, kept in `--corpus` and tried first the next time.
"""

import argparse
import hashlib
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bottleneck import codecs
from bottleneck.codecs import Codec
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.pairs import both_sides
from bottleneck.identity import weights_identity
from bottleneck.unit import BottleneckUnit

LIMIT_S = 1.0  # of processor time for one payload
SHAPES = {"symbols": (4, 3, 5), "feature": (4, 3, 5), "pixels": (3, 24, 40)}
DTYPES = {"symbols": np.int32, "feature": np.float32, "pixels": np.uint8}
FURTHER: list[tuple[str, dict[str, Any]]] = [
    ("deflate", {"of": "quantised"}),
    ("raw", {"input": "pixels"}),
    ("tiled", {"image": "png"}),
    ("tiled", {"image": "jpeg"}),
    ("packets", {"codec": "png", "by": "tiles", "mtu": 900}),
    ("pipeline", {"stages": [{"name": "affine"}, {"name": "range"}, {"name": "deflate"}]}),
]

Target = tuple[str, Callable[[bytes], Any], list[bytes]]


def samples(codec: Codec, rng: np.random.Generator) -> list[np.ndarray]:
    """Arrays as a codec meets them, and extreme ones."""
    most = 6 if codec.name == "packed" else 255
    if codec.input == "pixels":
        arrays = [rng.integers(0, most + 1, codec.shape) for _ in range(4)]
    else:
        arrays = [np.maximum(rng.normal(0, scale, codec.shape), -1).round(1) for scale in (0, 1, 3, 1000)]
    return [array.astype(DTYPES[codec.input]) for array in arrays]


def targets() -> list[Target]:
    """Every codec by name and some pipelines, and a server, each with payloads to begin from."""
    rng = np.random.default_rng(0)
    found: list[Target] = []
    for codec, arrays in fitted(rng):
        found.append((codec.name, codec.decode, [codec.encode(array) for array in arrays]))
    found.append(served(rng))
    return found


def fitted(rng: np.random.Generator) -> Iterator[tuple[Codec, list[np.ndarray]]]:
    """Every codec whose library is here by name and some pipelines, fitted to the arrays beside it."""
    for name, options in [(name, dict[str, Any]()) for name in codecs.names()] + FURTHER:
        shape: tuple[int, ...] = SHAPES["feature"]
        try:
            codec = codecs.create(name, shape, **options)
            if codec.input == "pixels":
                codec = codecs.create(name, SHAPES["pixels"], **options)
        except codecs.MissingLibraryError:
            continue
        except ValueError:  # pictures have one or three channels
            codec = codecs.create(name, SHAPES["pixels"], **options)
        arrays = samples(codec, rng)
        yield codec.fit(arrays), arrays


def served(rng: np.random.Generator) -> Target:
    """A server behind a small network."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)]
    network = nn.Sequential(*layers).eval()
    unit = BottleneckUnit(8, 4, 2, 0.5, (6, 6)).eval()
    codec = codecs.create("range", shape=unit.latent_shape)
    arrays = [rng.integers(-3, 4, unit.latent_shape).astype(np.int32) for _ in range(4)]
    codec.fit(arrays)
    bundle = Bundle(unit, codec, "1", weights_identity(network), (3, 24, 24), preprocessing=None)
    ((_, server),) = both_sides([bundle], network)
    return "server", server, [codec.encode(array) for array in arrays]


def changed(rng: random.Random, seeds: list[bytes]) -> bytes:
    """A payload that is none, most of the time."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at, kind = rng.randrange(len(data) + 1), rng.randrange(7)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1 and data:
            data[at % len(data)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind == 2:
            del data[at : at + rng.choice((1, 2, 9, 1000))]
        elif kind == 3:
            data[at:at] = rng.randbytes(rng.choice((1, 2, 9)))
        elif kind == 4:
            data[at:at] = data[at : at + 16] * rng.choice((1, 2, 50))
        elif kind == 5:
            data[at:] = rng.choice(seeds)[at:]
        elif rng.random() < 0.1:
            data = bytearray(rng.randbytes(rng.randrange(60)))
    return bytes(data)


def broken(run: Callable[[bytes], Any], payload: bytes) -> str | None:
    """How a payload breaks the contract; `None`: it does not. Slow is slow twice (garbage is collected)."""
    for _ in range(2):
        begin = time.process_time()
        try:
            made = run(payload)
        except ValueError:
            made = None
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        if (seconds := time.process_time() - begin) <= LIMIT_S:
            break
    else:
        return f"{seconds:.1f} s"
    if isinstance(made, np.ndarray) and made.dtype.kind == "f" and not np.isfinite(made).all():
        return "values that are no numbers"
    return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Fuzz, and say how much was tried."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, default=Path("fuzz_corpus"))
    given = parser.parse_args(arguments)
    everything, rng, tried, faults = targets(), random.Random(given.seed), Counter[str](), 0
    known = {
        name: [file.read_bytes() for file in (given.corpus / name).glob("*")] for name, _, _ in everything
    }
    until = time.monotonic() + 60 * given.minutes
    for number in itertools.count():
        name, run, seeds = everything[number % len(everything)]
        payload = known[name].pop() if known[name] else changed(rng, seeds)
        tried[name] += 1
        if (how := broken(run, payload)) is not None:
            faults += 1
            folder = given.corpus / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / hashlib.sha256(payload).hexdigest()[:16]).write_bytes(payload)
            print(f"{name}: {how} from {payload[:40].hex()}… ({len(payload)} bytes)")
        if time.monotonic() > until:
            break
    print(f"{tried.total():,} payloads, {len(everything)} targets, {faults} broke the contract")
    if faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
