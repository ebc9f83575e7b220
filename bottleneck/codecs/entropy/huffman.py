"""Huffman: one static prefix code per operating point, the paper's entropy coder.

Lengths and codes are dahuffman's, so either side reads the other's streams::

    training symbols ─► Histogram ─► dahuffman ─► table ─► to_dict ─► device and server
                                                    │
    symbols ─► code │ code │ ESC + 32 bits │ code │ first bits of EOF, to the byte's end

dahuffman is needed by `Huffman.fit` alone; a loaded table encodes and decodes without it.

Source: Datta et al., ICPR 2022. Where it is silent: smoothed counts, and an escape for symbols
that the training data did not show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.entropy.bitstreams.prefix import LONGEST, PrefixCode
from bottleneck.codecs.entropy.tables import ESCAPE_BITS
from bottleneck.codecs.entropy.tables.histogram import Histogram
from bottleneck.codecs.stage import ArrayToBytes, Form, bytes_form

#: The escape's key in a table for dahuffman: one past the largest int32, so no symbol can be it.
ESC = 2**31


class Huffman(ArrayToBytes):
    """Codes each symbol with its own bit string; every int32 can be coded, seen or not.

    Attributes:
        histogram: What `fit` counted; not before.
    """

    name = "huffman"
    takes = ("symbols", "levels")
    needs_fit = True

    def __init__(self, form: Form) -> None:
        super().__init__(form)
        self.gives = bytes_form(-(-form.n_values * (LONGEST + ESCAPE_BITS) // 8))
        self.histogram: Histogram
        self._code: PrefixCode

    def fit(self, arrays: Iterable[NDArray[Any]]) -> None:
        self.fit_histogram(Histogram.fit(arrays))

    def fit_histogram(self, histogram: Histogram) -> None:
        """Build the table from counts, as dahuffman does, deterministically for equal counts.

        Raises:
            ImportError: If dahuffman is not installed.
            ValueError: If the counts are so skewed that a code would exceed 56 bits.
        """
        try:
            from dahuffman import HuffmanCodec
        except ImportError as error:
            raise ImportError(
                "codec 'huffman' builds its table with dahuffman. Install it (pip install dahuffman), or "
                "load a fitted codec with codecs.from_dict."
            ) from error
        symbols = range(histogram.low, histogram.high + 1)
        frequencies = dict(zip(symbols, histogram.smoothed.tolist(), strict=True)) | {ESC: histogram.escape}
        table = HuffmanCodec.from_frequencies(frequencies).get_code_table()
        eof = next(key for key in table if not isinstance(key, int))
        lengths, codes = zip(*(table[key] for key in [*symbols, ESC, eof]), strict=True)
        self._code = PrefixCode(histogram.low, lengths, codes)
        self.histogram = histogram

    def ideal_bits(self, array: NDArray[Any]) -> float:
        return self.histogram.ideal_bits(array)

    def dahuffman_table(self) -> dict[Any, tuple[int, int]]:
        """The table as ``dahuffman.PrefixCodec`` takes it: ``{symbol: (bits, code)}``.

        The end of a stream is dahuffman's own EOF object; the escape is `ESC`, and streams with it
        are ours alone.

        Raises:
            ImportError: If dahuffman is not installed.
        """
        from dahuffman import HuffmanCodec

        eof = next(key for key in HuffmanCodec.from_frequencies({0: 1}).get_code_table() if key != 0)
        codes = zip(self._code.lengths.tolist(), self._code.codes.tolist(), strict=True)
        low = self._code.low
        return dict(zip([*range(low, low + self._code.n_symbols), ESC, eof], codes, strict=True))

    def tables(self) -> dict[str, Any]:
        return {
            "histogram": self.histogram.to_dict(),
            "lengths": self._code.lengths.tolist(),  # of low .. high, escape, end of file
            "codes": self._code.codes.tolist(),
        }

    def load_tables(self, tables: Mapping[str, Any]) -> None:
        histogram = Histogram.from_dict(tables["histogram"])
        code = PrefixCode(histogram.low, tables["lengths"], tables["codes"])
        if code.n_symbols != histogram.counts.size:
            raise ValueError(
                f"huffman table has {code.n_symbols} symbols, its histogram {histogram.counts.size}; "
                "the description was damaged. Export it again."
            )
        self.histogram, self._code = histogram, code

    def encode(self, array: NDArray[Any]) -> bytes:
        return self._code.encode(array.reshape(-1).astype(np.int32, copy=False))

    def decode(self, payload: bytes) -> NDArray[Any]:
        return self._code.decode(payload, self.form.n_values)
