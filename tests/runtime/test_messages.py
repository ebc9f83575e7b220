"""The stream's messages: what is packed is read again, and anything else is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bottleneck.runtime.messages import (
    NO_FRAME,
    Announcement,
    Confirmation,
    Frame,
    Probe,
    Reason,
    Refusal,
    Result,
    id_of,
    is_checked,
    pack,
    unpack,
)

IDS = st.integers(0, NO_FRAME)
WORDS = st.integers(0, (1 << 32) - 1)
SHORTS = st.integers(0, (1 << 16) - 1)
ANSWERS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
MESSAGES = st.one_of(
    st.builds(Frame, IDS, st.integers(0, 255), st.binary(max_size=60)),
    st.builds(Probe, IDS, st.integers(0, 60)),
    st.builds(Confirmation, IDS, WORDS, WORDS, WORDS, SHORTS),
    st.builds(Result, IDS, WORDS, ANSWERS, SHORTS),
    st.builds(Refusal, IDS, st.sampled_from(Reason), st.text(max_size=20)),
    st.builds(Announcement, IDS, WORDS, SHORTS),
)


@given(MESSAGES, st.booleans())
def test_what_is_packed_is_read_again(message, checked):
    """Every message survives the way, with a CRC and without; bytes say whether they have one."""
    data = pack(message, checked)
    assert unpack(data) == message
    assert is_checked(data) == checked
    assert id_of(data) == message.id


@given(st.binary(max_size=80))
@example(b"\x01\x03\x00" + bytes(10) + b"[NaN, 1e999]")
@example(b"\x01\x03\x00" + bytes(10) + b"[" * 50_000)
def test_any_bytes_are_a_message_or_a_value_error(data):
    """Whatever arrives, nothing but ValueError is raised."""
    try:
        message = unpack(data)
    except ValueError:
        return
    assert unpack(pack(message)) == message


@given(MESSAGES, st.data())
def test_any_change_of_a_checked_message_is_noticed(message, data):
    """With a CRC, no flipped bit reads as a message, the flag's own aside."""
    packed = bytearray(pack(message, checked=True))
    where = data.draw(st.sampled_from([index for index in range(len(packed)) if index != 2]))
    packed[where] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ValueError, match=r"."):
        unpack(bytes(packed))


@given(MESSAGES, st.data())
def test_a_truncated_checked_message_is_noticed(message, data):
    """With a CRC, no beginning of a message reads as one."""
    packed = pack(message, checked=True)
    with pytest.raises(ValueError, match=r"."):
        unpack(packed[: data.draw(st.integers(0, len(packed) - 1))])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes are no message"),
        (b"\x02" + bytes(9), "version 2; this release reads 1"),
        (b"\x01\x09" + bytes(9), "kind 9"),
        (b"\x01\x00\x80" + bytes(9), "flags 128"),
        (b"\x01\x00\x00" + bytes(4), "body of 0 bytes"),
        (b"\x01\x02\x00" + bytes(13), "body of 9 bytes"),
        (b"\x01\x03\x00" + bytes(8) + b"{", r"Expecting|cannot be read"),
        (b"\x01\x04\x00" + bytes(4) + b"\x63", "99 is not a valid Reason"),
        (bytes(100), "100 bytes is longer than 99"),
    ],
)
def test_refusals_say_what_is_wrong(data, message):
    """Each kind of damage has its own words."""
    with pytest.raises(ValueError, match=message):
        unpack(data, longest=99)


def test_golden_bytes():
    """The format is what it was: version, kind, flags, id, point, payload; a CRC-32 at the end."""
    frame = Frame(258, 7, b"\xaa\xbb")
    assert pack(frame).hex() == "010000" + "00000102" + "07" + "aabb"
    assert pack(frame, checked=True).hex() == "010001" + "00000102" + "07" + "aabb" + "5a9fca0f"
    assert (
        pack(Result(1, 2, {"a": 1})).hex() == "010300" + "00000001" + "00000002" + "0000" + b'{"a":1}'.hex()
    )


@pytest.mark.parametrize("message", [Frame(-1, 0, b""), Frame(0, 256, b""), Result(0, 0, float("nan"))])
def test_what_does_not_fit_is_not_packed(message):
    """Numbers beyond their fields, and answers that JSON has no word for, are refused."""
    with pytest.raises(ValueError, match=r"does not fit|JSON compliant"):
        pack(message)
