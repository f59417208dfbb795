"""Mail from the queue to the mail service: once, in spite of everything."""

import asyncio
import io
import logging
from contextlib import redirect_stderr
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from accounts.mail_queue import Kind
from accounts.mail_store import Mails
from core.engine.rules import apply_rules
from core.keyring import Keyring
from core.log import silence_libraries
from core.mail.content import Links
from core.mail.post_office import PostOffice
from core.mail.transport import MailDelayed
from core.metrics import Metrics
from core.vault import KeyringVault
from simulator.mail_faults import MailFault
from storage.pool import StorageUnavailable
from tests.mailing import PUBLIC, Log, fake, letter, move, queue, rows, sending
from tests.members_of import VAULT, run, somebody


class Dies(Mails):
    """A process that ends between the mail service's answer and its own record of it."""

    async def sent(self, item, provider_id):
        raise StorageUnavailable("killed")


class Slow:
    """A mail service that takes its time; counts what it is given."""

    def __init__(self):
        self.keys = []

    async def send(self, message, key):
        self.keys.append(key)
        await asyncio.sleep(0)
        return f"id-{key}"

    async def close(self):
        pass


async def test_a_mail_arrives_and_what_it_says_is_forgotten(pool):
    log, one = Log(), letter(to="ada@example.com")
    async with fake() as mail, sending(pool, mail, log=log) as office:
        await queue(pool, one)
        await office.run()

        [arrived] = mail.inbox.all("ada@example.com")
    assert arrived.subject == "Reset your password"
    assert arrived.sender == "reAPI <mail@gateway.example.com>"
    [(sealed, sent_at, provider, fault)] = await rows(pool, "sealed, sent_at, provider_id, fault")
    assert (sealed, provider, fault) == (None, arrived.id, "")
    assert sent_at is not None
    assert log.outcomes == [("reset_password", "sent")]


async def test_the_same_reason_is_mailed_once(pool):
    async with fake() as mail, sending(pool, mail) as office:
        await queue(pool, letter(once="notice/1"), letter(once="notice/1"), letter(once="notice/2"))
        await office.run()

        assert len(mail.inbox) == 2


async def test_a_crash_between_sending_and_recording_sends_once(pool):
    async with fake() as mail, sending(pool, mail) as office:
        await queue(pool, letter())
        office._mails = Dies(pool, VAULT)
        with pytest.raises(StorageUnavailable):
            await office.run()
        assert len(mail.inbox) == 1
        assert await rows(pool, "sealed IS NOT NULL, tries") == [(True, 1)]

        office._mails = Mails(pool, VAULT)
        await move(pool, "61 seconds")
        await office.run()

        assert list(mail.calls) == ["POST /emails 200"] * 2
        [arrived] = mail.inbox.all()
    assert await rows(pool, "sealed IS NULL, provider_id, tries") == [(True, arrived.id, 2)]


async def test_what_was_accepted_before_templates_changed_counts_as_sent(pool):
    async with fake() as mail, sending(pool, mail) as office:
        await queue(pool, letter())
        office._mails = Dies(pool, VAULT)
        with pytest.raises(StorageUnavailable):
            await office.run()

        office._mails, office._links = Mails(pool, VAULT), Links("https://moved.example.com")
        await move(pool, "61 seconds")
        await office.run()

        assert len(mail.inbox) == 1
        assert mail.calls[-1] == "POST /emails 409"
    assert await rows(pool, "sealed IS NULL, sent_at IS NOT NULL") == [(True, True)]


async def test_two_workers_send_everything_once(pool):
    slow = Slow()
    async with sending(pool, transport=slow) as one, sending(pool, transport=slow) as other:
        await queue(pool, *(letter(to=f"p{number}@example.com") for number in range(40)))
        await asyncio.gather(one.run(), other.run())

    assert len(slow.keys) == 40
    assert len(set(slow.keys)) == 40
    assert await run(pool, "SELECT count(*) FROM mail WHERE sent_at IS NULL") == [(0,)]


@pytest.mark.parametrize("kind", [Kind.NEWSLETTER, Kind.PRODUCT, Kind.POLICY, Kind.PRICE_INCREASE])
async def test_what_goes_to_everybody_does_not_keep_a_password_waiting(pool, kind):
    slow, person = Slow(), await somebody(pool)
    await run(pool, "UPDATE app_user SET newsletter = true")
    urgent = letter()
    await queue(pool, *(letter(kind, user_id=person.user_id) for _ in range(5)), urgent)
    async with sending(pool, transport=slow) as office:
        await office.run()

    assert urgent.id in slow.keys[:2]
    assert len(slow.keys) == 6


async def test_a_service_that_is_down_is_asked_again_with_growing_pauses_until_it_is_hopeless(pool):
    async with fake() as mail, sending(pool, mail, log=(log := Log())) as office:
        mail.faults.put(MailFault("status", 503, times=None))
        await queue(pool, letter())
        pauses = []
        for _ in range(4):
            await office.run()
            [(pause,)] = await rows(pool, "extract(epoch FROM due_at - clock_timestamp())::float8")
            pauses.append(round(pause, -1))
            await move(pool, f"{pause + 1} seconds")
        assert pauses == [10, 20, 40, 80]

        await move(pool, "23 hours")
        await office.run()
    assert log.outcomes == [("reset_password", "later")] * 4 + [("reset_password", "expired")]
    assert await rows(pool, "sealed IS NULL, failed_at IS NOT NULL, fault") == [
        (True, True, "status_503")
    ]


async def test_nothing_is_sent_before_its_time(pool):
    async with fake() as mail, sending(pool, mail) as office:
        mail.faults.put(MailFault("status", 500))
        await queue(pool, letter())
        await office.run()
        await office.run()
        assert len(mail.inbox) == 0
        await move(pool, "13 seconds")
        await office.run()
        assert len(mail.inbox) == 1


async def test_a_rate_limit_rests_the_whole_office_and_is_honoured(pool):
    async with fake() as mail, sending(pool, mail) as office:
        mail.faults.put(MailFault("status", 429, retry_after=40))
        await queue(pool, letter())

        assert await office.run() == 40
        [(pause,)] = await rows(pool, "extract(epoch FROM due_at - clock_timestamp())::float8")
    assert 35 < pause <= 40


@pytest.mark.parametrize("status", [401, 403, 409, 500])
async def test_what_the_operator_or_time_can_mend_is_not_given_up(pool, status):
    async with fake() as mail, sending(pool, mail) as office:
        mail.faults.put(MailFault("status", status))
        await queue(pool, letter())
        await office.run()
    assert await rows(pool, "sealed IS NOT NULL, fault") == [(True, f"status_{status}")]


@pytest.mark.parametrize("status", [400, 422])
async def test_what_will_never_be_taken_is_given_up_and_forgotten(pool, status):
    async with fake() as mail, sending(pool, mail, log=(log := Log())) as office:
        mail.faults.put(MailFault("status", status))
        await queue(pool, letter())
        await office.run()
    assert await rows(pool, "sealed IS NULL, fault") == [(True, f"status_{status}")]
    assert log.outcomes == [("reset_password", "refused")]


@pytest.mark.parametrize("kind", ["reset", "status"])
async def test_an_answer_that_was_lost_sends_once(pool, kind):
    async with fake() as mail, sending(pool, mail) as office:
        mail.faults.put(MailFault(kind, 500, done=True))
        await queue(pool, letter())
        await office.run()
        await move(pool, "13 seconds")
        await office.run()

        assert len(mail.inbox) == 1
    assert await rows(pool, "sent_at IS NOT NULL") == [(True,)]


async def test_a_service_that_nobody_serves_is_a_delay(pool):
    async with sending(pool) as office:
        await queue(pool, letter())
        await office.run()
    assert await rows(pool, "fault, sealed IS NOT NULL") == [("unreachable", True)]


async def test_without_a_mail_service_it_is_thrown_away_and_the_log_says_so(pool):
    log = Log()
    await queue(pool, letter())
    await PostOffice(Mails(pool, VAULT), VAULT, None, Links(PUBLIC), log, lambda: 0.5).run()

    assert await rows(pool, "sealed IS NULL, fault") == [(True, "not_configured")]
    assert log.outcomes == [("reset_password", "unsent")]


async def test_who_wants_no_more_letters_when_they_are_sent_gets_none(pool):
    person = await somebody(pool)
    async with fake() as mail, sending(pool, mail) as office:
        await queue(pool, letter(Kind.NEWSLETTER, user_id=person.user_id))
        await office.run()
        assert len(mail.inbox) == 0
    assert await rows(pool, "fault") == [("unwanted",)]


async def test_who_is_gone_gets_no_mail_but_the_word_that_all_is_erased(pool):
    gone = uuid4()
    async with fake() as mail, sending(pool, mail) as office:
        await queue(pool, letter(user_id=gone), letter(Kind.ACCOUNT_ERASED, user_id=gone))
        await office.run()
        assert [each.subject for each in mail.inbox.all()] == ["Your account was deleted"]


async def test_a_mail_whose_server_key_is_gone_is_given_up(pool):
    await queue(pool, letter())
    other = KeyringVault(Keyring((b"x" * 32,)))
    async with fake() as mail, sending(pool, mail) as office:
        office._mails = Mails(pool, other)
        await office.run()
    assert await rows(pool, "fault") == [("key_is_gone",)]


async def test_the_queue_holds_no_address_name_or_link_in_the_clear(pool):
    await queue(pool, letter(Kind.INVITATION, to="ada@example.com", name="Ada Lovelace"))
    [(row,)] = await run(pool, "SELECT row_to_json(m)::text FROM mail m")
    [(sealed,)] = await rows(pool, "sealed")

    for secret in ("ada@example.com", "Ada", "developer"):
        assert secret not in row
        assert secret.encode() not in bytes(sealed)


async def test_logs_and_metrics_know_no_address(pool):
    stream, metrics, log = io.StringIO(), Metrics(), Log()
    silence_libraries()
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    try:
        with redirect_stderr(stream):
            async with (
                fake() as mail,
                sending(pool, mail, log=metrics.emit_to(log)) as office,
            ):
                mail.faults.put(MailFault("status", 422))
                await queue(pool, letter(to="canary@example.com"), letter(to="canary@example.com"))
                await office.run()
    finally:
        root.setLevel(level)

    assert "Foreign" in stream.getvalue()  # httpx did say something
    assert "canary" not in stream.getvalue()
    assert "canary" not in repr(log.events)
    shown = metrics.render().decode()
    assert 'reapi_mails_total{kind="reset_password",outcome="sent"} 1.0' in shown
    assert 'reapi_mails_total{kind="reset_password",outcome="refused"} 1.0' in shown
    assert "canary" not in shown


async def test_errors_of_sending_carry_no_address():
    assert str(MailDelayed("timeout")) == "timeout"


@pytest.mark.parametrize("is_refused", [False, True])
async def test_no_row_stays_of_the_mail_that_tells_of_a_deletion(pool, is_refused):
    async with fake() as mail, sending(pool, mail) as office:
        if is_refused:
            mail.faults.put(MailFault("status", 422))
        await queue(pool, letter(Kind.ACCOUNT_ERASED))
        await office.run()

        assert len(mail.inbox) == (not is_refused)
    assert await rows(pool, "kind") == []


async def test_the_mail_that_tells_of_a_deletion_stays_until_it_is_handed_over(pool):
    async with fake() as mail, sending(pool, mail) as office:
        mail.faults.put(MailFault("status", 503))
        await queue(pool, letter(Kind.ACCOUNT_ERASED))
        await office.run()
        assert await rows(pool, "sealed IS NOT NULL") == [(True,)]

        await move(pool, "12 seconds")
        await office.run()
        assert len(mail.inbox) == 1
    assert await rows(pool, "kind") == []


async def test_mail_that_nobody_sent_in_three_days_has_failed_and_is_told(pool):
    log, now = Log(), datetime.now(UTC)
    await queue(pool, letter(), letter(Kind.POLICY), letter(Kind.NEWSLETTER))
    await run(pool, "UPDATE mail SET asked_at = now(), tries = 3 WHERE kind = 'newsletter'")
    await apply_rules(pool, now + timedelta(days=2), log)
    assert log.outcomes == []

    await apply_rules(pool, now + timedelta(days=4), log)

    assert sorted(log.outcomes) == [("newsletter", "expired"), ("reset_password", "expired")]
    assert await rows(pool, "kind, sealed IS NULL, failed_at IS NOT NULL, fault") == [
        ("reset_password", True, True, "expired"),
        ("policy", False, False, ""),  # waits for its turn
        ("newsletter", True, True, "expired"),
    ]

    await apply_rules(pool, now + timedelta(days=31), log)
    assert log.outcomes[2:] == [("policy", "expired")]
    assert await rows(pool, "kind") == []


async def test_what_people_write_reaches_the_operator_whose_mailbox_was_full_once(pool):
    async with fake() as mail, sending(pool, mail) as office:
        await queue(pool, letter(to="op@example.com"))
        await office.run()
        [arrived] = mail.inbox.all()
        assert await Mails(pool, VAULT).suppress(arrived.id, "bounce")
        await queue(pool, letter(Kind.CONTACT, to="op@example.com"))
        await office.run()

        assert len(mail.inbox) == 2
