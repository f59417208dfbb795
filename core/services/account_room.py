"""Sessions, accounts and members, wired."""

from collections.abc import Callable

from accounts.account_store import AccountStore
from accounts.invitation_store import InvitationStore
from accounts.members import MemberStore
from accounts.security_events import SecurityEvents
from accounts.throttle import Throttle
from accounts.vault import Vault
from core.engine.repeats import Repeats
from core.services.account import AccountCalls
from core.services.invitations import InvitationCalls
from core.services.managing import noted
from core.services.members import MemberCalls
from core.services.security_events import SecurityEventCalls
from core.services.sessions import SessionCalls
from storage.pool import Pool


def account_calls(
    pool: Pool, vault: Vault, repeats: Repeats, model_id: Callable[[str], str]
) -> tuple[object, ...]:
    """What of AccountService they serve. *model_id* finds models by id or alias."""
    invitations = InvitationStore(pool, vault, noted)
    return (
        SessionCalls(pool, vault, repeats),
        MemberCalls(MemberStore(pool, vault, noted), repeats),
        InvitationCalls(invitations, repeats, pool, Throttle(vault)),
        AccountCalls(AccountStore(pool, vault, noted), repeats, model_id),
        SecurityEventCalls(SecurityEvents(pool)),
    )
