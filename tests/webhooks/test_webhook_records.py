"""What commits write about messages: the twin in memory, and the settings around it."""

from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.engine.records import Callback, FinishGeneration, HideGeneration
from core.engine.records_sql import RecordsSql
from core.engine.records_statements import INSERT_MESSAGES
from core.model import GenerationState
from core.settings import Settings
from core.settings_values import SettingsError
from storage.commits import Commit, Committed
from tests.fix_commit import Customer, House, MemoryHouse, PostgresHouse

CALLBACK = Callback(UUID(int=5), b"sealed")


async def told(house: House) -> list[tuple[UUID, str]]:
    """The generations whose end is told, and how they ended."""
    if isinstance(house, MemoryHouse):
        return [(id_, f"generation.{state}") for id_, state in house.records.told]
    rows = await house.query("SELECT generation_id, event_type FROM webhook_delivery ORDER BY id")
    return [(id_, kind) for id_, kind in rows]


async def callbacks(house: House) -> dict[UUID, Callback]:
    if isinstance(house, MemoryHouse):
        return house.records.callbacks
    rows = await house.query("SELECT generation_id, target, url FROM webhook_callback")
    return {id_: Callback(target, url) for id_, target, url in rows}


async def test_an_end_is_told_to_its_callback(house: House) -> None:
    customer = await house.customer(credit=100)
    new, lost = (customer.new(10, callback=CALLBACK) for _ in range(2))
    for item in (new, lost):
        assert isinstance(await house.commit(customer.open(item)), Committed)
    assert await told(house) == []

    await house.commit(customer.settle(new, 10))
    await house.commit(customer.void(lost, state=GenerationState.CANCELLED, reason=None))

    assert await callbacks(house) == {new.id: CALLBACK, lost.id: CALLBACK}
    expected = {(new.id, "generation.succeeded"), (lost.id, "generation.cancelled")}
    assert set(await told(house)) == expected


async def test_the_end_of_what_was_deleted_is_not_told(house: House) -> None:
    customer = await house.customer(credit=100)
    new = customer.new(10, callback=CALLBACK)
    await house.commit(customer.open(new))
    await house.commit(Commit((HideGeneration(new.id, customer.account_id),)))
    await house.commit(customer.settle(new, 10))

    assert await told(house) == []
    assert await callbacks(house) == {}


async def test_a_commit_that_is_sent_again_tells_once(postgres_house: PostgresHouse) -> None:
    customer = await postgres_house.customer(credit=100)
    new = customer.new(10, callback=CALLBACK)
    end = customer.settle(new, 10)
    for commit in (customer.open(new), end, end):
        await postgres_house.commit(commit)

    assert len(await told(postgres_house)) == 1


async def endpoint(house: PostgresHouse, customer: Customer, **values: Any) -> UUID:
    """An endpoint of the customer; *values* of its columns."""
    columns = {"event_types": [], "disabled": False} | values
    rows = await house.query(
        "INSERT INTO webhook_endpoint (account_id, id, event_types, disabled, url, display_name,"
        " secret) VALUES (%s, gen_random_uuid(), %s, %s, '', '', '') RETURNING id",
        *(customer.account_id, columns["event_types"], columns["disabled"]),
    )
    return UUID(str(rows[0][0]))


async def test_of_many_ends_in_one_commit_those_are_told_of_which_somebody_wants_to_hear(
    postgres_house: PostgresHouse,
) -> None:
    house = postgres_house
    listening, choosy, silenced, deaf = [await house.customer(credit=100) for _ in range(4)]
    await endpoint(house, listening)
    await endpoint(house, choosy, event_types=["generation.failed"])
    await endpoint(house, silenced, disabled=True)
    new = [one.new(10) for one in (listening, choosy, silenced, deaf)]
    new += [silenced.new(10, callback=CALLBACK), deaf.new(10, callback=CALLBACK)]
    makers = (listening, choosy, silenced, deaf, silenced, deaf)
    await house.batch(*(who.open(one) for who, one in zip(makers, new, strict=True)))

    await house.batch(*(who.settle(one, 10) for who, one in zip(makers, new, strict=True)))

    assert {id_ for id_, _ in await told(house)} == {new[0].id, new[4].id, new[5].id}


async def test_an_endpoint_hears_of_ends_as_soon_as_it_is_there_and_until_it_is_disabled(
    postgres_house: PostgresHouse,
) -> None:
    """One by one, as an idle gateway commits; an end is told by who listens when it comes."""
    customer = await postgres_house.customer(credit=100)
    before, while_there, after = (customer.new(10) for _ in range(3))
    for one in (before, while_there, after):
        await postgres_house.commit(customer.open(one))

    await postgres_house.commit(customer.settle(before, 10))
    there = await endpoint(postgres_house, customer)
    await postgres_house.commit(customer.settle(while_there, 10))
    await postgres_house.query(
        "UPDATE webhook_endpoint SET disabled = true WHERE id = %s RETURNING 1", there
    )
    await postgres_house.commit(customer.settle(after, 10))

    assert [id_ for id_, _ in await told(postgres_house)] == [while_there.id]


async def test_what_begins_and_ends_in_one_commit_is_told(postgres_house: PostgresHouse) -> None:
    """Nothing was there yet that could have said whether anybody listens."""
    customer = await postgres_house.customer(credit=100)
    new = customer.new(10, callback=CALLBACK)

    await postgres_house.batch(customer.open(new), customer.settle(new, 10))

    assert await told(postgres_house) == [(new.id, "generation.succeeded")]


def test_nothing_is_asked_about_messages_where_nobody_listens() -> None:
    """A statement that finds nothing to write costs as much as many that do."""
    customer = Customer(uuid4(), uuid4())
    new = customer.new(10)
    end = customer.settle(new, 10).parts[0]
    assert isinstance(end, FinishGeneration)
    room = RecordsSql()
    for is_heard in (True, False):
        row = ("generation", new.account_id, new.id, "accepted", new.owner_epoch, False, is_heard)
        book = room.book([[row]], now_us=0)
        assert book.refusal(end) is None
        book.take(end)
        assert (INSERT_MESSAGES in dict(room.writes(book))) is is_heard


async def test_a_refused_hold_leaves_no_callback(house: House) -> None:
    customer = await house.customer(credit=1)
    await house.commit(customer.open(customer.new(10, callback=CALLBACK)))

    assert await callbacks(house) == {}


def test_networks_for_webhooks_are_checked_at_the_start() -> None:
    settings = Settings.from_env({"REAPI_WEBHOOK_NETWORKS": "127.0.0.0/8, 10.1.2.3"})

    assert settings.webhook_networks == (ip_network("127.0.0.0/8"), ip_network("10.1.2.3/32"))
    assert Settings.from_env({}).webhook_networks == ()
    with pytest.raises(SettingsError, match="REAPI_WEBHOOK_NETWORKS"):
        Settings.from_env({"REAPI_WEBHOOK_NETWORKS": "nearby"})
