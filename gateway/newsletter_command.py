"""`reapi newsletter send`: queues a letter for everybody who wants it."""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from accounts.mail_queue import Kind
from accounts.newsletter import Issue, readers, send
from core.engine.ids import new_id
from core.mail.content import line
from core.mail.letters import LONGEST, unfit
from core.settings import Settings
from core.vault import KeyringVault
from gateway.command_log import noted
from gateway.opening import start_errors
from gateway.own_database import own_url
from gateway.process import ServeError
from storage.pool import open_pool


def read_issue(subject: str, text: Path, html: Path | None, *, is_product: bool) -> Issue:
    """The letter; raises ServeError where it cannot be sent as it is."""
    if not subject.strip() or line(subject) != subject:
        raise ServeError("--subject must be one line of up to 200 characters")
    plain, page = _read(text), "" if html is None else _read(html)
    if not plain.strip():
        raise ServeError(f"{text.name} is empty")
    if why := unfit(page):
        raise ServeError(f"{html.name if html else ''} cannot be sent: {why}")
    return Issue(Kind.PRODUCT if is_product else Kind.NEWSLETTER, subject, plain, page)


def send_issue(settings: Settings, issue: Issue, *, is_sure: bool) -> int:
    """Queue it, or say to how many it would go; the exit code."""
    with start_errors():
        count = asyncio.run(_send(settings, issue, is_sure=is_sure))
    if not is_sure:
        print(f"{count} people would get it; add --yes to send it")
        return 0
    print(f"{count} letters are in the queue or were sent before")
    if settings.people.mail is None:
        print(
            "reapi: nothing that this environment configures sends mail; a gateway without a mail "
            "service throws it away",
            file=sys.stderr,
        )
    return 0


async def _send(settings: Settings, issue: Issue, *, is_sure: bool) -> int:
    async with AsyncExitStack() as stack:
        url = await own_url(settings, stack)
        vault = KeyringVault(settings.open_keyring())
        pool = await stack.enter_async_context(open_pool(url, name="reapi-newsletter"))
        if not is_sure:
            return await readers(pool, issue.kind)
        count = await send(pool, vault, issue, new_id)
        await noted(pool, "newsletter.send", kind=issue.kind, issue=issue.id, count=str(count))
        return count


def _read(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ServeError(f"{file.name} cannot be read as UTF-8 text") from None
    if len(text) > LONGEST:
        raise ServeError(f"{file.name} has more than {LONGEST} characters")
    return text
