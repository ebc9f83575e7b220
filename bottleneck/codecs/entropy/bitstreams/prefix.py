"""A prefix code in use: symbols ↔ bits by table, with an escape and dahuffman's end of stream.

::

    symbols ─► code │ code │ ESC + 32 bits │ code │ first bits of EOF, to the byte's end

Whoever makes the code (`huffman`) decides the bits per symbol; here they are only checked, written
and read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bottleneck.codecs.entropy.bitstreams import bits
from bottleneck.codecs.entropy.tables import ESCAPE_BITS
from bottleneck.codecs.jit import I32, I64, U32, jit

LONGEST = 56  # bits of a code
_PEEK = 12  # bits of the decoder's lookup: its 4,096 entries fit the L1 cache


class PrefixCode:
    """Codes for the symbols ``low .. low + n_symbols - 1``, an escape and EOF, in this order.

    Args:
        low: First symbol.
        lengths: Bits of each code, 1 to 56.
        codes: Value of each code, most significant bit sent first.

    Raises:
        ValueError: If these are not codes, or one is the beginning of another.
    """

    def __init__(self, low: int, lengths: Sequence[int], codes: Sequence[int]) -> None:
        self.low = low
        self.n_symbols = len(lengths) - 2
        if self.n_symbols < 1 or len(codes) != len(lengths):
            raise ValueError(
                f"a prefix code needs 3 or more lengths and codes; got {len(lengths)} and {len(codes)}."
            )
        if max(lengths) > LONGEST:
            raise ValueError(
                f"a code of {max(lengths)} bits is longer than {LONGEST}: the counts are too skewed. "
                "Divide them by a common factor and build the table again."
            )
        self._tree = _as_tree(lengths, codes)
        self.lengths = np.array(lengths, dtype=np.int64)
        self.codes = np.array(codes, dtype=np.int64)
        self._lookup = self._first_level()
        self._most_bits = max(int(self.lengths[:-2].max()), int(self.lengths[-2]) + ESCAPE_BITS)

    def encode(self, symbols: I32) -> bytes:
        """Code any int32 symbols, those without a code as escapes. Shape of symbols: ``(n,)``."""
        words = bits.empty_words(symbols.size * self._most_bits)
        n_bits = _encode(symbols, self.low, self.lengths, self.codes, words)
        payload = bits.from_words(words, n_bits)
        if n_bits % 8 == 0:
            return payload
        return payload[:-1] + bytes([payload[-1] | self._padding(n_bits)])

    def decode(self, payload: bytes, count: int) -> I32:
        """Read so many symbols, which must end in the payload's last byte. Shape ``(count,)``.

        Raises:
            ValueError: If the payload is too short or too long, holds bits that are no code, or is
                not padded with EOF.
        """
        symbols = np.empty(count, dtype=np.int32)
        n_bits = 8 * len(payload)
        words = bits.to_words(payload)
        done, used = _decode(words, n_bits, self.low, self.n_symbols, self._lookup, self._tree, symbols)
        if done < count:
            raise ValueError(
                f"payload of {len(payload)} bytes ends at symbol {done} of {count}, or has no code there; "
                "it was truncated, damaged, or encoded with another table."
            )
        if len(payload) != bits.n_bytes(used):
            raise ValueError(
                f"payload has {len(payload)} bytes where its {count} symbols take {bits.n_bytes(used)}; "
                "it was extended, or encoded for another shape."
            )
        if used % 8 and payload[-1] & (0xFF >> used % 8) != self._padding(used):
            raise ValueError(
                f"payload's last byte 0x{payload[-1]:02x} is not padded with EOF; it was damaged."
            )
        return symbols

    def _padding(self, n_bits: int) -> int:
        """What EOF puts into the last byte of a stream of so many bits: its first bits, then zeros."""
        free = 8 - n_bits % 8
        length, code = int(self.lengths[-1]), int(self.codes[-1])
        return code >> (length - free) if length >= free else code << (free - length)

    def _first_level(self) -> I64:
        """What the next 12 bits say: ``index << 4 | length`` of a symbol, or minus a node of the tree.

        The node is where longer codes go on. Bits that start with the escape, EOF or no code give
        minus the root, so that the loop looks at them one by one.
        """
        lookup = np.zeros(1 << _PEEK, dtype=np.int64)
        for index in range(self.n_symbols):
            length, code = int(self.lengths[index]), int(self.codes[index])
            if length <= _PEEK:
                rest = _PEEK - length
                lookup[code << rest : (code + 1) << rest] = index << 4 | length
            else:
                start = code >> (length - _PEEK)
                node = 0
                for shift in range(_PEEK - 1, -1, -1):
                    node = int(self._tree[2 * node + (start >> shift & 1)])
                lookup[start] = -node
        return lookup


def _as_tree(lengths: Sequence[int], codes: Sequence[int]) -> I64:
    """The codes as a binary tree; node 0 is the root.

    Entry ``2 * node + bit`` is the next node, ``-1 - index`` where a code ends, 0 where none goes.
    """
    tree = [0, 0]
    for index, (length, code) in enumerate(zip(lengths, codes, strict=True)):
        if length < 1 or not 0 <= code < 1 << length:
            raise ValueError(
                f"code {code} at index {index} does not fit its {length} bits. Build the table again."
            )
        node = 0
        for shift in range(length - 1, -1, -1):
            slot = 2 * node + (code >> shift & 1)
            if tree[slot] < 0 or (shift == 0 and tree[slot] > 0):
                raise ValueError(
                    f"code {code} of {length} bits at index {index} starts another or is started by one."
                )
            if shift == 0:
                tree[slot] = -1 - index
            elif tree[slot] == 0:
                tree[slot] = len(tree) // 2
                tree += [0, 0]
            node = tree[slot]
    return np.array(tree, dtype=np.int64)


@jit
def _encode(symbols: I32, low: int, lengths: I64, codes: I64, words: U32) -> int:
    """Write the codes of all symbols; the number of bits written."""
    n_symbols = len(lengths) - 2
    pending = 0  # the last bits not written yet, fewer than 32
    n_pending = 0
    w = 0
    for i in range(len(symbols)):
        index = symbols[i] - low
        if 0 <= index < n_symbols and lengths[index] < 32:
            n_pending += lengths[index]
            pending = (pending << lengths[index]) | codes[index]
            if n_pending >= 32:
                n_pending -= 32
                words[w] = pending >> n_pending
                pending &= (1 << n_pending) - 1
                w += 1
            continue
        # A long code or an escape, rare: bit by bit.
        is_known = 0 <= index < n_symbols
        if not is_known:
            index = n_symbols
        for part in range(1 if is_known else 2):
            value = codes[index] if part == 0 else symbols[i]
            for shift in range((lengths[index] if part == 0 else 32) - 1, -1, -1):
                pending = (pending << 1) | ((value >> shift) & 1)
                n_pending += 1
                if n_pending == 32:
                    words[w] = pending
                    pending = 0
                    n_pending = 0
                    w += 1
    if n_pending > 0:
        words[w] = pending << (32 - n_pending)
    return 32 * w + n_pending


@jit
def _decode(
    words: U32, n_bits: int, low: int, n_symbols: int, lookup: I64, tree: I64, symbols: I32
) -> tuple[int, int]:
    """Read symbols until they are complete or the bits make no sense; how many, and the bits used."""
    pending = 0  # bits read from words and not used yet
    n_pending = 0
    w = 0
    for i in range(len(symbols)):
        if n_pending < 32:
            if w == len(words):
                return i, n_bits
            pending = ((pending & ((1 << n_pending) - 1)) << 32) | words[w]
            n_pending += 32
            w += 1
        entry = lookup[(pending >> (n_pending - 12)) & 4095]
        if entry > 0:
            n_pending -= entry & 15
            symbols[i] = low + (entry >> 4)
            continue
        position = 32 * w - n_pending
        if entry < 0:
            position += 12
        node = -entry
        while node >= 0:
            if position >= n_bits:
                return i, n_bits
            node = tree[2 * node + ((words[position >> 5] >> (31 - (position & 31))) & 1)]
            position += 1
            if node == 0:
                return i, n_bits
        index = -1 - node
        if index < n_symbols:
            symbols[i] = low + index
        elif index == n_symbols and position + 32 <= n_bits:
            w = position >> 5
            two_words = (words[w] << 32) | words[w + 1]  # may wrap when compiled; the upper bits go
            value = (two_words >> (32 - (position & 31))) & 0xFFFFFFFF
            symbols[i] = value - ((value >> 31) << 32)
            position += 32
        else:
            return i, n_bits
        w = position >> 5
        n_pending = 32 - (position & 31)
        pending = words[w] & ((1 << n_pending) - 1)
        w += 1
    used = 32 * w - n_pending
    if used > n_bits:
        return len(symbols) - 1, n_bits
    return len(symbols), used
