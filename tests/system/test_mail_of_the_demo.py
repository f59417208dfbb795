"""Mail of a whole gateway: over REST to the inbox of the demo, and what comes back."""

import httpx

from tests.fix_gateway import Gateway
from tests.patience import wait_until

OPERATOR = "operator@example.com"


def inbox(gateway: Gateway, subject: str) -> list[dict[str, str]]:
    url = f"{gateway.demo['simulator_url']}/_mail/messages"
    found = httpx.get(url, params={"to": OPERATOR}).json()["messages"]
    return [mail for mail in found if mail["subject"].endswith(subject)]


def test_a_message_is_mailed_and_a_bounce_of_it_stops_further_mail(gateway: Gateway) -> None:
    form = {"email": "ada@example.org", "subject": "First question", "text": "How?"}
    answer = httpx.post(f"{gateway.rest}/api/v1/contact_messages", json=form, timeout=20)
    assert answer.status_code == 200, answer.text
    wait_until(lambda: inbox(gateway, "First question"), 20)
    [mail] = inbox(gateway, "First question")
    assert mail["reply_to"] == ["ada@example.org"]

    control = f"{gateway.demo['simulator_url']}/_mail/messages/{mail['id']}"
    for manner, status in (("forged", 400), ("stale", 400), ("genuine", 200), ("genuine", 200)):
        said = httpx.post(f"{control}/bounce", json={"manner": manner}, timeout=20).json()
        assert said == {"status": status}
    with gateway.database() as database:
        assert database.execute("SELECT cause FROM mail_suppression").fetchall() == [("bounce",)]
        database.execute("DELETE FROM mail_suppression")

    assert "ada@example.org" not in gateway.log
    assert "First question" not in gateway.log


def test_a_stranger_to_the_contract_gets_words_and_not_a_stack(gateway: Gateway) -> None:
    for path, body, status in (
        ("/webhooks/resend", b"{}", 400),
        ("/api/v1/newsletter:unsubscribe", b'{"token": "un_nothing"}', 400),
    ):
        answer = httpx.post(f"{gateway.rest}{path}", content=body, timeout=20)
        assert answer.status_code == status, answer.text
