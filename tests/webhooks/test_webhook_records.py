"""What commits write about messages: the twin in memory, and the settings around it."""

from ipaddress import ip_network
from uuid import UUID

import pytest

from core.engine.records import Callback, HideGeneration
from core.model import GenerationState
from core.settings import Settings
from core.settings_values import SettingsError
from storage.commits import Commit, Committed
from tests.fix_commit import House, MemoryHouse, PostgresHouse

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
