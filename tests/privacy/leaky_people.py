"""The gateway with defects about people: what they typed and what lets them in is given away.

`python tests/privacy/leaky_people.py serve --demo`; the composition is the real one. What
`test_taint_people` searches must be found: in mails, archives, the log of security-relevant
actions, the log, and the command line of a child.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from accounts import people_tokens
from accounts.passwords import Passwords
from core.mail.resend import Resend
from core.rights.archive import Archive
from core.services import parse
from core.vault import KeyringVault
from gateway.cli import main
from rest_bridge import browser
from tests.privacy.leaky_gateway import database, into_a_command_line, into_the_log
from tests.privacy.leaky_money import overhear


def into_a_security_event(text: str) -> None:
    with database("reapi") as connection:
        connection.execute(
            "INSERT INTO audit_log (account_id, id, actor, action, target, reason)"
            " VALUES (gen_random_uuid(), gen_random_uuid(), 'person', 'sign_in', '', %s)",
            (text,),
        )


def replace_method(place: type, name: str, does: Any) -> None:
    setattr(place, name, does)


def into_mails(last: list[str]) -> None:
    send = Resend.send

    async def told(self: Resend, message: Any, *more: Any) -> Any:
        return await send(self, replace(message, text=f"{message.text}\n{last[0]}"), *more)

    replace_method(Resend, "send", told)


def into_archives(last: list[str]) -> None:
    close = Archive.close

    def told(self: Archive, facts: Any) -> Any:
        return close(self, {**facts, "asked": last[0]})

    replace_method(Archive, "close", told)


def leak() -> None:
    """Replace what is told."""
    last = ["nothing yet"]
    overhear(parse, "order", lambda spec, *_: last.__setitem__(0, spec.parameters.prompt))
    into_mails(last)
    into_archives(last)
    overhear(Passwords, "is_right", lambda _, password, __: into_a_security_event(password))
    overhear(people_tokens, "_digest", lambda _, __, token: into_a_command_line(token))
    overhear(browser, "session_cookies", into_the_log)
    overhear(browser, "cookies", lambda header: into_the_log(repr(header)))
    overhear(KeyringVault, "seal", lambda _, __, text, *___: into_the_log(text))


if __name__ == "__main__":
    leak()
    main()
