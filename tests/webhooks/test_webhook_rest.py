"""Every call of WebhookService over REST, and `callback_url` in every dialect."""

import json
from typing import Any

import pytest
import standardwebhooks

from reapi.v1 import generation_service_pb2 as generations
from reapi.v1 import generation_service_pb2_grpc as generations_rpc
from tests.fix_core import PNG
from tests.webhooks.receiving import Receiver, says
from tests.webhooks.whole_core import Whole

ENDPOINTS = "/api/v1/webhook_endpoints"
DELIVERIES = "/api/v1/webhook_deliveries"
PROMPT = "a lighthouse that nobody may hear of"


async def created(whole: Whole, url: str, **fields: Any) -> tuple[dict[str, Any], str]:
    made = await whole.ask("POST", ENDPOINTS, json={"uri": url, **fields})
    return made["webhook_endpoint"], made["secret"]


async def refused(whole: Whole, method: str, path: str, **request: Any) -> tuple[int, str, str]:
    answer = await whole.http.request(method, path, **request)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"] or ""


async def test_an_endpoint_is_made_shown_listed_changed_and_removed(whole: Whole) -> None:
    kinds = ["WEBHOOK_EVENT_TYPE_GENERATION_FAILED", "WEBHOOK_EVENT_TYPE_GENERATION_SUCCEEDED"]
    made, secret = await created(
        whole, "https://hooks.example.com/x?k=1", display_name="Ours", event_types=kinds
    )
    path = f"/api/v1/{made['name']}"
    other, _ = await created(whole, "https://hooks.example.com/y")

    assert secret.startswith("whsec_")
    assert (made["uri"], made["display_name"]) == ("https://hooks.example.com/x?k=1", "Ours")
    assert sorted(made["event_types"]) == kinds
    assert made["disabled"] is False
    assert (await whole.ask("GET", path))["webhook_endpoint"] == made
    listed = (await whole.ask("GET", ENDPOINTS))["webhook_endpoints"]
    assert listed == [other, made]

    changed = (
        await whole.ask(
            "PATCH",
            f"{path}?update_mask=display_name,disabled",
            json={"display_name": "", "disabled": True, "uri": "ignored", "etag": made["etag"]},
        )
    )["webhook_endpoint"]
    assert (changed["display_name"], changed["disabled"], changed["uri"]) == ("", True, made["uri"])
    assert changed["etag"] != made["etag"]
    stale = await refused(whole, "PATCH", path, json={"disabled": True, "etag": made["etag"]})
    assert stale == (400, "invalid_value", "webhook_endpoint.etag")
    unmasked = await whole.ask("PATCH", path, json={"uri": "https://hooks.example.com/z"})
    assert unmasked["webhook_endpoint"]["disabled"] is True
    assert unmasked["webhook_endpoint"]["uri"] == "https://hooks.example.com/z"

    assert await whole.ask("DELETE", path) == {}
    assert (await refused(whole, "GET", path))[:2] == (404, "not_found")
    assert (await refused(whole, "DELETE", path))[:2] == (404, "not_found")


async def test_endpoints_come_in_pages(whole: Whole) -> None:
    names = [(await created(whole, f"https://example.com/{n}"))[0]["name"] for n in range(5)]
    found, token = [], ""
    while True:
        page = await whole.ask("GET", f"{ENDPOINTS}?page_size=2&page_token={token}")
        found += [item["name"] for item in page["webhook_endpoints"]]
        if not (token := page["next_page_token"]):
            break

    assert found == names[::-1]
    wrong = await refused(whole, "GET", f"{DELIVERIES}?page_token=AAAA")
    assert wrong == (400, "invalid_value", "page_token")


async def test_an_account_has_twenty_endpoints_at_most(whole: Whole) -> None:
    for number in range(20):
        await created(whole, f"https://example.com/{number}")

    assert (await refused(whole, "POST", ENDPOINTS, json={"uri": "https://example.com/"}))[0] == 400


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({}, "missing_required_parameter", "webhook_endpoint.uri"),
    ({"uri": "http://example.com/"}, "invalid_value", "webhook_endpoint.uri"),
    ({"uri": "https://10.0.0.1/"}, "invalid_value", "webhook_endpoint.uri"),
    ({"uri": "https://metadata.internal/"}, "invalid_value", "webhook_endpoint.uri"),
    (
        {"uri": "https://example.com/", "display_name": "x" * 101},
        "invalid_value",
        "webhook_endpoint.display_name",
    ),
    (
        {"uri": "https://example.com/", "event_types": ["WEBHOOK_EVENT_TYPE_TEST"]},
        "invalid_value",
        "webhook_endpoint.event_types",
    ),
    (
        {"uri": "https://example.com/", "event_types": [999]},
        "invalid_value",
        "webhook_endpoint.event_types",
    ),
]


async def test_a_wrong_field_is_named(whole: Whole) -> None:
    for body, code, parameter in WRONG:
        assert await refused(whole, "POST", ENDPOINTS, json=body) == (400, code, parameter)


async def test_a_repeat_under_one_key_makes_nothing_twice(whole: Whole) -> None:
    key = {"idempotency-key": "once"}
    body = {"uri": "https://example.com/"}
    first = await whole.ask("POST", ENDPOINTS, json=body, headers=key)
    again = await whole.ask("POST", ENDPOINTS, json=body, headers=key)
    name = first["webhook_endpoint"]["name"]
    turn = f"/api/v1/{name}:rotate_secret"
    rotated = [await whole.ask("POST", turn, json={}, headers=key) for _ in range(2)]
    secrets = [
        (await whole.ask("POST", "/api/v1/callback_secret:rotate", json={}, headers=key))["secret"]
        for _ in range(2)
    ]

    assert again == {"webhook_endpoint": first["webhook_endpoint"], "secret": ""}
    assert [bool(item["secret"]) for item in rotated] == [True, False]
    assert rotated[0]["webhook_endpoint"] == rotated[1]["webhook_endpoint"]
    assert [bool(secret) for secret in secrets] == [True, False]
    other = {"uri": "https://example.com/other"}
    mismatch = await refused(whole, "POST", ENDPOINTS, json=other, headers=key)
    assert mismatch[:2] == (422, "idempotency_mismatch")


async def test_a_rotation_tells_until_when_the_old_secret_signs(whole: Whole) -> None:
    made, secret = await created(whole, "https://example.com/")
    turn = f"/api/v1/{made['name']}:rotate_secret"

    kept = await whole.ask("POST", turn, json={"grace": "3600s"})
    dropped = await whole.ask("POST", turn, json={"grace": "0s"})

    assert kept["secret"] not in (secret, dropped["secret"])
    assert "old_secret_expire_time" in kept["webhook_endpoint"]
    assert "old_secret_expire_time" not in dropped["webhook_endpoint"]
    for grace in ("604801s", "-1s"):
        wrong = await refused(whole, "POST", turn, json={"grace": grace})
        assert wrong == (400, "invalid_value", "grace")


async def test_a_test_message_is_sent_at_once_and_its_fate_told(
    whole: Whole, receiver: Receiver
) -> None:
    url = receiver.plays("/hook", says(200), says(500))
    made, secret = await created(whole, url)
    path = f"/api/v1/{made['name']}:test"

    good = (await whole.ask("POST", path, json={}))["webhook_delivery"]
    bad = (await whole.ask("POST", path, json={}))["webhook_delivery"]

    assert (good["state"], good["http_status"]) == ("STATE_DELIVERED", 200)
    assert (bad["state"], bad["http_status"], bad["fault"]) == ("STATE_FAILED", 500, "status")
    assert good["event_type"] == "WEBHOOK_EVENT_TYPE_TEST"
    first = receiver.at("/hook")[0]
    assert good["name"] == f"webhook_deliveries/{first.id}"
    found = standardwebhooks.Webhook(secret).verify(first.body, first.headers)
    assert found["type"] == "test"
    assert (await refused(whole, "POST", f"{ENDPOINTS}/{'0' * 32}:test", json={}))[0] == 404


async def test_messages_are_listed_filtered_and_sent_again(
    whole: Whole, receiver: Receiver
) -> None:
    made, _ = await created(whole, receiver.url + "/hook")
    other, _ = await created(whole, receiver.plays("/broken", says(500)))
    name = await callback(whole, "transcoded", receiver.url + "/call")
    (told,) = await receiver.wait("/hook")
    await receiver.wait("/call")
    await receiver.wait("/broken")

    listed = (await whole.ask("GET", f"{DELIVERIES}?generation={name}"))["webhook_deliveries"]
    ours = f"{DELIVERIES}?webhook_endpoint={made['name']}"
    (delivery,) = (await whole.ask("GET", ours))["webhook_deliveries"]
    assert {item["webhook_endpoint"] for item in listed} == {made["name"], other["name"], ""}
    assert delivery["name"] == f"webhook_deliveries/{told.id}"
    assert (delivery["generation"], delivery["try_count"]) == (name, 1)
    waiting = await whole.ask("GET", f"{DELIVERIES}?states=STATE_PENDING")
    assert {item["webhook_endpoint"] for item in waiting["webhook_deliveries"]} <= {other["name"]}

    again = await whole.ask("POST", f"/api/v1/{delivery['name']}:redeliver", json={})
    assert again["webhook_delivery"]["state"] == "STATE_PENDING"
    twice = await receiver.wait("/hook", 2)
    assert [item.id for item in twice] == [told.id, told.id]
    assert [item.body for item in twice] == [told.body, told.body]


async def test_nothing_of_one_account_is_seen_by_another(whole: Whole, receiver: Receiver) -> None:
    made, _ = await created(whole, receiver.url + "/hook")
    tested = await whole.ask("POST", f"/api/v1/{made['name']}:test", json={})
    path, delivery = f"/api/v1/{made['name']}", tested["webhook_delivery"]["name"]
    headers = await whole.stranger()

    for method, target, body in (
        ("GET", path, None),
        ("PATCH", path, {"disabled": True}),
        ("DELETE", path, None),
        ("POST", f"{path}:rotate_secret", {}),
        ("POST", f"{path}:test", {}),
        ("POST", f"/api/v1/{delivery}:redeliver", {}),
    ):
        found = await refused(whole, method, target, json=body, headers=headers)
        assert found[:2] == (404, "not_found")
    assert (await whole.ask("GET", ENDPOINTS, headers=headers))["webhook_endpoints"] == []
    assert (await whole.ask("GET", DELIVERIES, headers=headers))["webhook_deliveries"] == []
    without = await whole.http.get(ENDPOINTS, headers={"authorization": ""})
    assert without.status_code == 401


async def callback(whole: Whole, dialect: str, url: str) -> str:
    """Ask for an image in one of the dialects; the name of the generation."""
    body = {"model": "gpt-image-2", "prompt": PROMPT, "callback_url": url}
    match dialect:
        case "openai":
            answer = await whole.http.post("/v1/images/generations", json=body)
            return f"generations/{answer.headers['x-reapi-generation'].removeprefix('gen_')}"
        case "form":
            fields = {name: (None, value) for name, value in body.items()}
            picture = {"image": ("a.png", PNG, "image/png")}
            answer = await whole.http.post("/v1/images/edits", files={**fields, **picture})
            return f"generations/{answer.headers['x-reapi-generation'].removeprefix('gen_')}"
        case "task":
            made = await whole.ask("POST", "/api/v1/images/generations", json=body)
            return f"generations/{made['id'].removeprefix('task_')}"
        case "transcoded":
            spec = {"model": body["model"], "parameters": {"prompt": PROMPT}, "callback_url": url}
            made = await whole.ask("POST", "/api/v1/generations", json={"spec": spec})
            return str(made["generation"]["name"])
        case _:
            return await generated(whole, url)


async def generated(whole: Whole, url: str) -> str:
    """The same by gRPC."""
    spec = generations.GenerationSpec(model="gpt-image-2", callback_url=url)
    spec.parameters.prompt = PROMPT
    start = generations.GenerateRequest(start=generations.GenerateStart(spec=spec, detached=True))
    metadata = (("authorization", f"Bearer {whole.key}"),)
    call = generations_rpc.GenerationServiceStub(whole.channel).Generate(metadata=metadata)
    await call.initial_metadata()
    await call.write(start)
    events = [response.event async for response in call]
    return str(events[0].accepted.generation.name)


@pytest.mark.parametrize("dialect", ["openai", "form", "task", "transcoded", "grpc"])
async def test_a_callback_url_hears_of_the_end_whatever_the_dialect(
    whole: Whole, receiver: Receiver, dialect: str
) -> None:
    name = await callback(whole, dialect, receiver.url + "/call")
    (told,) = await receiver.wait("/call")

    id_ = name.removeprefix("generations/")
    shown = await whole.ask("GET", f"/api/v1/tasks/task_{id_}")
    assert told.body.startswith(b'{"type":"generation.failed","timestamp":"')
    assert json.loads(told.body)["data"] == shown
    assert PROMPT.encode() not in told.body


async def test_a_callback_that_fails_changes_nothing_of_the_task(
    whole: Whole, receiver: Receiver
) -> None:
    name = await callback(whole, "task", receiver.plays("/call", says(500)))
    path = f"/api/v1/tasks/{name.removeprefix('generations/')}"
    await receiver.wait("/call")
    before = await whole.ask("GET", path)
    (delivery,) = (await whole.ask("GET", DELIVERIES))["webhook_deliveries"]
    await whole.ask("POST", f"/api/v1/{delivery['name']}:redeliver", json={})
    await receiver.wait("/call", 2)

    assert before["status"] == "failed"
    assert await whole.ask("GET", path) == before


async def test_a_callback_url_that_may_not_be_told_is_refused_and_nothing_held(
    whole: Whole,
) -> None:
    wrong = (400, "invalid_value", "callback_url")
    for path in ("/v1/images/generations", "/api/v1/images/generations"):
        for url in ("http://example.com/", "https://10.1.2.3/x", "nonsense"):
            body = {"model": "gpt-image-2", "prompt": PROMPT, "callback_url": url}
            assert await refused(whole, "POST", path, json=body) == wrong

    assert (await whole.ask("GET", "/api/v1/balance"))["held"] == "0"


async def test_another_callback_under_the_same_key_is_another_request(
    whole: Whole, receiver: Receiver
) -> None:
    body = {"model": "gpt-image-2", "prompt": PROMPT, "callback_url": receiver.url + "/call"}
    key = {"idempotency-key": "once"}
    path = "/api/v1/images/generations"
    first = await whole.ask("POST", path, json=body, headers=key)
    again = await whole.ask("POST", path, json=body, headers=key)
    other = {**body, "callback_url": receiver.url + "/other"}

    assert first["id"] == again["id"]
    assert (await refused(whole, "POST", path, json=other, headers=key))[0] == 422
    await receiver.wait("/call")
    assert len(receiver.received) == 1
