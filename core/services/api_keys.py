"""ApiKeyService: the keys that programs use."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from grpc import aio

from accounts.key_entries import Change, KeyStoreError, Rotation
from accounts.key_store import KeyStore
from accounts.keys import PUBLIC_BYTES, SECRET_BYTES, KeyText, make_key
from accounts.registry import NewKey
from core.authentication import digest_of
from core.caller import current_caller
from core.engine.ids import new_id
from core.engine.repeats import Repeats
from core.keyring import Keyring
from core.services import cursors
from core.services import key_words as words
from core.services.etags import version_of
from core.services.managing import manager, noted
from core.services.proving import require_verified
from core.services.repeatable import repeatable
from reapi.v1 import api_key_service_pb2 as pb
from storage.pool import Pool

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


class ApiKeyService:
    """Serves `reapi.v1.ApiKeyService`. *model_id* finds models by id or alias."""

    def __init__(
        self, pool: Pool, repeats: Repeats, keyring: Keyring, model_id: Callable[[str], str]
    ) -> None:
        self._pool = pool
        self._store = KeyStore(pool, noted)
        self._repeats = repeats
        self._keyring = keyring
        self._model_id = model_id

    async def CreateApiKey(
        self, request: pb.CreateApiKeyRequest, context: Context
    ) -> pb.CreateApiKeyResponse:
        """Make a key; its secret is shown only here."""
        await require_verified(self._pool, current_caller())
        known = self._repeats.of(repeatable(request))
        key, new = self._new_key(sandbox=words.is_test(request.api_key))
        try:
            entry, is_new = await self._store.create(
                current_caller().account_id,
                manager(),
                new,
                lambda: words.new_settings(request.api_key, self._model_id),
                known,
            )
        except KeyStoreError as error:
            raise words.refused(error) from None
        return pb.CreateApiKeyResponse(
            api_key=words.key_message(entry), secret=key.render() if is_new else ""
        )

    async def ListApiKeys(
        self, request: pb.ListApiKeysRequest, context: Context
    ) -> pb.ListApiKeysResponse:
        """Read one page, newest first."""
        account_id = current_caller().account_id
        size = cursors.size_of(request.page_size)
        facts = ("api_keys", request.show_inactive)
        after = cursors.after(request.page_token, *facts)
        try:
            found = await self._store.page(
                account_id, manager(), size + 1, after, inactive=request.show_inactive
            )
        except KeyStoreError as error:
            raise words.refused(error) from None
        entries = found[:size]
        more = len(found) > size
        return pb.ListApiKeysResponse(
            api_keys=[words.key_message(entry) for entry in entries],
            next_page_token=cursors.token(entries[-1].key_id, *facts) if more else "",
        )

    async def GetApiKey(
        self, request: pb.GetApiKeyRequest, context: Context
    ) -> pb.GetApiKeyResponse:
        """Read one."""
        account_id = current_caller().account_id
        public_id = words.public_id(request.name)
        try:
            entry = await self._store.get(account_id, manager(), public_id)
        except KeyStoreError as error:
            raise words.refused(error) from None
        return pb.GetApiKeyResponse(api_key=words.key_message(entry))

    async def UpdateApiKey(
        self, request: pb.UpdateApiKeyRequest, context: Context
    ) -> pb.UpdateApiKeyResponse:
        """Change one."""
        account_id = current_caller().account_id
        asked = request.api_key
        public_id = words.public_id(asked.name)
        mask = request.update_mask if request.HasField("update_mask") else None
        wanted = words.changed_settings(asked, mask, self._model_id)
        known = self._repeats.of(repeatable(request))
        change = Change(public_id, wanted, version_of(asked.etag))
        try:
            entry = await self._store.update(account_id, manager(), change, known)
        except KeyStoreError as error:
            raise words.refused(error) from None
        return pb.UpdateApiKeyResponse(api_key=words.key_message(entry))

    async def RotateApiKey(
        self, request: pb.RotateApiKeyRequest, context: Context
    ) -> pb.RotateApiKeyResponse:
        """Replace one by a new one with its settings; the secret is shown only here."""
        await require_verified(self._pool, current_caller())
        account_id = current_caller().account_id
        public_id, grace = words.public_id(request.name), words.grace(request)
        known = self._repeats.of(repeatable(request))
        key, new = self._new_key(sandbox=False)
        rotation = Rotation(public_id, new, grace)
        try:
            made, old, is_new = await self._store.rotate(account_id, manager(), rotation, known)
        except KeyStoreError as error:
            raise words.refused(error) from None
        secret = replace(key, sandbox=made.sandbox).render() if is_new else ""
        return pb.RotateApiKeyResponse(
            api_key=words.key_message(made), secret=secret, replaced=words.key_message(old)
        )

    async def RevokeApiKey(
        self, request: pb.RevokeApiKeyRequest, context: Context
    ) -> pb.RevokeApiKeyResponse:
        """Stop one for good, everywhere within a second."""
        account_id = current_caller().account_id
        public_id = words.public_id(request.name)
        known = self._repeats.of(repeatable(request))
        try:
            entry = await self._store.revoke(account_id, manager(), public_id, known)
        except KeyStoreError as error:
            raise words.refused(error) from None
        return pb.RevokeApiKeyResponse(api_key=words.key_message(entry))

    def _new_key(self, *, sandbox: bool) -> tuple[KeyText, NewKey]:
        """A key that nobody has, and what is stored of it."""
        key = make_key(os.urandom(PUBLIC_BYTES + SECRET_BYTES), sandbox=sandbox)
        digest = digest_of(self._keyring, key)
        return key, NewKey(new_id(), key.public_id, digest, sandbox=sandbox)
