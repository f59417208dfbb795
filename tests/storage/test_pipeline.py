"""Values go to PostgreSQL and come back the same; failures say little and leave nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.binary import encoder
from storage.committer import commit_conninfo
from storage.pipeline import ConnectionLost, Pipeline, StatementFailed

INT4, INT8 = 2**31 - 1, 2**63 - 1
VALUES: dict[str, list[Any]] = {
    "uuid": [uuid4(), UUID(int=0), UUID(int=2**128 - 1)],
    "bigint": [0, 1, -1, INT8, -INT8 - 1],
    "integer": [0, -5, INT4, -INT4 - 1],
    "text": ["", "a", "ä€😀", "x" * 5000, "{'\",\\}", "NULL"],
    "bytea": [b"", b"\x00\xff", bytes(2000)],
    "boolean": [True, False],
    "timestamptz": [0, -1, 1_700_000_000_123_456, 946_684_800_000_000],
}


@pytest_asyncio.fixture
async def pipeline(empty_database_url: str) -> AsyncIterator[Pipeline]:
    opened = await Pipeline.open(commit_conninfo(empty_database_url))
    yield opened
    opened.close()


@pytest.mark.parametrize("kind", VALUES)
async def test_every_type_survives_the_journey(pipeline: Pipeline, kind: str) -> None:
    values = VALUES[kind]
    columns = [values, [*values, None], [None], [], values[:1]]
    columns += [values[:1] * 3, values[:1] * 70, [None, None], [*values, *values[:1]]]
    columns += [[None, values[0], None], [values[0], None, values[0]]]

    rows = await pipeline.run(
        [(f"SELECT * FROM unnest($1::{kind}[])", (column,)) for column in columns]
    )
    scalars = await pipeline.run([(f"SELECT $1::{kind}", (value,)) for value in [*values, None]])

    assert [[value for (value,) in found] for found in rows] == columns
    assert [value for ((value,),) in scalars] == [*values, None]


async def test_columns_stay_side_by_side(pipeline: Pipeline) -> None:
    statement = "SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[])"
    rows = [("a", 1, uuid4()), (None, None, None), ("", -7, uuid4())]

    (found,) = await pipeline.run([(statement, tuple(map(list, zip(*rows, strict=True))))])

    assert found == rows


def test_a_value_that_does_not_fit_is_refused_before_it_is_sent() -> None:
    for cast, value in {
        "bigint[]": [1 << 63],
        "integer": 1 << 31,
        "text[]": ["\ud800"],
        "uuid[]": ["not a uuid"],
    }.items():
        with pytest.raises(Exception, match=r".*"):
            encoder(cast)(value)


TEXTS = st.text(st.characters(exclude_characters="\x00", codec="utf-8"))


async def test_any_text_comes_back(pipeline: Pipeline) -> None:
    statement = "SELECT * FROM unnest($1::text[], $2::bytea[])"

    # Hypothesis runs no coroutines: it makes the examples, one run sends them.
    examples: list[tuple[str | None, bytes | None]] = []

    @settings(max_examples=150, database=None, suppress_health_check=list(HealthCheck))
    @given(st.none() | TEXTS, st.none() | st.binary())
    def collect(text: str | None, data: bytes | None) -> None:
        examples.append((text, data))

    collect()
    (found,) = await pipeline.run([(statement, tuple(map(list, zip(*examples, strict=True))))])

    assert found == examples


async def test_the_answers_keep_the_order_of_the_statements(pipeline: Pipeline) -> None:
    statements = [
        (f"SELECT {number}::bigint WHERE $1::boolean", (number % 2 == 0,)) for number in range(50)
    ]

    for _ in range(2):
        found = await pipeline.run(statements)
        assert found == [[(number,)] if number % 2 == 0 else [] for number in range(50)]


async def test_a_large_batch_does_not_block_on_full_buffers(pipeline: Pipeline) -> None:
    size = 3_000_000

    found = await pipeline.run([("SELECT $1::text", (letter * size,)) for letter in "abc"])

    assert [len(text) for ((text,),) in found] == [size] * 3


async def test_a_failure_names_its_state_and_constraint_and_nothing_else(
    pipeline: Pipeline,
) -> None:
    await pipeline.run(
        [("CREATE TABLE small (amount bigint CONSTRAINT small_is_small CHECK (amount < 5))", ())]
    )
    insert = "INSERT INTO small SELECT * FROM unnest($1::bigint[])"

    with pytest.raises(StatementFailed) as caught:
        await pipeline.run([(insert, ([1],)), (insert, ([77_777],)), (insert, ([2],))])

    assert (caught.value.sqlstate, caught.value.constraint) == ("23514", "small_is_small")
    assert "77777" not in repr(caught.value) + str(caught.value)
    assert await pipeline.run([("SELECT count(*) FROM small", ())]) == [[(0,)]]
    await pipeline.run([(insert, ([3],))])
    assert await pipeline.run([("SELECT amount FROM small", ())]) == [[(3,)]]


async def test_what_was_to_be_prepared_after_a_failure_is_prepared_later(
    pipeline: Pipeline,
) -> None:
    with pytest.raises(StatementFailed, match="22012"):
        await pipeline.run([("SELECT 1 / $1::integer", (0,)), ("SELECT 7::bigint", ())])

    assert await pipeline.run([("SELECT 7::bigint", ())]) == [[(7,)]]


async def test_a_connection_that_is_cut_is_lost(pipeline: Pipeline) -> None:
    with pytest.raises(ConnectionLost):
        await pipeline.run([("SELECT pg_terminate_backend(pg_backend_pid())", ())])

    with pytest.raises(ConnectionLost):
        await pipeline.run([("SELECT 1", ())])


async def test_a_connection_that_is_cut_while_nobody_waits_is_heard_of_and_lost(
    pipeline: Pipeline, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Exception] = []
    lost = asyncio.Event()

    def lose(pipeline: Pipeline, error: psycopg.OperationalError) -> None:
        original(pipeline, error)
        heard.append(error)
        lost.set()

    original = Pipeline._lose
    monkeypatch.setattr(Pipeline, "_lose", lose)
    other = await Pipeline.open(commit_conninfo(empty_database_url))

    await other.run([("SELECT pg_terminate_backend($1::integer)", (pipeline.backend_pid,))])
    async with asyncio.timeout(5):
        await lost.wait()

    with pytest.raises(ConnectionLost):
        await pipeline.run([("SELECT 1", ())])
    assert len(heard) == 1  # it listens to the dead socket no more
    assert await other.run([("SELECT 7::bigint", ())]) == [[(7,)]]
    other.close()


async def test_a_batch_that_takes_too_long_is_given_up(pipeline: Pipeline) -> None:
    now = asyncio.get_running_loop().time()
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionLost):
            await pipeline.run([("SELECT pg_sleep($1::integer)", (30,))], now + 0.05)


async def test_each_batch_has_its_own_time(pipeline: Pipeline) -> None:
    now = asyncio.get_running_loop().time()
    await pipeline.run([("SELECT 1", ())], now + 0.05)  # sets a watch, which is not for the next

    assert await pipeline.run([("SELECT 7::bigint FROM pg_sleep(0.2)", ())], now + 1) == [[(7,)]]
    with pytest.raises(ConnectionLost):
        await pipeline.run([("SELECT pg_sleep($1::integer)", (30,))], now + 1.1)


async def test_who_is_cancelled_half_way_can_hang_up(pipeline: Pipeline) -> None:
    running = asyncio.create_task(pipeline.run([("SELECT pg_sleep($1::integer)", (5,))]))
    await asyncio.sleep(0)  # it has sent

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    pipeline.close()

    with pytest.raises(ConnectionLost):
        await pipeline.run([("SELECT 1", ())])


async def test_where_nobody_listens_there_is_no_connection() -> None:
    with pytest.raises(ConnectionLost):
        await Pipeline.open("postgresql://nobody@127.0.0.1:1/nothing")
