"""Who makes a call."""

from contextvars import ContextVar
from uuid import UUID

from accounts.browsers import Browser, browser_of
from accounts.key_networks import address_text
from accounts.networks import NOWHERE, network_of
from accounts.roles import Role
from core.values import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """A credential that was found good."""

    account_id: UUID
    key_id: UUID
    sandbox: bool = False
    """A test key: served by the simulator, for nothing."""
    admin: bool = False
    scopes: frozenset[str] = frozenset()
    """What its key may do (`accounts.granting.Scope`); empty: everything."""
    allowed_models: frozenset[str] = frozenset()
    """Which models its key may use, by id; empty: all. Up to a second old: holds ask the row."""
    line_id: UUID | None = None
    """The first key of its key's rotations, whose budgets count; None: the key itself."""
    user_id: UUID | None = None
    """The person, where one signed in: then there is a session and a role, and no key (id 0)."""
    session_id: UUID | None = None
    role: Role | None = None
    seconds_since_proof: float = 0.0
    """How long ago the person proved who it is."""
    suspended: bool = False
    """The operator stopped the account: a person may leave it and take what is theirs, no more."""

    @property
    def principal(self) -> int:
        """Who shares this process's work with others: a key, or a person in any browser.

        The number of its id: each request is counted under it twenty times, and ids take four
        times as long to find in a table.
        """
        return (self.user_id or self.key_id).int


@dataclass(frozen=True, slots=True)
class Whence:
    """Where a call comes from."""

    address: str = ""
    """The IP address of whoever calls; empty: unknown."""
    user_agent: str = ""
    """Empty: unknown."""
    subject: str = NOWHERE
    """The network that is counted for the call. Never unknown: whoever hides is counted too."""
    is_believed: bool = False
    """Whether a bridge tells it that is trusted; else it is read off the connection."""


NOBODY = Caller(UUID(int=0), UUID(int=0))
OPERATOR = Caller(UUID(int=0), UUID(int=0), admin=True)


@dataclass(slots=True)
class _Call:
    """What is known of the RPC that runs."""

    caller: Caller
    request_id: str
    network: str
    user_agent: str
    subject: str


_call: ContextVar[_Call] = ContextVar("call")


def current_caller() -> Caller:
    """The caller of the RPC that runs now."""
    return _call.get().caller


def current_request_id() -> str:
    """The id that the bridge gave the HTTP request, or empty."""
    call = _call.get(None)
    return "" if call is None else call.request_id


def current_network() -> str:
    """The IP address of whoever calls, told by a bridge that is trusted or by the connection.

    Empty: unknown. For where a key is allowed, and for logs; throttles ask `current_subject`.
    """
    call = _call.get(None)
    return "" if call is None else call.network


def current_subject() -> str:
    """The network that is counted for what the caller does: where it is, or what it is behind."""
    call = _call.get(None)
    return NOWHERE if call is None else call.subject


def current_browser() -> Browser:
    """What whoever calls does it with."""
    call = _call.get(None)
    return browser_of("" if call is None else call.user_agent)


def identified(caller: Caller) -> None:
    """Say who makes the call that was entered."""
    _call.get().caller = caller


def enter_call(
    caller: Caller, request_id: str, network: str = "", user_agent: str = "", subject: str = ""
) -> None:
    """Set all of it for the task of one RPC; without a *subject* the *network* is counted."""
    counted = subject or network_of(network) or NOWHERE
    _call.set(_Call(caller, request_id, address_text(network), user_agent, counted))
