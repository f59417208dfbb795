"""QuoteGeneration, and generations that carry a quote: over a real channel and the local one."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import grpc
import pytest

from core.caller import Caller
from core.engine.quoting import PER_MINUTE, Quoting
from core.errors import Fault, GatewayError, Phase, Reason, UpstreamError
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import generation_service_pb2_grpc as rpc
from tests.fix_core import METADATA, TestCore, catalogue, wall_us
from tests.generating import SECONDS, generate, kinds, reason_of, start

MINUTES_US = 15 * 60 * 1_000_000


def spec(**parameters: Any) -> pb.GenerationSpec:
    found = pb.GenerationSpec(model="gpt-image-2")
    found.parameters.prompt = "a lighthouse"
    for name, value in parameters.items():
        setattr(found.parameters, name, value)
    return found


async def quoted(channel: Any, what: pb.GenerationSpec | None = None) -> pb.QuoteGenerationResponse:
    request = pb.QuoteGenerationRequest(spec=what or spec())
    found = await rpc.GenerationServiceStub(channel).QuoteGeneration(
        request, metadata=METADATA, timeout=SECONDS
    )
    assert isinstance(found, pb.QuoteGenerationResponse)
    return found


def carrying(token: str, what: pb.GenerationSpec | None = None) -> pb.GenerateRequest:
    found = what or spec()
    found.quote_token = token
    return pb.GenerateRequest(start=pb.GenerateStart(spec=found))


async def refused(channel: Any, message: pb.GenerateRequest) -> tuple[str, str]:
    """Reason and parameter."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await generate(channel, message)
    info = reason_of(caught.value)
    return info.reason, info.metadata["parameter"]


def dearer(core: TestCore, times: int) -> None:
    """The catalogue has other prices from now on."""
    known = catalogue()
    models = {
        id_: replace(
            model,
            prices=tuple(
                replace(row, amount_micros=row.amount_micros * times) for row in model.prices
            ),
        )
        for id_, model in known.models.items()
    }
    core.engine._intake.use(replace(known, models=models, version="f" * 64))


async def test_a_quote_says_the_price_and_who_would_serve_it(channel: Any, core: TestCore) -> None:
    found = await quoted(channel, spec(output_count=3, size="2048x2048"))

    assert found.maximum_micros == 42_000
    assert list(found.likely_channels) == ["openai-a", "openai-b", "openai-c"]
    assert found.quote_token.startswith("rq_")
    assert core.upstream.asked == []
    assert await core.balance() == (1000, 0)
    assert core.admission.calls == 0


async def test_a_quoted_generation_costs_what_was_quoted(channel: Any, core: TestCore) -> None:
    found = await quoted(channel)
    events = await generate(channel, carrying(found.quote_token))

    assert kinds(events)[-1] == "completed"
    assert events[-1].completed.generation.charged_micros == found.maximum_micros == 7_000
    (known,) = core.records.generations_by_id.values()
    assert known.row.quote_id is not None
    (line,) = known.row.price_lines
    assert (line.unit, line.quantity_milli, line.amount_micros) == ("image", 1_000, 7_000)


async def test_a_quote_holds_when_the_catalogue_has_become_dearer(
    channel: Any, core: TestCore
) -> None:
    found = await quoted(channel)
    dearer(core, 10)
    events = await generate(channel, carrying(found.quote_token))

    assert events[0].accepted.generation.quoted_micros == 7_000
    assert events[-1].completed.generation.charged_micros == 7_000
    assert await core.balance() == (993, 0)
    assert (await quoted(channel)).maximum_micros == 70_000


async def test_failover_to_another_channel_does_not_change_the_price(
    channel: Any, core: TestCore
) -> None:
    found = await quoted(channel)
    core.upstream.play("openai-a", (UpstreamError(Fault.SERVER_ERROR, Phase.FIRST_BYTE),))
    core.upstream.play("openai-b", (UpstreamError(Fault.SERVER_ERROR, Phase.FIRST_BYTE),))
    events = await generate(channel, carrying(found.quote_token))

    done = events[-1].completed.generation
    assert (done.channel, done.charged_micros) == ("openai-c", found.maximum_micros)


async def test_a_quote_is_used_once_and_nobody_is_asked_again(channel: Any, core: TestCore) -> None:
    found = await quoted(channel)
    await generate(channel, carrying(found.quote_token))
    asked = list(core.upstream.asked)

    assert await refused(channel, carrying(found.quote_token)) == ("QUOTE_EXPIRED", "")
    assert core.upstream.asked == asked
    assert await core.balance() == (993, 0)


async def test_the_same_request_again_is_a_replay_even_when_its_quote_is_over(
    channel: Any, core: TestCore
) -> None:
    found, what = await quoted(channel), spec()
    what.request_id = "one"
    first = await generate(channel, carrying(found.quote_token, what))
    again = await generate(channel, carrying(found.quote_token, what))

    assert again[0].accepted.replayed
    name = first[0].accepted.generation.name
    assert again[-1].completed.generation.name == name
    assert await core.balance() == (993, 0)


async def test_a_failed_generation_has_used_its_quote(channel: Any, core: TestCore) -> None:
    found = await quoted(channel)
    for name in ("openai-a", "openai-b", "openai-c"):
        core.upstream.play(name, (UpstreamError(Fault.BAD_REQUEST, Phase.FIRST_BYTE),))
    events = await generate(channel, carrying(found.quote_token))

    assert kinds(events)[-1] == "failed"
    assert await core.balance() == (1000, 0)
    assert await refused(channel, carrying(found.quote_token)) == ("QUOTE_EXPIRED", "")


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"size": "2048x2048"}, "size"),
        ({"output_count": 2}, "output_count"),
    ],
)
async def test_another_request_than_was_quoted_is_refused_by_its_name(
    channel: Any, core: TestCore, changes: dict[str, Any], parameter: str
) -> None:
    found = await quoted(channel)

    assert await refused(channel, carrying(found.quote_token, spec(**changes))) == (
        "QUOTE_MISMATCH",
        parameter,
    )
    assert core.upstream.asked == []
    assert await core.balance() == (1000, 0)


async def test_a_quote_is_for_one_model(channel: Any, core: TestCore) -> None:
    found, what = await quoted(channel), spec()
    what.model = "gpt-image-2-official"

    assert await refused(channel, carrying(found.quote_token, what)) == ("QUOTE_MISMATCH", "model")
    assert core.upstream.asked == []


async def test_what_the_price_does_not_follow_from_may_differ(channel: Any) -> None:
    found = await quoted(channel)
    what = spec(prompt="a harbour", output_format="jpeg", size="1536x1024")
    events = await generate(channel, carrying(found.quote_token, what))

    assert events[0].accepted.generation.quoted_micros == 7_000


async def test_another_account_cannot_use_a_quote(channel: Any, core: TestCore) -> None:
    found = await quoted(channel)
    core.gate.caller = Caller(uuid4(), uuid4())

    assert await refused(channel, carrying(found.quote_token)) == (
        "QUOTE_MISMATCH",
        "quote_token",
    )


@pytest.mark.parametrize("spoil", [lambda t: t[:-2] + "xx", lambda t: t[:40], lambda _t: "rq_"])
async def test_what_we_did_not_sign_is_no_quote(channel: Any, core: TestCore, spoil: Any) -> None:
    found = await quoted(channel)

    assert await refused(channel, carrying(spoil(found.quote_token))) == (
        "INVALID_PARAMETER",
        "quote_token",
    )
    assert core.upstream.asked == []


async def test_a_request_that_cannot_be_made_is_not_quoted(channel: Any) -> None:
    for what, reason in (
        (spec(size="1x1"), "INVALID_PARAMETER"),
        (pb.GenerationSpec(model="no-such-model"), "MODEL_NOT_FOUND"),
        (pb.GenerationSpec(model="gpt-image-2", quote_token="x"), "INVALID_PARAMETER"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await quoted(channel, what)
        assert reason_of(caught.value).reason == reason


async def test_an_answer_without_a_quote_is_as_it_was(channel: Any, core: TestCore) -> None:
    await generate(channel, start())

    (known,) = core.records.generations_by_id.values()
    assert known.row.quote_id is None
    assert [line.amount_micros for line in known.row.price_lines] == [7_000]


async def test_a_model_that_the_key_may_not_use_is_refused_before_anything_is_fetched(
    channel: Any, core: TestCore
) -> None:
    core.gate.caller = replace(core.gate.caller, allowed_models=frozenset({"veo-3.1"}))
    what = spec()
    what.parameters.inputs.add(uri="http://127.0.0.1:9/x.png")

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await quoted(channel, what)

    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
    assert reason_of(caught.value).reason == "MODEL_NOT_ALLOWED"
    core.gate.caller = replace(core.gate.caller, allowed_models=frozenset({"gpt-image-2"}))
    assert (await quoted(channel)).maximum_micros == 7_000


async def test_a_key_gets_sixty_quotes_a_minute_and_another_key_gets_its_own(
    core: TestCore,
) -> None:
    now, caller = [100.0], core.gate.caller
    quoting = Quoting(core.engine._intake, core.fleet, wall_us, lambda: now[0])
    for _ in range(PER_MINUTE):
        quoting.begin(caller, "gpt-image-2")

    with pytest.raises(GatewayError) as caught:
        quoting.begin(caller, "gpt-image-2")

    assert (caught.value.reason, caught.value.retry_after) == (Reason.RATE_LIMIT_EXCEEDED, 1.0)
    quoting.begin(replace(caller, key_id=uuid4()), "gpt-image-2")
    now[0] += 1.0
    quoting.begin(caller, "gpt-image-2")
