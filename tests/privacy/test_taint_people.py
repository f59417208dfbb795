"""Nothing of what people type about themselves is found where it does not belong.

Signing up and in, mails, invitations, copies, operators and pages go through at log level debug,
with canaries in every text; the process is killed with mails in the queue and an archive under
way; then everything is searched, as `test_taint` does. The twin gives it all away, and is caught.
"""

import asyncio
import sys

import httpx
import pytest

from gateway.proof.canaries import Canaries
from gateway.proof.search import Search
from tests.fix_gateway import ROOT, running
from tests.patience import wait_until
from tests.privacy.sinks import Watcher, search
from tests.privacy.tainted_people import ARCHIVE, KEY_NAME, MAILED, PERSONAL, REASON, People

pytestmark = [
    pytest.mark.prove,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]

LEAKY = (str(ROOT / "tests" / "privacy" / "leaky_people.py"),)
MAIL_SECONDS = 60
"""Until what a killed process had claimed is sent by the next."""
KEPT = {KEY_NAME: "api_key.name", REASON: "audit_log.reason"}
"""What stands as it was typed, and where (docs/privacy.md)."""


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def temporary(tmp_path):
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


def is_kept(item):
    """Whether it is in its column, or in the files behind it; or the name of an archive itself."""
    if item.field == ARCHIVE:
        return item.sink == "home" and item.place.endswith(".zip")
    return item.field in KEPT and (item.place == KEPT[item.field] or item.sink == "database")


def misplaced(findings):
    """What is where it does not belong."""
    return sorted({(item.field, item.sink, item.place) for item in findings if not is_kept(item)})


async def mails(people, canaries):
    """What of canaries stands in mails that it has no business in."""
    async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
        sent = (await http.get(f"{people.inbox.simulator_url}/_mail/messages")).content
    found = canaries.found_in(sent)
    assert any(field.startswith(PERSONAL) for field in found), "mails say whom they are for"
    return {field for field in found if field != MAILED and not field.startswith(PERSONAL)}


def all_is_sent(gateway):
    """Whether no row of a mail says anything any more."""
    with gateway.database() as connection:
        query = "SELECT count(*), count(sealed) FROM mail"
        ((mails, contents),) = connection.execute(query).fetchall()
    return mails > 0 and contents == 0


def own_secrets(gateway):
    """Where what opens the gateway itself stands: its children are started with none of it."""
    own = Canaries()
    for name in ("api_key", "poor_api_key", "admin_token"):
        own.guard(name, gateway.demo[name])
    for file in (gateway.home / "postgres").rglob("password*"):
        own.guard("the password of the database", file.read_text().strip())
    assert len(own.secrets) == 4
    found = Search(own)
    found.process(gateway.process.pid)
    found.read("log", "stderr.log", gateway.home / "stderr.log")
    return [item for item in found.found() if item.sink != "open file"]  # where it is for its owner


async def killed_with_mails_and_an_archive(gateway, canaries, http):
    """Mails that nobody takes, an archive that is asked for, and the plug pulled."""
    people = People(gateway, canaries, http)
    person = await people._arrive()
    async with httpx.AsyncClient(timeout=20, trust_env=False) as control:
        url = f"{people.inbox.simulator_url}/_mail/faults"
        await control.put(url, json={"kind": "hang", "times": None})
    await people.journey.stranger.ask("RequestPasswordReset", email=people.email)
    await person.ask("CreateExport")
    gateway.kill()


async def test_people_leave_nothing_where_it_does_not_belong(tmp_path, temporary, canaries):
    environment = {"REAPI_LOG_LEVEL": "debug", "TMPDIR": str(temporary)}
    async with httpx.AsyncClient(timeout=40, trust_env=False) as http:
        with running(tmp_path / "home", **environment) as gateway:
            http.base_url = gateway.rest
            await killed_with_mails_and_an_archive(gateway, canaries, http)
        with running(tmp_path / "home", **environment) as gateway:
            http.base_url = gateway.rest
            people = People(gateway, canaries, http)
            with Watcher(gateway, temporary, canaries) as watcher:
                await people.everything()
                await asyncio.to_thread(wait_until, lambda: all_is_sent(gateway), MAIL_SECONDS)
            findings = await search(gateway, temporary, canaries)
            mailed = await mails(people, canaries)
            log = gateway.log
            assert own_secrets(gateway) == []
            assert gateway.stop() == 0

    assert misplaced(findings) == []
    kept = {item.field: item.place for item in findings if item.sink == "row"}
    assert kept == KEPT, "the search finds what is kept"
    assert misplaced(watcher.findings) == []
    assert people.wire.strangers == {}
    assert mailed == set()
    archived = canaries.found_in(people.archive)
    assert {each for each in archived if not each.startswith(PERSONAL)} == set()
    assert "personal: address of ann" in archived
    assert people.pages > 10
    assert '"Defect"' not in log
    assert "Traceback" not in log


async def test_what_is_given_away_about_people_is_found(tmp_path, temporary, canaries):
    """The same calls to a gateway that repeats them: the search would have seen each."""
    environment = {"TMPDIR": str(temporary)}
    async with httpx.AsyncClient(timeout=40, trust_env=False) as http:
        with running(tmp_path / "home", LEAKY, **environment) as gateway:
            http.base_url = gateway.rest
            people = People(gateway, canaries, http)
            await people.everything()
            findings = await search(gateway, temporary, canaries)
            mailed = await mails(people, canaries)

    found = {(item.field, item.sink, item.place) for item in findings}
    logged = {field for field, sink, _ in found if sink == "log"}
    rows = {(field, place) for field, sink, place in found if sink == "row"}
    lines = {field for field, sink, _ in found if sink == "command line"}
    assert mailed == {"body: prompt"}
    archived = {field for field in canaries.found_in(people.archive) if field.startswith("body")}
    assert archived == {"body: prompt"}
    assert ("secret: wrong password", "audit_log.reason") in rows
    assert logged >= {"a cookie: session", "a cookie: csrf"}
    assert logged >= {"personal: address of ann", "personal: name of ben"}, "before it is sealed"
    assert MAILED in lines
