"""ApiKeyService: the keys that programs use. Rotation comes with sign-in."""

import os
from collections.abc import Callable
from typing import Any, TypeAlias

from grpc import aio

from accounts.key_store import Change, KeyStore, KeyStoreError
from accounts.keys import PUBLIC_BYTES, SECRET_BYTES, make_key
from accounts.registry import NewKey
from core.authentication import digest_of
from core.caller import current_caller
from core.engine.ids import new_id
from core.engine.repeats import Repeats
from core.keyring import Keyring
from core.services import cursors
from core.services import key_words as words
from core.services.etags import version_of
from core.services.repeatable import repeatable
from reapi.v1 import api_key_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


class ApiKeyService:
    """Serves `reapi.v1.ApiKeyService`. *model_id* finds models by id or alias."""

    def __init__(
        self, store: KeyStore, repeats: Repeats, keyring: Keyring, model_id: Callable[[str], str]
    ) -> None:
        self._store = store
        self._repeats = repeats
        self._keyring = keyring
        self._model_id = model_id

    async def CreateApiKey(
        self, request: pb.CreateApiKeyRequest, context: Context
    ) -> pb.CreateApiKeyResponse:
        """Make a key; its secret is shown only here."""
        known = self._repeats.of(repeatable(request))
        caller = current_caller()
        key = make_key(os.urandom(PUBLIC_BYTES + SECRET_BYTES))
        new = NewKey(new_id(), key.public_id, digest_of(self._keyring, key))
        try:
            entry, is_new = await self._store.create(
                caller.account_id,
                caller.key_id,
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
        caller = current_caller()
        size = cursors.size_of(request.page_size)
        facts = ("api_keys", request.show_inactive)
        after = cursors.after(request.page_token, *facts)
        try:
            found = await self._store.page(
                caller.account_id, caller.key_id, size + 1, after, inactive=request.show_inactive
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
        caller = current_caller()
        public_id = words.public_id(request.name)
        try:
            entry = await self._store.get(caller.account_id, caller.key_id, public_id)
        except KeyStoreError as error:
            raise words.refused(error) from None
        return pb.GetApiKeyResponse(api_key=words.key_message(entry))

    async def UpdateApiKey(
        self, request: pb.UpdateApiKeyRequest, context: Context
    ) -> pb.UpdateApiKeyResponse:
        """Change one."""
        caller = current_caller()
        asked = request.api_key
        public_id = words.public_id(asked.name)
        mask = request.update_mask if request.HasField("update_mask") else None
        wanted = words.changed_settings(asked, mask, self._model_id)
        known = self._repeats.of(repeatable(request))
        change = Change(public_id, wanted, version_of(asked.etag))
        try:
            entry = await self._store.update(caller.account_id, caller.key_id, change, known)
        except KeyStoreError as error:
            raise words.refused(error) from None
        return pb.UpdateApiKeyResponse(api_key=words.key_message(entry))

    async def RevokeApiKey(
        self, request: pb.RevokeApiKeyRequest, context: Context
    ) -> pb.RevokeApiKeyResponse:
        """Stop one for good, everywhere within a second."""
        caller = current_caller()
        public_id = words.public_id(request.name)
        known = self._repeats.of(repeatable(request))
        try:
            entry = await self._store.revoke(caller.account_id, caller.key_id, public_id, known)
        except KeyStoreError as error:
            raise words.refused(error) from None
        return pb.RevokeApiKeyResponse(api_key=words.key_message(entry))
