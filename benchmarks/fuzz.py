"""Foreign payloads over all codecs, `server(payload)`, and messages of the runtime.

An array or a message that may be, or a `ValueError`, in time.

    python -m benchmarks.fuzz --minutes 60 --seed 1

Atheris (libFuzzer) changes, cuts, repeats and splices payloads, from valid ones on, and keeps in `--corpus`
what reached new code: a folder for each target, from which the next run goes on. What breaks the contract is
printed, and kept there as well.
"""

import argparse
import contextlib
import hashlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import atheris
import numpy as np
import torch
from torch import nn

with atheris.instrument_imports(include=["bottleneck"]):  # which code a payload reaches is counted
    from bottleneck import codecs
    from bottleneck.codecs import Codec
    from bottleneck.deploy.bundle import Bundle
    from bottleneck.deploy.pairs import both_sides
    from bottleneck.identity import weights_identity
    from bottleneck.runtime.messages import (
        Announcement,
        Confirmation,
        Frame,
        Probe,
        Reason,
        Refusal,
        Result,
        pack,
        unpack,
    )
    from bottleneck.unit import BottleneckUnit

LIMIT_S = 1.0  # of processor time for one payload
MOST_MB = 4096  # of a process's memory, most of which is libraries
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

MESSAGES = (
    Frame(7, 3, b"payload"),
    Probe(8, 20),
    Confirmation(7, 12, 4000, 1, 2),
    Result(7, 1500, {"top": [{"class": 3, "score": 0.9}]}, 1),
    Refusal(7, Reason.BUSY, "a word"),
    Announcement(9, 5000, 5),
)

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
        found.append((codec.name, partial(legal, codec), [codec.encode(array) for array in arrays]))
    found.append(served(rng))
    messages = [pack(message, checked) for message in MESSAGES for checked in (False, True)]
    found.append(("messages", unpack, messages))
    return found


def legal(codec: Codec, payload: bytes) -> np.ndarray:
    """What a payload decodes to, which has to have the codec's form."""
    array = codec.decode(payload)
    if array.shape != codec.shape or array.dtype != DTYPES[codec.input]:
        raise AssertionError(f"an array {array.shape} of {array.dtype}")
    return array


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
    values = made.numpy() if isinstance(made, torch.Tensor) else made
    if isinstance(values, np.ndarray) and values.dtype.kind == "f" and not np.isfinite(values).all():
        return "values that are no numbers"
    return None


def keep(folder: Path, payload: bytes) -> None:
    """Write a payload into a folder, under a name of its own."""
    (folder / hashlib.sha256(payload).hexdigest()[:16]).write_bytes(payload)


def fuzz(target: Target, corpus: Path, seconds: float, seed: int) -> tuple[int, int]:
    """Feed one target for some seconds.

    Args:
        target: What is fed.
        corpus: Where its payloads lie, those to begin from and those that showed new code; those that broke
            the contract are added.
        seconds: Of wall-clock time, once it has begun.
        seed: Of what is changed in payloads.

    Returns:
        How many payloads were tried, and how many broke the contract.
    """
    name, run, seeds = target
    corpus.mkdir(parents=True, exist_ok=True)
    for payload in seeds:
        keep(corpus, payload)
    libfuzzer = [
        "fuzz",
        f"-seed={seed}",
        "-len_control=0",
        f"-rss_limit_mb={MOST_MB}",
        "-timeout=60",
        f"-artifact_prefix={corpus}/",
    ]
    reader, writer = multiprocessing.Pipe(duplex=False)
    tried, until = multiprocessing.Value("q", 0, lock=False), multiprocessing.Value("d", 0, lock=False)

    def once(payload: bytes) -> None:
        until.value = until.value or time.monotonic() + seconds
        if time.monotonic() > until.value:
            os._exit(0)  # at once: what torch and the caller registered for the end is not this process's
        tried.value += 1
        if (how := broken(run, payload)) is not None:
            keep(corpus, payload)
            writer.send(f"{how} from {payload[:40].hex()}… ({len(payload)} bytes)")

    def child() -> None:
        torch.set_num_threads(1)  # threads of the parent's are not the child's
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what libFuzzer says of each new input
        atheris.Setup([*libfuzzer, str(corpus)], once)
        atheris.Fuzz()

    process = multiprocessing.get_context("fork").Process(target=child)  # libFuzzer ends its process
    process.start()
    writer.close()
    faults = list(received(reader))
    process.join()
    if process.exitcode:  # a library crashed, and the process with it
        faults.append(f"the process ended with {process.exitcode}")
    for fault in faults:
        print(f"{name}: {fault}")
    return tried.value, len(faults)


def received(reader: Connection) -> Iterator[str]:
    """What comes through a pipe until nobody writes to it."""
    with contextlib.suppress(EOFError):
        while True:
            yield reader.recv()


def main(arguments: Sequence[str] | None = None) -> None:
    """Fuzz, and say how much was tried."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=Path("fuzz_corpus"))
    given = parser.parse_args(arguments)
    everything = targets()
    seconds = 60 * given.minutes / len(everything)
    counts = [
        fuzz(target, given.corpus / f"{number:02}-{target[0]}", seconds, given.seed)
        for number, target in enumerate(everything)
    ]
    tried, faults = map(sum, zip(*counts, strict=True))
    print(f"{tried:,} payloads, {len(everything)} targets, {faults} broke the contract")
    if faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
