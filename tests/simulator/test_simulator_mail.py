"""The simulated mail service, as Resend's clients and a browser meet it."""

import httpx
import pytest

from simulator import SimulatedChannel, Simulator
from simulator.mail import FakeMail
from simulator.mail_requests import MOST_RECEIVERS

KEY = "re_simulated"
MAIL = {
    "from": "reAPI <a@example.com>",
    "to": ["b@example.com"],
    "subject": "S",
    "html": "<p>H</p>",
}


def client(mail, key=KEY):
    return httpx.AsyncClient(base_url=mail.url, headers={"authorization": f"Bearer {key}"})


async def post(mail, body, key="", **headers):
    async with client(mail) as http:
        more = {"idempotency-key": key} if key else {}
        return await http.post("/emails", json=body, headers={**more, **headers})


async def test_the_same_key_is_the_same_mail():
    async with FakeMail(KEY) as mail:
        answers = [(await post(mail, MAIL, "k")).json() for _ in range(3)]

        assert len({answer["id"] for answer in answers}) == 1
        assert len(mail.inbox) == 1
        other = await post(mail, {**MAIL, "subject": "T"}, "k")
    assert (other.status_code, other.json()["name"]) == (409, "invalid_idempotent_request")


async def test_a_key_is_forgotten_after_a_day():
    now = [1_800_000_000.0]
    async with FakeMail(KEY, clock=lambda: now[0]) as mail:
        await post(mail, MAIL, "k")
        now[0] += 24 * 3600 + 1
        await post(mail, MAIL, "k")

        assert len(mail.inbox) == 2


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"from": ""}, "missing_required_field"),
        ({"to": []}, "missing_required_field"),
        ({"subject": None}, "missing_required_field"),
        ({"html": ""}, "missing_required_field"),
        ({"from": "nobody"}, "validation_error"),
        ({"to": ["nobody"]}, "validation_error"),
        ({"to": ["a@example.com"] * (MOST_RECEIVERS + 1)}, "validation_error"),
        ({"to": "a@example.com\r\nBcc: e@example.com"}, "validation_error"),
        ({"subject": "a\nb"}, "validation_error"),
        ({"headers": {"X": "a\r\nb"}}, "validation_error"),
        ({"headers": {"X Y": "a"}}, "validation_error"),
        ({"reply_to": 7}, "validation_error"),
        ({"text": 7}, "validation_error"),
    ],
)
async def test_what_resend_would_refuse_is_refused(change, name):
    async with FakeMail(KEY) as mail:
        answer = await post(mail, {**MAIL, **change})

        assert (answer.status_code, answer.json()["name"]) == (422, name)
        assert len(mail.inbox) == 0


async def test_only_the_one_key_is_known():
    async with FakeMail(KEY) as mail, client(mail, "re_other") as http:
        assert (await http.post("/emails", json=MAIL)).status_code == 403
        anonymous = await http.post("/emails", json=MAIL, headers={"authorization": ""})
        assert anonymous.status_code == 401
        assert (await http.get("/domains")).status_code == 403


async def test_only_the_newest_mails_are_kept():
    async with FakeMail(KEY) as mail:
        for number in range(3):
            await post(mail, {**MAIL, "subject": str(number)})
        assert [each.subject for each in mail.inbox.all()] == ["0", "1", "2"]


async def test_the_inbox_is_a_page_whose_mails_can_do_nothing():
    channel = SimulatedChannel("a", "sk-a")
    async with Simulator([channel], mail_key=KEY) as simulator, httpx.AsyncClient() as http:
        nasty = {**MAIL, "subject": "<script>1</script>", "html": "<script>alert(1)</script>"}
        await post(simulator.mail, nasty)
        page = await http.get(f"{simulator.url}/_mail/")
        messages = (await http.get(f"{simulator.url}/_mail/messages")).json()["messages"]
        one = await http.get(f"{simulator.url}/_mail/{messages[0]['id']}")
        html = await http.get(f"{simulator.url}/_mail/{messages[0]['id']}/html")

        for shown in (page, one):
            assert "&lt;script&gt;" in shown.text
            assert "<script" not in shown.text
            assert "script-src" not in shown.headers["content-security-policy"]
            assert shown.headers["content-security-policy"].startswith("default-src 'none'")
        assert "sandbox=" in one.text
        assert html.headers["content-security-policy"].startswith("sandbox ")
        assert "allow-scripts" not in html.headers["content-security-policy"]
        assert messages[0]["to"] == ["b@example.com"]

        await http.delete(f"{simulator.url}/_mail/messages")
        assert len(simulator.mail.inbox) == 0
        assert (await http.get(f"{simulator.url}/_mail/nothing")).status_code == 404


async def test_faults_are_put_by_the_controls_and_met_once():
    async with (
        Simulator([SimulatedChannel("a", "sk-a")], mail_key=KEY) as simulator,
        httpx.AsyncClient() as http,
    ):
        url = f"{simulator.url}/_mail/faults"
        fault = {"kind": "status", "status": 429, "retry_after": 3}
        assert len((await http.put(url, json=fault)).json()["faults"]) == 1
        limited = await post(simulator.mail, MAIL)
        assert (limited.status_code, limited.headers["retry-after"]) == (429, "3")
        assert limited.json()["name"] == "rate_limit_exceeded"
        assert (await post(simulator.mail, MAIL)).status_code == 200
        assert (await http.put(url, json={"kind": "nonsense"})).status_code == 400
