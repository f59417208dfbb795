"""gRPC's TLS credentials from PEM files, checked at start: gRPC itself would only fail later."""

import ssl
from pathlib import Path

import grpc

from core.settings import ServerTls
from gateway.process import ServeError


def server_credentials(tls: ServerTls) -> grpc.ServerCredentials:
    """What core proves itself with. Raises ServeError."""
    try:
        # An encrypted key would ask for its password on the terminal: an empty one fails instead.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            tls.certificate, tls.key, password=""
        )
        pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    except (OSError, ValueError):  # SSLError is an OSError
        raise ServeError(
            "REAPI_GRPC_TLS_CERT and REAPI_GRPC_TLS_KEY must be readable PEM files, and the key "
            "that of the certificate, without a password"
        ) from None
    return grpc.ssl_server_credentials([pair])


def channel_credentials(ca: Path) -> grpc.ChannelCredentials:
    """What a bridge checks core's certificate with. Raises ServeError."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca)
        content = ca.read_bytes()
    except (OSError, ValueError):
        raise ServeError("REAPI_CORE_TLS_CA must be a readable PEM file of certificates") from None
    return grpc.ssl_channel_credentials(content)
