"""Mail by SMTP, to the simulator's mail server."""

import ssl

import aiosmtplib
import pytest

from accounts.mail_queue import Kind
from accounts.mail_store import Mails
from core.body import Secret
from core.mail import smtp as module
from core.mail.smtp import Smtp, SmtpSettings
from simulator.mail_faults import MailFault
from storage.pool import StorageUnavailable
from tests.certificates import Authority
from tests.mailing import fake, letter, move, queue, rows, sending
from tests.members_of import VAULT, run, somebody


class Dies(Mails):
    """A process that ends between the server's answer and its own record of it."""

    async def sent(self, item, provider_id):
        raise StorageUnavailable("killed")


def smtp(mail, **more):
    port = int(mail.smtp_url.rpartition(":")[2])
    fields = {"username": "", "password": Secret(""), "use_tls": False, "start_tls": False}
    return Smtp(SmtpSettings("127.0.0.1", port, **{**fields, **more}))


async def test_a_mail_arrives_as_html_and_text_with_its_headers(pool):
    person = await somebody(pool)
    await run(pool, "UPDATE app_user SET newsletter = true")
    one = letter(
        Kind.NEWSLETTER,
        to=person.email,
        user_id=person.user_id,
        facts={"subject": "Grüße aus Köln", "text": "Zeile.\n\nLänger " + "x" * 1200},
    )
    async with fake() as mail, sending(pool, transport=smtp(mail)) as office:
        await queue(pool, one)
        await office.run()
        [arrived] = mail.inbox.all(person.email)

    assert arrived.via == "smtp"
    assert arrived.subject == "Grüße aus Köln"
    assert arrived.sender == "reAPI <mail@gateway.example.com>"
    assert "x" * 1200 in arrived.text
    assert "x" * 1200 in arrived.html
    assert arrived.headers["Message-ID"] == f"<{one.id.hex}@gateway.example.com>"
    assert arrived.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert await rows(pool, "sealed, provider_id, sent_at IS NOT NULL") == [(None, None, True)]


async def test_an_answer_to_the_contact_form_goes_to_who_wrote(pool):
    async with fake() as mail, sending(pool, transport=smtp(mail)) as office:
        await queue(pool, letter(Kind.CONTACT))
        await office.run()
        [arrived] = mail.inbox.all()
    assert arrived.reply_to == ["ada@example.org"]


async def test_every_try_has_the_same_message_id(pool):
    async with fake() as mail, sending(pool, transport=smtp(mail)) as office:
        await queue(pool, letter())
        office._mails = Dies(pool, VAULT)
        with pytest.raises(StorageUnavailable):
            await office.run()
        office._mails = Mails(pool, VAULT)
        await move(pool, "61 seconds")
        await office.run()

        first, second = mail.inbox.all()
    assert first.headers["Message-ID"] == second.headers["Message-ID"]


@pytest.mark.parametrize(
    ("code", "is_given_up"), [(421, False), (450, False), (550, True), (553, True), (535, False)]
)
async def test_a_reply_of_5_stays_and_one_of_4_passes(pool, code, is_given_up):
    async with fake() as mail, sending(pool, transport=smtp(mail)) as office:
        mail.faults.put(MailFault("status", code, way="smtp"))
        await queue(pool, letter())
        await office.run()

        assert await rows(pool, "sealed IS NULL, fault") == [(is_given_up, f"reply_{code}")]
        assert len(mail.inbox) == 0


async def test_a_server_that_hangs_up_is_a_delay(pool):
    async with fake() as mail, sending(pool, transport=smtp(mail)) as office:
        mail.faults.put(MailFault("reset", way="smtp"))
        await queue(pool, letter())
        await office.run()
        assert await rows(pool, "sealed IS NOT NULL, fault") == [(True, "unreachable")]


async def test_a_server_that_says_nothing_is_a_delay(pool, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 0.3)
    async with fake() as mail, sending(pool, transport=smtp(mail)) as office:
        mail.faults.put(MailFault("hang", way="smtp"))
        await queue(pool, letter())
        await office.run()
        assert await rows(pool, "fault") == [("timeout",)]


async def test_nothing_is_said_in_the_clear_where_tls_is_demanded(pool):
    async with fake() as mail, sending(pool, transport=smtp(mail, start_tls=True)) as office:
        await queue(pool, letter())
        await office.run()
        assert await rows(pool, "fault") == [("unreachable",)]
        assert len(mail.inbox) == 0


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(pool, tmp_path):
    async with fake() as mail, sending(pool, transport=smtp(mail, start_tls=True)) as office:
        mail.smtp.tls = _context(Authority(tmp_path).issue("localhost"))
        await queue(pool, letter())
        await office.run()
        assert await rows(pool, "fault") == [("unreachable",)]
        assert len(mail.inbox) == 0


async def test_the_simulated_server_speaks_starttls_and_takes_any_password(tmp_path):
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=str(authority.file))
    trusting.check_hostname = False
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT  # the default since Python 3.13
    async with fake() as mail:
        mail.smtp.tls = _context(authority.issue("localhost"))
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1",
            port=int(mail.smtp_url.rpartition(":")[2]),
            start_tls=True,
            tls_context=trusting,
            username="ada",
            password="secret",
        )
        async with client:
            await client.sendmail("a@example.com", ["b@example.com"], "Subject: x\r\n\r\n.dot\r\n")
        [arrived] = mail.inbox.all("b@example.com")
    assert arrived.text.strip() == ".dot"


def _context(pair):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    return context
