"""Credits that an operator gives away: once for each request_id, whose text is not kept."""

import hashlib
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from accounts.registry import Registry
from billing.ledger import Balance
from core.keyring import KEY_BYTES, Keyring
from core.services.admin import AdminService, Context
from core.services.channels import Channels
from reapi.v1 import admin_service_pb2 as pb
from storage.commits import Commit, Commits, Committed

OLD, NEW = bytes(KEY_BYTES), bytes(range(KEY_BYTES))


class Accounts:
    """Every account exists, and what is noted of it is forgotten."""

    async def exists(self, _: UUID) -> bool:
        return True

    async def note(self, *_: object) -> None:
        pass


class Ledger:
    """Keeps the ids of what was committed."""

    def __init__(self) -> None:
        self.ids: list[UUID] = []

    async def commit(self, commit: Commit) -> Committed:
        self.ids += [part.transfer_id for part in cast(Any, commit.parts)]
        return Committed((Balance(1_000_000, 0),))


async def granted(account_id: UUID, request_id: str, *keys: bytes) -> UUID:
    """The id under which one grant is committed by a process that has *keys*."""
    ledger = Ledger()
    service = AdminService(
        cast(Registry, Accounts()),
        cast(Commits, ledger),
        Keyring(keys),
        cast(Channels, None),
    )
    request = pb.GrantCreditsRequest(id=account_id.hex, credits="1000", request_id=request_id)
    await service.GrantCredits(request, cast(Context, None))
    (transfer_id,) = ledger.ids
    return transfer_id


@pytest.mark.parametrize("keys", [(OLD,), (NEW, OLD)])
async def test_a_repeated_grant_is_the_same_transfer_also_under_a_new_server_key(
    keys: tuple[bytes, ...],
) -> None:
    account = uuid4()

    first = await granted(account, "a", OLD)

    assert await granted(account, "a", *keys) == first
    assert await granted(account, "b", *keys) != first
    assert await granted(uuid4(), "a", *keys) != first


async def test_nobody_without_the_server_key_can_tell_which_request_a_grant_was() -> None:
    account = uuid4()
    guessed = hashlib.sha256(account.bytes + b"Ada").digest()

    found = await granted(account, "Ada", OLD)

    assert found != UUID(bytes=guessed[:16], version=4)
    assert found != await granted(account, "Ada", NEW)
