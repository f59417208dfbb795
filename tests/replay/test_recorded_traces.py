"""`reapi simulate record`: a trace of what stands in the rows, and of nothing else."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from core.catalog.loader import embedded_files, load, stand_in
from core.engine.records import AttemptRecord
from core.errors import Fault, Phase, Reason
from core.model import AttemptState, Kind
from core.replay.policies import ReplayPolicy
from core.replay.samples import Samples
from core.replay.trace import Call, read_trace
from core.replay.world import World
from core.settings import Settings
from gateway.process import ServeError
from gateway.trace_recorder import record
from tests.fix_commit import Customer, PostgresHouse

DAY = timedelta(days=1)
FAILED = AttemptRecord(
    1,
    "openai-a",
    uuid4(),
    AttemptState.FAILED,
    Fault.RATE_LIMITED,
    Phase.FIRST_BYTE,
    429,
    started_ms=2,
    ended_ms=42,
    upstream_job_id="job-canary",
)
SLOW = AttemptRecord(2, "openai-b", uuid4(), AttemptState.FAILED, started_ms=43, ended_ms=900)
HEDGE = AttemptRecord(
    3,
    "openai-gone",
    uuid4(),
    AttemptState.DONE,
    phase=Phase.DONE,
    started_ms=500,
    first_byte_ms=880,
    ended_ms=900,
    is_hedge=True,
)


@pytest.fixture
async def customer(postgres_house: PostgresHouse) -> Customer:
    return await postgres_house.customer(10_000_000)


@pytest.fixture
def settings(postgres_house: PostgresHouse, tmp_path: Path) -> Settings:
    return Settings.from_env(
        {"REAPI_HOME": str(tmp_path), "REAPI_DATABASE_URL": postgres_house.url}
    )


async def served(house: PostgresHouse, customer: Customer, *attempts: AttemptRecord, **changes):
    new = customer.new(**changes)
    await house.commit(customer.open(new))
    first = replace(attempts[0], mark=new.first_attempt.mark)
    end = customer.settle(new, 20_000, attempts=(first, *attempts[1:]))
    await house.commit(end)
    return new


async def recorded(settings: Settings, capsys, since: timedelta = DAY) -> list[str]:
    capsys.readouterr()
    assert await record(settings, since, demo=True) == 0
    return capsys.readouterr().out.splitlines()


async def test_a_trace_holds_arrivals_calls_and_channels(
    postgres_house, customer, settings, capsys
) -> None:
    await served(postgres_house, customer, FAILED, SLOW, HEDGE)
    failed = customer.new(kind=Kind.VIDEO, model="veo-3.1")
    await postgres_house.commit(customer.open(failed))
    lost = replace(failed.first_attempt, state=AttemptState.LOST, started_ms=5, ended_ms=6_005)
    await postgres_house.commit(
        customer.void(failed, attempts=(lost,), reason=Reason.UPSTREAM_TIMEOUT)
    )
    await postgres_house.commit(customer.open(customer.new()))  # has not ended

    lines = await recorded(settings, capsys)
    trace = read_trace(lines)

    first, second = trace.requests
    assert (first.at, first.model, first.kind, first.reason) == (0.0, "gpt-image-2", "image", "")
    assert first.seconds is not None
    assert first.calls == (
        Call("openai-a", 0.04, 0.002, None, Fault.RATE_LIMITED, Phase.FIRST_BYTE),
        Call("openai-b", 0.857, 0.043, is_cut=True),
        Call("openai-gone", 0.4, 0.5, 0.38, is_hedge=True),
    )
    assert (second.kind, second.reason) == ("video", "UPSTREAM_TIMEOUT")
    assert second.at >= 0
    assert second.calls[0].fault is Fault.LOST
    files = embedded_files()
    known = load(files, stand_in(files, {})).channels["openai-a"]
    channels = {channel.name: channel for channel in trace.channels}
    assert channels.keys() == {"openai-a", "openai-b", "openai-gone"}
    assert channels["openai-a"].models == ("gpt-image-2", "veo-3.1")
    assert channels["openai-a"].deadlines == known.deadlines
    assert World(trace, ReplayPolicy(), Samples(trace), 1).run().requests == 2


async def test_a_channel_that_is_gone_from_the_catalogue_is_told(
    postgres_house, customer, settings, capsys
) -> None:
    await served(postgres_house, customer, replace(FAILED, channel="openai-a"), HEDGE)
    await record(settings, DAY, demo=True)

    assert capsys.readouterr().err == (
        "reapi: channel openai-gone is not in the catalogue that this command reads: "
        "recorded without priority and weight (of a demo gateway: add --demo)\n"
    )


async def test_nothing_else_of_the_rows_is_in_a_trace(
    postgres_house, customer, settings, capsys
) -> None:
    new = await served(postgres_house, customer, FAILED, SLOW, HEDGE)
    text = "\n".join(await recorded(settings, capsys))

    secrets = (new.id, customer.account_id, customer.key_id, new.hold_id, HEDGE.mark)
    assert not [secret for secret in secrets if str(secret) in text or secret.hex in text]
    assert "canary" not in text
    known = {"at", "model", "kind", "seconds", "calls"}
    assert all(json.loads(line).keys() <= known for line in text.splitlines() if '"at"' in line)


async def test_sandbox_calls_and_older_ones_are_left_out(
    postgres_house, customer, settings, capsys
) -> None:
    await served(postgres_house, customer, FAILED, sandbox=True)
    with pytest.raises(ServeError, match="nothing has ended in that time"):
        await record(settings, DAY, demo=True)
    old = customer.new()
    past = int(old.id.hex[:12], 16) - 7_200_000
    old = replace(old, id=type(old.id)(hex=f"{past:012x}{old.id.hex[12:]}"))
    await postgres_house.commit(customer.open(old))
    await postgres_house.commit(customer.void(old))
    await served(postgres_house, customer, FAILED, SLOW)

    assert len(read_trace(await recorded(settings, capsys, timedelta(hours=1))).requests) == 1
    two = read_trace(await recorded(settings, capsys)).requests
    assert [round(request.at) for request in two] == [0, 7_200]


async def test_a_database_of_another_version_is_told(empty_database_url, tmp_path, capsys) -> None:
    settings = Settings.from_env(
        {"REAPI_HOME": str(tmp_path), "REAPI_DATABASE_URL": empty_database_url}
    )
    with pytest.raises(ServeError, match="of another version"):
        await record(settings, DAY, demo=False)
    gone = empty_database_url.rsplit("@", 1)[0] + "@127.0.0.1:1/x"
    settings = Settings.from_env({"REAPI_HOME": str(tmp_path), "REAPI_DATABASE_URL": gone})
    with pytest.raises(ServeError, match="PostgreSQL is unavailable"):
        await record(settings, DAY, demo=False)
