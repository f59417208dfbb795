"""Types that hold content refuse to show it."""

import logging
import pickle
import pprint
import traceback

import pytest

from core.body import Body, Secret
from core.errors import Fault, Phase, UpstreamError
from core.redaction import install
from reapi.v1 import generation_service_pb2, parameters_pb2

CANARY = "canary-7f3a-the-quick-brown-fox"


def renderings(value: object) -> str:
    return "".join(
        [
            str(value),
            repr(value),
            f"{value}",
            f"{value!s:>40}",
            "%s %r" % (value, value),  # noqa: UP031 - this very way of formatting is tested
            pprint.pformat({"value": [value]}),
            str((value,)),
        ]
    )


@pytest.mark.parametrize("kind", [Body, Secret])
@pytest.mark.parametrize("content", [CANARY, CANARY.encode()])
def test_a_sealed_value_shows_its_length_and_nothing_else(kind, content):
    sealed = kind(content)

    assert CANARY not in renderings(sealed)
    assert str(len(content)) in repr(sealed)
    assert sealed.reveal() == content


@pytest.mark.parametrize("kind", [Body, Secret])
def test_a_sealed_value_cannot_be_pickled(kind):
    with pytest.raises(TypeError):
        pickle.dumps(kind(CANARY))


def test_an_upstream_error_never_renders_the_providers_words():
    error = UpstreamError(Fault.BAD_REQUEST, Phase.FIRST_BYTE, 400, detail=Body(CANARY))
    try:
        raise error
    except UpstreamError as caught:
        text = "".join(traceback.format_exception(caught)) + renderings(caught)

    assert CANARY not in text


def message() -> generation_service_pb2.GenerateRequest:
    request = generation_service_pb2.GenerateRequest()
    spec = request.start.spec
    spec.model = "gpt-image-2"
    spec.request_id = CANARY
    spec.parameters.prompt = CANARY
    spec.parameters.inputs.add(inline=CANARY.encode(), uri=CANARY)
    spec.parameters.extras["seed"].text = CANARY
    return request


def test_generated_messages_hide_their_content_once_redaction_is_installed():
    install([generation_service_pb2.DESCRIPTOR, parameters_pb2.DESCRIPTOR])
    request = message()
    again = generation_service_pb2.GenerateRequest.FromString(request.SerializeToString())

    assert CANARY not in renderings(request)
    assert CANARY not in renderings(again)
    assert CANARY not in renderings(request.start.spec.parameters)
    assert "prompt=<" in repr(request)


def test_a_log_record_with_a_message_as_argument_does_not_leak(caplog):
    install([generation_service_pb2.DESCRIPTOR, parameters_pb2.DESCRIPTOR])
    with caplog.at_level(logging.INFO):
        logging.getLogger("some.library").info("got %s", message())

    assert CANARY not in caplog.text
