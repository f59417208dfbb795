"""What a core is opened with, and what all of it stands on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg

from billing.stripe_client import StripeSettings
from core.body import Secret
from core.catalog.entries import Catalogue
from core.engine.leases import LeaseKeeper
from core.engine.reloading import Files
from core.engine.sandbox import Peer
from core.fetch.addresses import Network
from core.keyring import Keyring
from core.people_settings import PeopleSettings
from storage.committer import Committer
from storage.folder import FolderStore
from storage.pool import Connection, Pool, connection_string
from storage.s3 import Bucket, S3Store

MAXIMUM_CALLS: Final = 20_000
"""Jobs in flight count as well: 10,000 of them leave room for everybody else."""
MAXIMUM_BYTES: Final = 2 * 1024 * 1024 * 1024

Objects = FolderStore | S3Store
Dial = Callable[[], Awaitable[psycopg.AsyncConnection[tuple[object, ...]]]]


@dataclass(frozen=True, slots=True)
class CoreConfig:
    """What the core needs from outside."""

    database_url: str = field(repr=False)
    keyring: Keyring = field(repr=False)
    catalogue: Catalogue
    outputs: Path | Bucket
    public_url: str
    maximum_calls: int = MAXIMUM_CALLS
    maximum_bytes: int = MAXIMUM_BYTES
    webhook_networks: tuple[Network, ...] = ()
    """Where webhooks may go besides the open internet, by http too."""
    files: Files | None = None
    """Where the catalogue is from, to take changes over; None: it never changes."""
    stripe: StripeSettings | None = None
    """The payment service; None: credits cannot be bought."""
    checkout_origins: tuple[str, ...] = ()
    """Where payment pages may go besides *public_url*."""
    sandbox: Peer | None = None
    """What serves test keys; None: nobody does."""
    bridge_token: Secret[str] | None = None
    """What bridges of their own prove themselves by; None: none of them is believed."""
    people: PeopleSettings = field(default_factory=PeopleSettings)
    """Sign-in, mail, bots."""

    def dial(self, name: str) -> Dial:
        """What opens a connection of its own, for whoever listens."""
        conninfo = connection_string(self.database_url, name)
        return lambda: Connection.connect(conninfo, autocommit=True)


@dataclass(frozen=True, slots=True)
class Ground:
    """What everything in a process stands on."""

    pool: Pool
    committer: Committer
    lease: LeaseKeeper
    objects: Objects
