"""What customers type into webhooks, and what signs them, is nowhere to be read."""

import logging
from typing import Any

import pytest
from psycopg import sql

from core.log import render
from gateway.proof.canaries import Canaries
from storage.pool import Pool
from tests.webhooks.receiving import Receiver, drops, says
from tests.webhooks.whole_core import Whole

_COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'
"""


async def rows(pool: Pool) -> dict[str, bytes]:
    """Every value of every column, by table and column."""
    found = {}
    async with pool.connection() as connection:
        for table, column in await (await connection.execute(_COLUMNS)).fetchall():
            query = sql.SQL("SELECT string_agg({}::text, ' ') FROM {}").format(
                sql.Identifier(column), sql.Identifier(table)
            )
            ((text,),) = await (await connection.execute(query)).fetchall()
            found[f"{table}.{column}"] = (text or "").encode()
    return found


def logged(caplog: pytest.LogCaptureFixture, whole: Whole) -> bytes:
    """Everything that libraries said at the lowest level, and all our events."""
    lines = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    return "\n".join([*lines, *(render(event, 0.0) for event in whole.emitted)]).encode()


async def exercise(whole: Whole, receiver: Receiver, canaries: Canaries) -> None:
    """Every call and every fate of a message, with a canary in whatever is typed."""
    plant = canaries.plant
    for behaviour in (says(200), says(500), says(302, {"location": "https://x/"}), drops):
        path = f"/{plant('url')}"
        body: dict[str, Any] = {
            "uri": f"{receiver.plays(path, behaviour)}?k={plant('query')}",
            "display_name": plant("name"),
        }
        key = {"idempotency-key": plant("request id")}
        made = await whole.ask("POST", "/api/v1/webhook_endpoints", json=body, headers=key)
        canaries.guard("an endpoint's secret", made["secret"].removeprefix("whsec_"))
        name = f"/api/v1/{made['webhook_endpoint']['name']}"
        await whole.ask("PATCH", name, json={"display_name": plant("name")}, headers=key)
        turned = await whole.ask("POST", f"{name}:rotate_secret", json={}, headers=key)
        canaries.guard("a turned secret", turned["secret"].removeprefix("whsec_"))
        await whole.ask("POST", f"{name}:test", json={}, headers=key)
    made = await whole.ask("POST", "/api/v1/callback_secret:rotate", json={})
    canaries.guard("the callback secret", made["secret"].removeprefix("whsec_"))
    call = f"/{plant('callback')}"
    request = {"model": "gpt-image-2", "prompt": plant("prompt")}
    for url in (receiver.url + call, f"https://{plant('host')}.invalid/{plant('path')}"):
        await whole.ask("POST", "/api/v1/images/generations", json={**request, "callback_url": url})
    await receiver.wait(call)
    for wrong in (f"http://{plant('refused')}.example/", f"https://10.0.0.1/{plant('refused')}"):
        for path, refused in (
            ("/api/v1/webhook_endpoints", {"uri": wrong}),
            ("/api/v1/images/generations", {**request, "callback_url": wrong}),
        ):
            answer = await whole.http.post(path, json=refused)
            assert answer.status_code == 400
            assert canaries.found_in(answer.content) == set()


async def test_no_url_name_or_secret_is_in_a_row_or_a_log(
    whole: Whole, receiver: Receiver, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, "aiohttp")  # the receiver's, not ours
    caplog.set_level(logging.INFO, "httpx")
    canaries = Canaries()
    await exercise(whole, receiver, canaries)

    found = {place: canaries.found_in(data) for place, data in (await rows(pool)).items()}
    assert {place: what for place, what in found.items() if what} == {}
    mine = [record for record in caplog.records if not record.name.startswith("httpx")]
    caplog.records[:] = mine
    assert canaries.found_in(logged(caplog, whole)) == set()
    assert not any(type(event).__name__ == "Defect" for event in whole.emitted)
    for message in receiver.received:
        assert "prompt" not in canaries.found_in(message.body)


async def test_the_search_would_find_a_url_in_the_clear(whole: Whole, pool: Pool) -> None:
    canaries = Canaries()
    word = canaries.plant("url")
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO webhook_endpoint (account_id, id, url, display_name, secret)"
            " VALUES (%s, gen_random_uuid(), %s, '', '')",
            (whole.account, f"https://{word}.example/".encode()),
        )

    found = {place for place, data in (await rows(pool)).items() if canaries.found_in(data)}
    assert found == {"webhook_endpoint.url"}
