"""Mail that is to be sent: rows, written in the transaction that has the reason.

What a mail says (address, name, links) lies sealed until it was sent, and nowhere afterwards.
"""

import json
from typing import Any, Final

from psycopg import AsyncConnection

from accounts.addresses import address_digest
from accounts.letter import Kind, Letter
from accounts.vault import Vault

__all__ = ["PURPOSE", "Kind", "Letter", "post"]

PURPOSE: Final = "mail"
"""What mails are sealed for, bound to their ids."""

_POST = """
INSERT INTO mail (mail_id, user_id, account_id, kind, once, email_hmac, sealed)
VALUES (%(id)s, %(user)s, %(account)s, %(kind)s, %(once)s, %(email)s, %(sealed)s)
    ON CONFLICT ON CONSTRAINT mail_once DO NOTHING
"""


async def post(connection: AsyncConnection[Any], vault: Vault, letter: Letter) -> None:
    """Queue it; one that was queued before for the same reason is left as it is."""
    content = {
        "to": letter.to,
        "name": letter.name,
        "locale": letter.locale,
        "facts": dict(letter.facts),
    }
    values = {
        "id": letter.id,
        "user": letter.user_id,
        "account": letter.account_id,
        "kind": letter.kind,
        "once": letter.once,
        "email": address_digest(vault, letter.to),
        "sealed": vault.seal(PURPOSE, json.dumps(content), letter.id.bytes),
    }
    await connection.execute(_POST, values)
