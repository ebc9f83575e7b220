"""TLS, mutual TLS and the token: who is let in, and what the others are told."""

import datetime
import ipaddress

import pytest

from bottleneck.runtime.device.client import Client
from bottleneck.runtime.device.connection import RefusedError
from bottleneck.runtime.security import Security


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Makes self-signed certificates for loopback: `certificate(name, days)` gives its file and its key's."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("tls")

    def made(name, days=1):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=9))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem, own = folder / f"{name}.pem", folder / f"{name}.key"
        pem.write_bytes(built.public_bytes(serialization.Encoding.PEM))
        none = serialization.NoEncryption()
        own.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none)
        )
        return str(pem), str(own)

    return made


def connected(port, half, **security):
    """Whether a device is let in."""
    with Client(f"127.0.0.1:{port}", half, security=Security(**security), timeout=3) as client:
        return client.connected


def test_token_lets_in_who_knows_it(serve, half):
    """The right token is let in; a wrong one and none are refused with the key."""
    _, port = serve(security=Security(token="open sesame"))
    assert connected(port, half, token="open sesame")
    for wrong in ({"token": "sesame"}, {}):
        with pytest.raises(RefusedError, match=r"UNAUTHENTICATED.*set token="):
            connected(port, half, **wrong)


def test_tls_needs_the_servers_authority(serve, half, certificate, digits_images):
    """A device that trusts the server's certificate is let in; in the clear or with other trust it is not."""
    pem, key = certificate("server")
    other, _ = certificate("other")
    _, port = serve(security=Security(certificate=pem, key=key))
    assert connected(port, half, authority=pem)
    assert not connected(port, half)
    assert not connected(port, half, authority=other)


def test_an_expired_certificate_is_not_trusted(serve, half, certificate):
    """A server whose certificate ended yesterday gets no frames."""
    pem, key = certificate("expired", days=-1)
    _, port = serve(security=Security(certificate=pem, key=key))
    assert not connected(port, half, authority=pem)


def test_mutual_tls_asks_devices_for_theirs(serve, half, certificate):
    """A server with an authority lets in devices that it signed, and no others."""
    pem, key = certificate("both")
    theirs, their_key = certificate("device")
    _, port = serve(security=Security(certificate=pem, key=key, authority=theirs))
    assert connected(port, half, authority=pem, certificate=theirs, key=their_key)
    assert not connected(port, half, authority=pem)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"certificate": __file__}, ValueError, "tls.key=None go together"),
        ({"authority": "/nowhere.pem"}, FileNotFoundError, "tls.authority=/nowhere.pem is missing"),
    ],
)
def test_incomplete_files_are_named(options, error, message):
    """What is missing is said before anybody connects."""
    with pytest.raises(error, match=message):
        Security(**options)


def test_what_only_one_side_has_is_refused():
    """An authority alone makes no TLS server, a certificate alone no TLS device."""
    with pytest.raises(ValueError, match=r"the server needs tls\.certificate"):
        Security(authority=__file__).server_credentials()
    with pytest.raises(ValueError, match=r"tls\.authority, the server's, is missing"):
        Security(certificate=__file__, key=__file__).channel_credentials()


@pytest.mark.parametrize("token", ["", " ", " word", "pässwort", "line\n"])
def test_a_token_that_cannot_be_sent_is_refused(token):
    """On either side, as no device could know it; an empty one would be a lock without a key."""
    with pytest.raises(ValueError, match="token="):
        Security(token=token)
