"""Signatures are those of Standard Webhooks: both verifiers that customers use pass them."""

import base64
import time
from collections.abc import Callable

import openai
import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from core.body import Secret
from core.webhooks.signing import SECRET_BYTES, make_secret, signature, signed_headers

Verifies = Callable[[Secret[str], bytes, dict[str, str]], bool]
CLIENT = openai.OpenAI(api_key="sk-x")
secrets = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES).map(make_secret)
bodies = st.text(st.characters(codec="utf-8"), max_size=200).map(str.encode)
ids = st.uuids().map(lambda id_: f"msg_{id_.hex}")


def openai_passes(secret: Secret[str], body: bytes, headers: dict[str, str]) -> bool:
    try:
        CLIENT.webhooks.verify_signature(body.decode(), headers, secret=secret.reveal())
    except openai.InvalidWebhookSignatureError:
        return False
    return True


def standard_passes(secret: Secret[str], body: bytes, headers: dict[str, str]) -> bool:
    try:
        verifier = standardwebhooks.Webhook(secret.reveal())
        verifier.verify(body, headers, json_parse=False)
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


@pytest.mark.parametrize("passes", [openai_passes, standard_passes])
@given(secret=secrets, id_=ids, body=bodies)
def test_a_message_passes_and_nothing_else_does(
    passes: Verifies, secret: Secret[str], id_: str, body: bytes
) -> None:
    now = int(time.time())
    headers = signed_headers([secret], id_, now, body)

    assert passes(secret, body, headers)
    assert not passes(secret, body + b" ", headers)
    assert not passes(secret, body, headers | {"webhook-id": id_ + "0"})
    assert not passes(secret, body, headers | {"webhook-timestamp": str(now - 1)})
    assert not passes(make_secret(b"another secret, of 32 bytes too."), body, headers)


@pytest.mark.parametrize("passes", [openai_passes, standard_passes])
@given(old=secrets, fresh=secrets, body=bodies)
def test_with_two_secrets_each_of_them_verifies(
    passes: Verifies, old: Secret[str], fresh: Secret[str], body: bytes
) -> None:
    headers = signed_headers([fresh, old], "msg_1", int(time.time()), body)

    assert passes(old, body, headers)
    assert passes(fresh, body, headers)


def test_a_message_of_an_hour_ago_is_no_message() -> None:
    secret = make_secret(bytes(SECRET_BYTES))
    headers = signed_headers([secret], "msg_1", int(time.time()) - 3600, b"{}")

    assert not openai_passes(secret, b"{}", headers)
    assert not standard_passes(secret, b"{}", headers)


def test_the_example_of_the_standard_comes_out_as_printed() -> None:
    # From the specification's own test vectors (Standard Webhooks 1.0, "Signature scheme").
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'

    made = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_32_bytes_in_base64_behind_its_prefix() -> None:
    text = make_secret(bytes(range(32))).reveal()

    assert text.startswith("whsec_")
    assert base64.b64decode(text.removeprefix("whsec_")) == bytes(range(32))


def test_without_a_secret_there_is_an_id_and_a_time_and_no_signature() -> None:
    assert signed_headers([], "msg_1", 5, b"{}") == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "5",
    }
