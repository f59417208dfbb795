"""Certificate authorities of our own, for tests of TLS."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """PEM files of a certificate and its key."""

    certificate: Path
    key: Path


@dataclass
class Authority:
    """Signs certificates; its own is in `file`."""

    folder: Path
    name: str = "authority"
    _key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False
    )

    def __post_init__(self) -> None:
        self.file = self.folder / f"{self.name}.pem"
        signed = self._certificate(self._key.public_key(), self.name, is_authority=True)
        self.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def issue(self, host: str) -> Pair:
        """A certificate for *host* and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = self._certificate(key.public_key(), host, is_authority=False)
        pair = Pair(self.folder / f"{host}.pem", self.folder / f"{host}.key")
        pair.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pair

    def _certificate(
        self, key: ec.EllipticCurvePublicKey, name: str, *, is_authority: bool
    ) -> x509.Certificate:
        """With all that RFC 5280 asks for: Python's default is strict about it since 3.13."""
        now = datetime.now(UTC)
        mine, own = self._key.public_key(), x509.SubjectKeyIdentifier.from_public_key(key)
        return (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(self.name))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(own, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(mine), critical=False)
            .add_extension(key_usage(is_authority=is_authority), critical=True)
            .sign(self._key, hashes.SHA256())
        )


def key_usage(*, is_authority: bool) -> x509.KeyUsage:
    """What a key is for: to sign certificates, or the handshakes of a server."""
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
