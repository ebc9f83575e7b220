"""A pipeline: stages that follow each other, from an array to the bytes of a payload and back.

::

    array ─► array → array stages ─► coder ─► bytes → bytes stages ─► bytes
                    └ headers ─────────► + ┘
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.registry import stage_from
from bottleneck.codecs.stage import ArrayToArray, ArrayToBytes, BytesToBytes, Form, Stage, bytes_form


class Pipeline:
    """Codes arrays of one form, which nobody checks here.

    Args:
        descriptions: Of the stages in the order of encoding, each a name and options.
        form: What enters the first of them.

    Attributes:
        form: Likewise.
        gives: The form of what leaves the last.
        stages: In the order of encoding.
        coder: The one that makes bytes of an array.

    Raises:
        ValueError: If a description is none, a stage does not take what the one before it gives, or the last
            does not give bytes.
    """

    coder: ArrayToBytes

    def __init__(self, descriptions: Sequence[Mapping[str, Any]], form: Form) -> None:
        self.form = self.gives = form
        self.stages: list[Stage] = []
        self._transforms: list[ArrayToArray] = []
        self._compressors: list[BytesToBytes] = []
        for description in descriptions:
            stage = stage_from(description, self.gives)
            self.stages.append(stage)
            self.gives = stage.gives
            if isinstance(stage, ArrayToArray):
                self._transforms.append(stage)
            elif isinstance(stage, ArrayToBytes):
                self.coder = stage
                headers = sum(transform.n_header for transform in self._transforms)
                self.gives = bytes_form(stage.gives.n_values + headers)
            elif isinstance(stage, BytesToBytes):
                self._compressors.append(stage)
        if self.gives.kind != "bytes":
            raise ValueError(
                f"the pipeline ends with {self.gives.kind}, not with bytes. Add a stage that makes bytes of "
                "an array, such as 'bytes', 'pack', 'range' or 'huffman'."
            )

    def session(self) -> Self:
        """The pipeline for one stream of samples; itself where none of its stages remembers any."""
        coder = self.coder.session()
        if coder is self.coder:
            return self
        pipeline = copy.copy(self)
        pipeline.coder = coder
        pipeline.stages = [coder if stage is self.coder else stage for stage in self.stages]
        return pipeline

    def ideal_bits(self, array: NDArray[Any]) -> float | None:
        """See `Codec.ideal_bits`."""
        headers, transformed = self._transformed(array)
        if transformed is None or self._compressors:
            return None
        bits = self.coder.ideal_bits(transformed)
        return None if bits is None else bits + 8 * len(headers)

    def encode(self, array: NDArray[Any]) -> bytes:
        """The bytes of an array, perhaps none."""
        data, transformed = self._transformed(array)
        if transformed is not None:
            data += self.coder.encode(transformed)
        for compressor in self._compressors:
            data = compressor.compress(data)
        return data

    def decode(self, data: bytes) -> NDArray[Any]:
        """The array of what `encode` made.

        Raises:
            ValueError: If it made no such bytes.
        """
        for compressor in reversed(self._compressors):
            data = compressor.decompress(data)
        passed: list[tuple[ArrayToArray, bytes]] = []
        array: NDArray[Any] | None = None
        for transform in self._transforms:
            header, data = data[: transform.n_header], data[transform.n_header :]
            passed.append((transform, header))
            if not transform.has_array(header):
                if data:
                    raise ValueError(
                        f"payload has {len(data)} bytes after a header that says all; it was extended."
                    )
                break
        else:
            array = self.coder.form.conform(self.coder.decode(data))
        for transform, header in reversed(passed):
            array = np.asarray(transform.backward(header, array))
        assert array is not None
        assert (array.shape, array.dtype) == (self.form.shape, self.form.dtype)
        return array

    def reaching(self, n_stages: int, arrays: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """Samples, or batches of them, behind the first stages, but for those that a header tells whole."""
        for sample in self.form.singles(arrays):
            transformed = self._transformed(sample, n_stages)[1]
            if transformed is not None:
                yield transformed

    def _transformed(self, array: NDArray[Any], n_stages: int | None = None) -> tuple[bytes, Any]:
        """Headers and array behind the array → array stages; no array where a header says all."""
        headers, transformed = b"", array
        for transform in self._transforms[:n_stages]:
            header, following = transform.forward(transformed)
            headers += header
            if following is None:
                return headers, None
            transformed = following
        return headers, transformed
