"""How OpenAI's images are asked for on Azure, and what its refusals mean."""

import orjson
import pytest
from multidict import CIMultiDict

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Ask, Channel, Input, Kind, Role
from core.providers.azure_images import AzureImages
from core.providers.wire import Call, Reply
from tests.providers.tapes_openai_images import MODERATION, error

DIALECT = AzureImages()
ASK = Ask("ours", Kind.IMAGE, Body("a red fox"))
EDIT = Ask(
    "ours",
    Kind.IMAGE,
    Body("a red fox"),
    (Input(Role.IMAGE, Body(b"png"), "image/png", parameter="image"),),
)
VERSION = {"api_version": "2025-04-01-preview"}


def call(ask: Ask, options: dict[str, str] | None = None) -> Call:
    channel = Channel(
        "a", "azure_images", "our images", "http://r", Secret("azure-key"), options=options or {}
    )
    return DIALECT.encode(ask, channel)


def names(made: Call) -> list[str]:
    if isinstance(made.body, Body):
        return list(orjson.loads(made.body.reveal()))
    assert made.body is not None
    return [part.name for part in made.body]


@pytest.mark.parametrize(("ask", "action"), [(ASK, "generations"), (EDIT, "edits")])
def test_the_v1_api_is_told_the_deployment_as_the_model(ask: Ask, action: str) -> None:
    made = call(ask)

    assert made.path == f"/openai/v1/images/{action}"
    assert "model" in names(made)
    assert dict(made.headers) == {"api-key": "azure-key"}


@pytest.mark.parametrize(("ask", "action"), [(ASK, "generations"), (EDIT, "edits")])
def test_the_classic_api_has_the_deployment_in_its_path_only(ask: Ask, action: str) -> None:
    made = call(ask, VERSION)

    assert made.path == (
        f"/openai/deployments/our%20images/images/{action}?api-version=2025-04-01-preview"
    )
    assert "model" not in names(made)


def refusal(status: int, body: object, ask: Ask = ASK) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        DIALECT.read(Reply(status, CIMultiDict(), Body(orjson.dumps(body)), 0.0), ask)
    return caught.value


INNER = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}}


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (400, {"error": {"code": "content_filter", "message": "no"}}, Fault.CONTENT_POLICY),
        (400, {"error": {"code": "contentFilter", "message": "no"}}, Fault.CONTENT_POLICY),
        (400, {"code": "content_filter", "message": "no"}, Fault.CONTENT_POLICY),
        (400, error("x", "content_policy_violation"), Fault.CONTENT_POLICY),
        (400, MODERATION, Fault.CONTENT_POLICY),
        (400, {"error": {"code": "400", "innererror": INNER}}, Fault.CONTENT_POLICY),
        (400, {"error": {"code": None, "inner_error": INNER}}, Fault.CONTENT_POLICY),
        (400, {"hello": "world"}, Fault.INVALID_RESPONSE),
        (401, {"error": {"code": "401", "message": "denied"}}, Fault.AUTH),
        (403, {"error": {"code": "Forbidden", "message": "blocked"}}, Fault.AUTH),
        (404, {"error": {"code": "DeploymentNotFound", "message": "none"}}, Fault.NOT_FOUND),
        (408, {"error": {"code": "Timeout", "message": "late"}}, Fault.TIMEOUT),
        (429, {"error": {"code": "429", "message": "slow"}}, Fault.RATE_LIMITED),
        (429, {"error": {"code": "RateLimitReached", "message": "slow"}}, Fault.RATE_LIMITED),
        (429, {"error": {"code": "NoCapacity", "message": "full"}}, Fault.OVERLOADED),
        (500, {"error": {"code": "server_error", "message": "oh"}}, Fault.SERVER_ERROR),
    ],
)
def test_refusals_have_their_fault(status: int, body: object, fault: Fault) -> None:
    failure = refusal(status, body)

    assert (failure.fault, failure.http_status) == (fault, status)


def test_the_filter_tells_where_it_looked() -> None:
    prompt = {"error": {"code": "content_filter", "param": "prompt", "innererror": INNER}}

    assert refusal(400, prompt).stage == "input"
    assert refusal(400, MODERATION).stage == "output"
    assert refusal(400, {"error": {"code": "content_filter"}}).stage == ""
