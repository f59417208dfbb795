"""The generated messages of the contract, made to hide their content."""

from core.redaction import install
from reapi.v1 import (
    account_pb2,
    account_service_pb2,
    admin_pb2,
    admin_service_pb2,
    api_key_service_pb2,
    billing_pb2,
    billing_service_pb2,
    chat_pb2,
    chat_service_pb2,
    error_reason_pb2,
    generation_pb2,
    generation_service_pb2,
    model_service_pb2,
    parameters_pb2,
    privacy_pb2,
    receipt_pb2,
    usage_service_pb2,
    webhook_service_pb2,
)

FILES = (
    account_pb2.DESCRIPTOR,
    account_service_pb2.DESCRIPTOR,
    admin_pb2.DESCRIPTOR,
    admin_service_pb2.DESCRIPTOR,
    api_key_service_pb2.DESCRIPTOR,
    billing_pb2.DESCRIPTOR,
    billing_service_pb2.DESCRIPTOR,
    chat_pb2.DESCRIPTOR,
    chat_service_pb2.DESCRIPTOR,
    error_reason_pb2.DESCRIPTOR,
    generation_pb2.DESCRIPTOR,
    generation_service_pb2.DESCRIPTOR,
    model_service_pb2.DESCRIPTOR,
    parameters_pb2.DESCRIPTOR,
    privacy_pb2.DESCRIPTOR,
    receipt_pb2.DESCRIPTOR,
    usage_service_pb2.DESCRIPTOR,
    webhook_service_pb2.DESCRIPTOR,
)


def redact() -> None:
    """Patch every class, before the first message is made."""
    install(FILES)
