"""Whether another machine makes and reads the payloads of this one, codec by codec.

    python -m benchmarks.payloads write payloads.json       here: needs all that fitting does
    python -m benchmarks.payloads check payloads.json       there: NumPy, and the codecs' own libraries

Pictures, deflate and Zstandard are their libraries' bytes, and lossy pictures their libraries' pixels.
"""

import argparse
import hashlib
import json
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bottleneck import codecs


def written() -> Iterator[dict[str, Any]]:
    """Every codec's description, arrays as they and their payloads are, and what those decode to."""
    from benchmarks.fuzz import fitted  # loads torch

    for codec, arrays in fitted(np.random.default_rng(0)):
        rows = [
            {"array": array.tolist(), "payload": payload.hex(), "decoded": decoded(codec, payload)}
            for array in arrays
            for payload in [codec.encode(array)]
        ]
        yield {"codec": codec.to_dict(), "dtype": str(arrays[0].dtype), "rows": rows}


def decoded(codec: codecs.Codec, payload: bytes) -> str:
    """A hash of what a payload decodes to."""
    return hashlib.sha256(codec.decode(payload).tobytes()).hexdigest()


def compared(entry: dict[str, Any]) -> str:
    """What is equal here, of one codec."""
    try:
        codec = codecs.from_dict(entry["codec"])
    except codecs.MissingLibraryError as error:
        return str(error)
    rows = entry["rows"]
    arrays = [np.array(row["array"], entry["dtype"]) for row in rows]
    made = sum(codec.encode(array).hex() == row["payload"] for array, row in zip(arrays, rows, strict=True))
    read = sum(decoded(codec, bytes.fromhex(row["payload"])) == row["decoded"] for row in rows)
    return f"{made} of {len(rows)} payloads made alike, {read} read alike"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the payloads, or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("write", "check"))
    parser.add_argument("file", type=Path)
    given = parser.parse_args(arguments)
    if given.what == "write":
        given.file.write_text(json.dumps(list(written())))
        return
    print(f"{platform.machine()}, NumPy {np.__version__}")
    for entry in json.loads(given.file.read_text()):
        print(f"{entry['codec']['name']:12} {compared(entry)}")


if __name__ == "__main__":
    main()
