"""Messages arrive at least once, signed, whatever receivers do (field.md D 9)."""

import asyncio
import json
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openai
import pytest
import standardwebhooks

from core.engine.rules import apply_rules
from tests.certificates import Authority
from tests.fix_commit import PostgresHouse
from tests.webhooks.posting_office import Desk, by_hand, open_desk, working
from tests.webhooks.receiving import (
    Received,
    Receiver,
    babbles,
    drops,
    hangs,
    receiving,
    says,
)


def verified(message: Received, secret: str) -> dict[str, Any]:
    """The body, after both verifiers that customers use have passed it."""
    client = openai.OpenAI(api_key="sk-x", webhook_secret=secret)
    client.webhooks.verify_signature(message.body.decode(), message.headers)
    client.webhooks.unwrap(message.body.decode(), message.headers)
    found = standardwebhooks.Webhook(secret).verify(message.body, message.headers)
    assert isinstance(found, dict)
    return found


async def test_a_success_is_told_with_links_and_without_a_request(
    desk: Desk, receiver: Receiver
) -> None:
    _, secret = await desk.endpoint(receiver.url + "/hook")
    new = await desk.end()

    assert await desk.send_due() == 1

    (message,) = receiver.at("/hook")
    body = verified(message, secret)
    assert body["type"] == "generation.succeeded"
    assert datetime.fromisoformat(body["timestamp"]).tzinfo == UTC
    task = body["data"]
    assert (task["id"], task["status"], task["error"]) == (f"task_{new.id.hex}", "completed", None)
    (link,) = task["output"]["image_urls"]
    assert link.startswith(f"https://gateway.test/media/tasks/{new.id.hex}/")
    assert message.headers["content-type"] == "application/json"
    (delivery,) = await desk.deliveries()
    assert (delivery.state, delivery.try_count, delivery.http_status) == ("delivered", 1, 200)
    assert delivery.next_try_at is None


async def test_a_failure_is_told_to_a_callback_url_unsigned_until_there_is_a_secret(
    desk: Desk, receiver: Receiver
) -> None:
    await desk.end(receiver.url + "/one", failed=True)
    await desk.send_due()
    secret, _ = await desk.office.endpoints.rotate_callbacks(by_hand(desk.account), 60.0)
    await desk.end(receiver.url + "/two", failed=True)
    await desk.send_due()

    (unsigned,), (signed,) = receiver.at("/one"), receiver.at("/two")
    assert "webhook-signature" not in unsigned.headers
    assert secret is not None
    body = verified(signed, secret.reveal())
    assert body["type"] == json.loads(unsigned.body)["type"] == "generation.failed"
    assert body["data"]["error"]["code"] == "upstream_error"


async def test_an_endpoint_hears_only_what_it_asked_for(desk: Desk, receiver: Receiver) -> None:
    await desk.endpoint(receiver.url + "/failures", event_types=["generation.failed"])
    await desk.endpoint(receiver.url + "/off", disabled=True)
    await desk.end()

    assert await desk.send_due() == 0


async def test_another_account_hears_nothing(desk: Desk, receiver: Receiver) -> None:
    await desk.endpoint(receiver.url + "/hook")
    desk.customer = await desk.house.customer(credit=100)
    await desk.end()

    assert await desk.send_due() == 0
    assert await desk.deliveries() == []


async def test_any_2xx_is_success(desk: Desk, receiver: Receiver) -> None:
    for status in (200, 202, 204, 299):
        await desk.end(receiver.plays(f"/{status}", says(status, body=b"")))
    await desk.send_due()

    assert [item.state for item in await desk.deliveries()] == ["delivered"] * 4


@pytest.mark.parametrize("status", [304, 404, 429, 500])
async def test_any_other_answer_is_tried_again_under_the_same_id(
    desk: Desk, receiver: Receiver, status: int
) -> None:
    _, secret = await desk.endpoint(receiver.plays("/hook", says(status, body=b""), says(200)))
    await desk.end()
    await desk.send_due()

    (waiting,) = await desk.deliveries()
    assert (waiting.state, waiting.http_status, waiting.fault) == ("pending", status, "status")
    assert await desk.send_due() == 0, "not before its time"
    await desk.pass_hours(0.01)
    await desk.send_due()

    first, second = receiver.at("/hook")
    assert (first.id, first.body) == (second.id, second.body)
    assert verified(first, secret) == verified(second, secret)
    (delivery,) = await desk.deliveries()
    assert (delivery.state, delivery.try_count, delivery.http_status) == ("delivered", 2, 200)


async def test_a_redirect_is_not_followed(desk: Desk, receiver: Receiver) -> None:
    target = receiver.url + "/inside"
    await desk.endpoint(receiver.plays("/hook", says(307, {"location": target})))
    await desk.end()
    await desk.send_due()

    assert receiver.at("/inside") == []
    (delivery,) = await desk.deliveries()
    assert (delivery.http_status, delivery.fault) == (307, "status")


async def test_a_dropped_connection_is_a_fault_of_its_own(desk: Desk, receiver: Receiver) -> None:
    await desk.endpoint(receiver.plays("/hook", drops))
    await desk.end()
    await desk.send_due()

    (delivery,) = await desk.deliveries()
    assert (delivery.state, delivery.http_status, delivery.fault) == ("pending", 0, "refused")


async def test_an_endless_answer_is_not_listened_to(desk: Desk, receiver: Receiver) -> None:
    await desk.endpoint(receiver.plays("/hook", babbles))
    await desk.end()
    async with asyncio.timeout(5):
        await desk.send_due()

    assert [item.state for item in await desk.deliveries()] == ["delivered"]


async def test_gone_disables_the_endpoint_at_once(desk: Desk, receiver: Receiver) -> None:
    endpoint, _ = await desk.endpoint(receiver.plays("/hook", says(410)))
    await desk.end()
    await desk.send_due()
    await desk.end()

    assert (await desk.office.endpoints.get(desk.account, endpoint.id)).disabled
    assert [item.state for item in await desk.deliveries()] == ["failed"]


async def test_after_72_hours_of_failures_the_endpoint_is_disabled_and_its_messages_end(
    desk: Desk, receiver: Receiver
) -> None:
    endpoint, _ = await desk.endpoint(receiver.plays("/hook", says(500)))
    await desk.end()
    await desk.send_due()
    await desk.pass_hours(71.5)
    await desk.send_due()

    assert not (await desk.office.endpoints.get(desk.account, endpoint.id)).disabled
    await desk.pass_hours(0.6)
    await desk.send_due()

    (delivery,) = await desk.deliveries()
    assert (delivery.state, delivery.try_count) == ("failed", 3)
    assert (await desk.office.endpoints.get(desk.account, endpoint.id)).disabled
    await desk.end()
    assert len(await desk.deliveries()) == 1, "nothing is written for it any more"


async def test_a_success_between_failures_begins_the_72_hours_anew(
    desk: Desk, receiver: Receiver
) -> None:
    script = (says(500), says(200), says(500))
    endpoint, _ = await desk.endpoint(receiver.plays("/hook", *script))
    await desk.end()
    await desk.send_due()
    await desk.pass_hours(71)
    await desk.send_due()
    await desk.pass_hours(2)
    await desk.end()
    await desk.send_due()

    assert not (await desk.office.endpoints.get(desk.account, endpoint.id)).disabled


async def test_after_a_rotation_messages_carry_both_signatures_until_the_grace_is_over(
    desk: Desk, receiver: Receiver
) -> None:
    endpoint, old = await desk.endpoint(receiver.url + "/hook")
    rotated, fresh = await desk.office.endpoints.rotate(by_hand(desk.account), endpoint.id, 3600.0)
    await desk.end()
    await desk.send_due()
    await desk.pass_hours(2)
    await desk.end()
    await desk.send_due()

    during, after = receiver.at("/hook")
    assert fresh is not None
    assert rotated.old_secret_expires_at is not None
    assert len(during.headers["webhook-signature"].split(" ")) == 2
    assert verified(during, old) == verified(during, fresh.reveal())
    verified(after, fresh.reveal())
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(old).verify(after.body, after.headers)


async def test_a_rotation_without_grace_drops_the_old_secret_at_once(
    desk: Desk, receiver: Receiver
) -> None:
    endpoint, old = await desk.endpoint(receiver.url + "/hook")
    await desk.office.endpoints.rotate(by_hand(desk.account), endpoint.id, 0.0)
    await desk.end()
    await desk.send_due()

    (message,) = receiver.at("/hook")
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(old).verify(message.body, message.headers)


async def test_a_message_is_sent_again_on_demand_under_its_id(
    desk: Desk, receiver: Receiver
) -> None:
    await desk.endpoint(receiver.url + "/hook")
    await desk.end()
    await desk.send_due()
    (delivery,) = await desk.deliveries()

    again = await desk.office.deliveries.again(by_hand(desk.account), delivery.id)
    await desk.send_due()

    first, second = receiver.at("/hook")
    assert (again.state, again.id) == ("pending", delivery.id)
    assert (first.id, first.body) == (second.id, second.body)
    assert [item.try_count for item in await desk.deliveries()] == [2]


async def test_the_end_of_a_deleted_generation_is_told_to_nobody(
    desk: Desk, receiver: Receiver
) -> None:
    await desk.endpoint(receiver.url + "/hook")
    running = await desk.begin(receiver.url + "/call")
    await desk.hide(running)
    await desk.house.commit(desk.customer.settle(running, 10))
    ended = await desk.end(receiver.url + "/call")
    await desk.hide(ended)

    assert await desk.send_due() == 0
    assert {item.state for item in await desk.deliveries()} == {"failed"}
    assert await desk.house.query("SELECT 1 FROM webhook_callback") == []


async def test_a_generation_deleted_while_its_message_is_queued_is_not_told(
    desk: Desk, receiver: Receiver
) -> None:
    await desk.endpoint(receiver.url + "/hook")
    new = await desk.end()
    ((account, id_),) = await desk.house.query(
        "UPDATE webhook_delivery SET queued_at = now() RETURNING account_id, id"
    )
    await desk.house.query(
        "UPDATE generation SET hidden_at = now() WHERE id = %s RETURNING 1", new.id
    )
    await desk.office.sender.send(account, id_)

    assert receiver.received == []
    assert [item.state for item in await desk.deliveries()] == ["failed"]


async def test_what_is_deleted_while_it_is_being_sent_leaves_its_place(
    desk: Desk, receiver: Receiver
) -> None:
    release = asyncio.Event()
    await desk.endpoint(receiver.plays("/hook", hangs(release)))
    endpoint, _ = await desk.endpoint(receiver.plays("/other", hangs(release)))
    new = await desk.end()
    sending = asyncio.ensure_future(desk.send_due())
    await receiver.wait("/hook")
    await receiver.wait("/other")
    await desk.office.endpoints.delete(by_hand(desk.account), endpoint.id)
    await desk.hide(new)
    release.set()
    await sending

    assert {item.state for item in await desk.deliveries()} == {"failed"}
    rows = "SELECT count(*) FROM webhook_delivery WHERE queued_at IS NOT NULL"
    assert await desk.house.query(rows) == [(0,)]


async def test_a_hanging_receiver_delays_nobody_else(desk: Desk, receiver: Receiver) -> None:
    release = asyncio.Event()
    await desk.endpoint(receiver.plays("/slow", hangs(release)))
    for _ in range(30):
        await desk.end()
    desk.customer = await desk.house.customer(credit=1000)
    await desk.endpoint(receiver.url + "/quick")
    async with working(desk):
        await receiver.wait("/slow", 4)
        for _ in range(10):
            await desk.end()
        await receiver.wait("/quick", 10)
        assert len(receiver.at("/slow")) == 4, "a receiver is told four things at a time"
        release.set()
        await receiver.wait("/slow", 30)


async def test_a_retry_may_arrive_after_a_later_message_and_both_are_told_apart(
    desk: Desk, receiver: Receiver
) -> None:
    _, secret = await desk.endpoint(receiver.plays("/hook", says(500), says(200)))
    earlier = await desk.end()
    await desk.send_due()
    later = await desk.end()
    await desk.send_due()
    await desk.pass_hours(0.01)
    await desk.send_due()

    messages = [verified(item, secret) for item in receiver.at("/hook")]
    ids = [message["data"]["id"] for message in messages]
    assert ids == [f"task_{new.id.hex}" for new in (earlier, later, earlier)]
    assert messages[2]["timestamp"] < messages[1]["timestamp"]


async def test_a_receiver_without_valid_tls_is_not_told(
    postgres_house: PostgresHouse, tmp_path: Path
) -> None:
    pair = Authority(tmp_path, "stranger").issue("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    async with receiving(context) as receiver, open_desk(postgres_house) as desk:
        await desk.endpoint(receiver.url + "/hook")
        await desk.end()
        await desk.send_due()

        assert receiver.received == []
        (delivery,) = await desk.deliveries()
        assert (delivery.state, delivery.fault) == ("pending", "refused")


async def test_workers_deliver_what_commits_wrote(desk: Desk, receiver: Receiver) -> None:
    _, secret = await desk.endpoint(receiver.plays("/hook", says(503), says(200)))
    async with working(desk):
        for _ in range(5):
            await desk.end(receiver.url + "/call")
        for message in await receiver.wait("/hook", 5):
            verified(message, secret)
        await receiver.wait("/call", 5)
    rows = await desk.house.query("SELECT count(*) FROM procrastinate_jobs")
    assert rows == [(0,)]


async def test_30_days_later_nothing_is_left(desk: Desk, receiver: Receiver) -> None:
    await desk.endpoint(receiver.url + "/hook")
    await desk.end(receiver.url + "/call")
    await desk.send_due()
    await desk.house.query(
        "UPDATE webhook_delivery SET created_at = created_at - interval '31 days' RETURNING 1"
    )
    await desk.house.query(
        "UPDATE webhook_callback SET generation_id = uuid_of_day(current_date - 31) RETURNING 1"
    )

    done = await apply_rules(desk.house.pool, datetime.now(UTC))
    swept = {rule.table: rows for rule, rows in done.items() if rows}
    assert swept == {"webhook_delivery": 2, "webhook_callback": 1}
    assert await desk.deliveries() == []
