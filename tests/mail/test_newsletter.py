"""A newsletter: to those who want it, once each, and without anything that tells who reads it."""

import psycopg
import pytest

from accounts.mail_queue import Kind
from accounts.newsletter import Issue, readers, send
from core.engine.ids import new_id
from core.mail.letters import unfit
from core.settings import Settings
from gateway.newsletter_command import read_issue, send_issue
from gateway.process import ServeError
from tests.mailing import fake, rows, sending
from tests.members_of import VAULT, run, somebody

ISSUE = Issue(Kind.NEWSLETTER, "News", "First.\n\nSecond.", "<p>First.</p>")


async def test_it_goes_to_those_who_want_it_at_addresses_that_are_theirs(pool):
    reader = await somebody(pool)
    await run(pool, "UPDATE app_user SET newsletter = true")
    await somebody(pool)
    unverified = await somebody(pool, verified=False)
    leaving = await somebody(pool)
    for person in (unverified, leaving):
        await run(pool, f"UPDATE app_user SET newsletter = true WHERE user_id = '{person.user_id}'")
    await run(pool, f"UPDATE app_user SET deleting_at = now() WHERE user_id = '{leaving.user_id}'")

    assert await readers(pool, Kind.NEWSLETTER) == 1
    assert await send(pool, VAULT, ISSUE, new_id) == 1
    async with fake() as mail, sending(pool, mail) as office:
        await office.run()
        [arrived] = mail.inbox.all()
    assert arrived.to == [reader.email]
    assert "<p>First.</p>" in arrived.html
    assert "Second." in arrived.text


async def test_product_notices_are_a_wish_of_their_own(pool):
    await somebody(pool)

    assert await readers(pool, Kind.NEWSLETTER) == 0
    assert await readers(pool, Kind.PRODUCT) == 1


async def test_the_same_letter_goes_to_nobody_twice(pool):
    await somebody(pool)
    product = Issue(Kind.PRODUCT, "News", "Text")
    for _ in range(2):
        await send(pool, VAULT, product, new_id)
    assert len(await rows(pool, "kind")) == 1

    await send(pool, VAULT, Issue(Kind.PRODUCT, "News", "Other text"), new_id)
    assert len(await rows(pool, "kind")) == 2


@pytest.mark.parametrize(
    "html",
    [
        "<p>Hello</p>",
        '<table><tr><td style="color:red">x</td></tr></table><br>',
        '<a href="https://gateway.example.com/x?a=1&amp;b=2">x</a>',
        "",
        "5 &lt; 6",
    ],
)
def test_plain_html_may_be_sent(html):
    assert unfit(html) == ""


@pytest.mark.parametrize(
    "html",
    [
        '<img src="https://evil.example/pixel">',
        "<script>1</script>",
        "<style>p{}</style>",
        '<p style="background:url(https://evil.example)">x</p>',
        '<p style="background:\\75rl(//evil.example)">x</p>',
        '<p onclick="x">x</p>',
        '<a href="javascript:x">x</a>',
        '<a href=" data:x">x</a>',
        "<iframe></iframe>",
        "<!doctype html><html></html>",
        '<td background="https://evil.example">x</td>',
        "<svg></svg>",
        '<link rel="stylesheet">',
    ],
)
def test_html_that_loads_something_or_does_something_is_refused(html):
    assert unfit(html)


def test_the_command_says_what_is_wrong_with_a_letter(tmp_path):
    text, html = tmp_path / "a.txt", tmp_path / "a.html"
    text.write_text("Hello")
    html.write_text("<img src=x>")

    assert read_issue("News", text, None, is_product=True).kind is Kind.PRODUCT
    for subject, page, why in (
        ("two\nlines", None, "--subject"),
        ("", None, "--subject"),
        ("News", html, "<img>"),
        ("News", tmp_path / "none.html", "none.html"),
    ):
        with pytest.raises(ServeError, match=why):
            read_issue(subject, text, page, is_product=False)


def test_the_command_counts_first_and_sends_when_it_is_sure(database_url, tmp_path, capsys):
    home = {"REAPI_HOME": str(tmp_path), "REAPI_DATABASE_URL": database_url}
    settings = Settings.from_env(home)

    assert send_issue(settings, ISSUE, is_sure=False) == 0
    assert capsys.readouterr().out.startswith("0 people would get it")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM audit_log").fetchone() == (0,)
    assert send_issue(settings, ISSUE, is_sure=True) == 0
    with psycopg.connect(database_url) as connection:
        done = connection.execute("SELECT actor, action, changes FROM audit_log").fetchall()
    assert done == [
        ("operator", "newsletter.send", {"kind": ISSUE.kind, "issue": ISSUE.id, "count": "0"})
    ]
    told = capsys.readouterr()
    assert told.out.startswith("0 letters")
    assert "nothing that this environment configures sends mail" in told.err
