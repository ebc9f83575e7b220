"""Who may speak to whom: TLS, mutual TLS and a token, for both ends of a connection."""

import hmac
import re
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

_HEADER = "authorization"


@dataclass(frozen=True)
class Security:
    """One end's files and secret; without any of them a connection is open and in the clear.

    Attributes:
        certificate: PEM file of this end's certificates; a server has one for TLS, a device for mutual TLS.
        key: PEM file of its private key.
        authority: PEM file of the authority that signed the other end's certificate. A server with one asks
            every device for a certificate; a device with one speaks TLS.
        token: What a device has to know.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a certificate comes without its key, or a key without a certificate; if the token is
            empty, or cannot be sent.
    """

    certificate: str | None = None
    key: str | None = None
    authority: str | None = None
    token: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError(
                f"tls.certificate={self.certificate} and tls.key={self.key} go together; give both or none."
            )
        for name in ("certificate", "key", "authority"):
            path = getattr(self, name)
            if path is not None and not Path(path).expanduser().is_file():
                raise FileNotFoundError(f"tls.{name}={path} is missing. Give the path of a PEM file.")
        word = str(self.token) if isinstance(self.token, (str, int)) else ""  # a number may be one
        if self.token is not None and not re.fullmatch("[!-~]([ -~]*[!-~])?", word):
            raise ValueError(
                f"token={self.token!r} cannot be sent. Use ASCII, no space at its ends, or leave it out."
            )

    def server_credentials(self) -> grpc.ServerCredentials | None:
        """What a server listens with; `None` in the clear.

        Raises:
            ValueError: If a file is not what it should be, or the server's own is missing.
        """
        if self.certificate is None or self.key is None:
            if self.authority is not None:
                raise ValueError(
                    "tls.authority asks devices for certificates; the server needs tls.certificate."
                )
            return None
        self._check_files()
        authority = _read(self.authority)
        return grpc.ssl_server_credentials(
            [(_read(self.key), _read(self.certificate))], authority, require_client_auth=authority is not None
        )

    def channel_credentials(self) -> grpc.ChannelCredentials | None:
        """What a device connects with; `None` in the clear.

        Raises:
            ValueError: If a file is not what it should be, or the server's authority is missing.
        """
        if self.authority is None:
            if self.certificate is not None:
                raise ValueError(
                    "tls.certificate is this device's own; tls.authority, the server's, is missing."
                )
            return None
        self._check_files()
        return grpc.ssl_channel_credentials(_read(self.authority), _read(self.key), _read(self.certificate))

    def _check_files(self) -> None:
        """Of wrong ones gRPC would say that the port is taken, or that nobody answers."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            if self.authority is not None:
                context.load_verify_locations(Path(self.authority).expanduser())
        except ssl.SSLError as error:
            raise ValueError(f"tls.authority={self.authority} is no certificate in PEM ({error}).") from error
        try:
            if self.certificate is not None and self.key is not None:
                own = Path(self.certificate).expanduser(), Path(self.key).expanduser()
                context.load_cert_chain(*own, password=lambda: "")  # nobody is asked for one
        except ssl.SSLError as error:
            raise ValueError(
                f"tls.certificate={self.certificate} and tls.key={self.key} are no certificate in PEM and "
                f"its key without a password ({error})."
            ) from error

    def require_clear(self) -> None:
        """Refuse datagrams beside TLS, which would go past it.

        Raises:
            ValueError: If this end has TLS.
        """
        if self.certificate is not None or self.authority is not None:
            raise ValueError(
                "transport=datagram sends frames in the clear, past tls.*. Leave tls.* out and put all of it "
                "into a tunnel (WireGuard, IPsec), or use transport=grpc."
            )

    @property
    def metadata(self) -> Sequence[tuple[str, str]]:
        """What a device sends with every call."""
        return () if self.token is None else ((_HEADER, f"Bearer {self.token}"),)

    def admits(self, metadata: Iterable[Any]) -> bool:
        """Whether a call's metadata carry this server's token."""
        if self.token is None:
            return True
        given = dict(metadata).get(_HEADER, "")
        return hmac.compare_digest(str(given).encode(), f"Bearer {self.token}".encode())


def _read(path: str | None) -> bytes | None:
    return None if path is None else Path(path).expanduser().read_bytes()
