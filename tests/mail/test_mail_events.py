"""What the mail service tells of mails that came back, and what follows from it."""

import json

import pytest

from accounts.addresses import address_digest
from accounts.mail_queue import Kind
from accounts.mail_rules import UNSUPPRESSED
from accounts.mail_store import Mails, restore
from core.body import Secret
from core.errors import GatewayError, Reason
from core.mail.posted import BadSignature, Posted, Returned, verified
from core.services.mail_calls import MailEvents
from core.webhooks.signing import signature
from reapi.v1 import account_service_pb2 as pb
from tests.mailing import Log, fake, letter, queue, rows, sending
from tests.members_of import VAULT, run, transaction

SECRET = Secret("whsec_" + "QUJD" * 8)
OTHER = Secret("whsec_" + "REVG" * 8)
NOW = 1_800_000_000.0
HARD = {"type": "Permanent", "subType": "General", "message": "no"}


def posted(kind="email.bounced", secret=SECRET, at=NOW, **data):
    payload = json.dumps({"type": kind, "data": {"email_id": "em_1", **data}}).encode()
    return Posted(payload, "msg_1", str(int(at)), signature(secret, "msg_1", int(at), payload))


def test_a_hard_bounce_and_a_complaint_are_understood():
    assert verified(posted(bounce=HARD), [SECRET], NOW) == Returned("em_1", "bounce")
    assert verified(posted("email.complained"), [SECRET], NOW) == Returned("em_1", "complaint")


@pytest.mark.parametrize(
    "event",
    [
        posted(bounce={"type": "Transient"}),
        posted(bounce={"type": "Undetermined"}),
        posted(bounce="Permanent"),
        posted(),
        posted("email.delivered"),
        posted("email.opened"),
        posted("email.complained", email_id=7),
        posted("contact.created", email_id=None),
    ],
)
def test_everything_else_stops_no_mail(event):
    assert verified(event, [SECRET], NOW) is None


def test_while_a_secret_is_replaced_either_will_do():
    assert verified(posted(secret=OTHER), [SECRET, OTHER], NOW) is None


@pytest.mark.parametrize("away", [-301, 301])
def test_an_old_event_is_not_believed(away):
    with pytest.raises(BadSignature):
        verified(posted(bounce=HARD, at=NOW + away), [SECRET], NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"payload": b"{}"},
        {"event_id": "msg_2"},
        {"signed_at": "1800000001"},
        {"signed_at": "soon"},
        {"signed_at": ""},
        {"signature": ""},
        {"signature": "v1,"},
        {"signature": "v1,é"},
    ],
)
def test_what_was_changed_is_not_believed(change):
    good = posted(bounce=HARD)
    fields = {name: getattr(good, name) for name in good.__slots__}
    with pytest.raises(BadSignature):
        verified(Posted(**{**fields, **change}), [SECRET], NOW)


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"type": "x"}', b"\xff", b'"x"'])
def test_what_is_signed_and_no_event_is_refused(payload):
    sign = signature(SECRET, "m", int(NOW), payload)
    with pytest.raises(BadSignature):
        verified(Posted(payload, "m", str(int(NOW)), sign), [SECRET], NOW)


async def ingest(pool, provider_id, kind="email.bounced", log=None, secret=SECRET):
    event = posted(kind, secret, email_id=provider_id, bounce=HARD)
    calls = MailEvents(Mails(pool, VAULT), [SECRET], log or Log(), lambda: NOW)
    request = pb.IngestMailEventRequest(
        payload=event.payload,
        event_id=event.event_id,
        signed_at=event.signed_at,
        signature=event.signature,
    )
    return await calls.IngestMailEvent(request, None)


async def sent_id(pool, mail, office, **more):
    await queue(pool, letter(**more))
    await office.run()
    return mail.inbox.all()[-1].id


async def test_an_address_that_bounced_gets_only_what_somebody_waits_for(pool):
    async with fake() as mail, sending(pool, mail) as office:
        returned = await sent_id(pool, mail, office)
        await ingest(pool, returned)
        mail.inbox.clear()

        kinds = [kind for kind in Kind if kind not in {Kind.NEWSLETTER, Kind.PRODUCT}]
        await queue(pool, *(letter(kind, to="ADA@example.com") for kind in kinds))
        await queue(pool, letter(Kind.POLICY, to="other@example.com"))
        await office.run()

        assert len(mail.inbox.all("ADA@example.com")) == len(UNSUPPRESSED)
        assert len(mail.inbox.all("other@example.com")) == 1
    faults = [fault for (fault,) in await rows(pool, "fault")]
    assert (
        faults.count("suppressed") == len(kinds) - len(UNSUPPRESSED) - 1
    )  # no row of the mail of a deletion stays


async def test_an_event_that_comes_again_changes_nothing_and_tells_no_address(pool):
    log = Log()
    async with fake() as mail, sending(pool, mail) as office:
        returned = await sent_id(pool, mail, office)
        await ingest(pool, returned, log=log)
        before = await run(pool, "SELECT * FROM mail_suppression")
        await ingest(pool, returned, log=log)

    assert await run(pool, "SELECT * FROM mail_suppression") == before
    assert [cause for _, cause, _ in before] == ["bounce"]
    assert "ada" not in repr(log.events)


async def test_a_complaint_outlasts_a_bounce_and_a_good_link(pool):
    async with fake() as mail, sending(pool, mail) as office:
        returned = await sent_id(pool, mail, office)
    for kind in ("email.complained", "email.bounced"):
        await ingest(pool, returned, kind)
    async with transaction(pool) as connection:
        await restore(connection, address_digest(VAULT, "ada@example.com"))

    assert await run(pool, "SELECT cause FROM mail_suppression") == [("complaint",)]


async def test_an_opened_link_makes_a_bounced_address_good_again(pool):
    async with fake() as mail, sending(pool, mail) as office:
        await ingest(pool, await sent_id(pool, mail, office))
    async with transaction(pool) as connection:
        await restore(connection, address_digest(VAULT, "Ada@example.com"))

    assert await run(pool, "SELECT cause FROM mail_suppression") == []


async def test_a_mail_of_somebody_else_is_taken_and_means_nothing(pool):
    await ingest(pool, "em_unknown")

    assert await run(pool, "SELECT cause FROM mail_suppression") == []


async def test_a_forged_event_is_refused(pool):
    with pytest.raises(GatewayError) as refused:
        await ingest(pool, "em_1", secret=OTHER)

    assert refused.value.reason is Reason.INVALID_PARAMETER
