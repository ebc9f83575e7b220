"""The first datagram of a stream: its number and the secret that the server gave its device over gRPC.

    stream  secret
    u16     16 bytes, random

The server sends it back, so that either side knows that UDP gets through, and where the other one is.
"""

#: Key of gRPC's metadata: a device asks for datagrams with it, and the server answers with the greeting.
DATAGRAMS = "bottleneck-datagrams"


def greeting(stream: int, secret: bytes) -> bytes:
    """The bytes."""
    return stream.to_bytes(2, "big") + secret


def greeting_of(data: bytes) -> tuple[int, bytes]:
    """The stream that any datagram names, and what would be the secret if it is a greeting."""
    return int.from_bytes(data[:2], "big"), data[2:]
