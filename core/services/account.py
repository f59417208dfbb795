"""AccountService: the account itself. Keys may read it."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from google.protobuf.field_mask_pb2 import FieldMask
from grpc import aio

from accounts.account_store import Account, AccountError, AccountStore, Change, Problem
from accounts.registry import NAME_LENGTH
from core.caller import current_caller
from core.engine.repeats import Repeats
from core.errors import GatewayError, Reason
from core.permissions import denied_to_role
from core.services.convert import timestamp
from core.services.etags import etag, version_of
from core.services.key_words import MAXIMUM_MODELS
from core.services.member_words import actor, unknown_account
from core.services.names import account_name
from core.services.people_words import invalid
from core.services.repeatable import repeatable
from reapi.v1 import account_pb2
from reapi.v1 import account_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

_MUTABLE: Final = ("display_name", "outputs_not_stored", "allowed_models")


class AccountCalls:
    """Serves the account of `reapi.v1.AccountService`. *model_id* finds models by id or alias."""

    def __init__(
        self, store: AccountStore, repeats: Repeats, model_id: Callable[[str], str]
    ) -> None:
        self._store = store
        self._repeats = repeats
        self._model_id = model_id

    async def GetAccount(
        self, request: pb.GetAccountRequest, context: Context
    ) -> pb.GetAccountResponse:
        """Read it."""
        try:
            account = await self._store.read(current_caller().account_id)
        except AccountError as error:
            raise _refused(error) from None
        return pb.GetAccountResponse(account=account_message(account))

    async def UpdateAccount(
        self, request: pb.UpdateAccountRequest, context: Context
    ) -> pb.UpdateAccountResponse:
        """Change it."""
        asked = request.account
        mask = request.update_mask if request.HasField("update_mask") else None
        change = self._change(asked, _names(asked, mask))
        known = self._repeats.of(repeatable(request))
        try:
            account = await self._store.update(actor(current_caller()), change, known)
        except AccountError as error:
            raise _refused(error) from None
        return pb.UpdateAccountResponse(account=account_message(account))

    def _change(self, asked: account_pb2.Account, names: Sequence[str]) -> Change:
        """What is to change; raises INVALID_PARAMETER naming the field."""
        if "outputs_not_stored" in names and asked.outputs_not_stored:
            raise invalid("account.outputs_not_stored", "is not offered by this deployment")
        return Change(
            name=_name(asked.display_name) if "display_name" in names else None,
            allowed_models=self._models(asked.allowed_models)
            if "allowed_models" in names
            else None,
            version=version_of(asked.etag),
        )

    def _models(self, names: Sequence[str]) -> Sequence[str]:
        """The ids of models by id or alias, each once."""
        if len(names) > MAXIMUM_MODELS:
            raise invalid("account.allowed_models", f"names at most {MAXIMUM_MODELS}")
        try:
            return sorted({self._model_id(name) for name in names})
        except GatewayError:
            raise invalid("account.allowed_models", "names a model that there is not") from None


def account_message(account: Account) -> account_pb2.Account:
    """The resource."""
    state = account_pb2.Account.STATE_ACTIVE
    if account.suspended:
        state = account_pb2.Account.STATE_SUSPENDED
    if account.deleting:
        state = account_pb2.Account.STATE_DELETING
    return account_pb2.Account(
        name=account_name(account.account_id),
        display_name=account.name,
        state=state,
        outputs_not_stored=account.outputs_not_stored,
        allowed_models=account.allowed_models,
        create_time=timestamp(account.created_at),
        etag=etag(account.version),
    )


def _names(asked: account_pb2.Account, mask: FieldMask | None) -> Sequence[str]:
    """The fields to change: those of *mask*, or those that are set."""
    if mask is None:
        set_ = {field.name for field, _ in asked.ListFields()}
        return [name for name in _MUTABLE if name in set_]
    if any(name not in _MUTABLE for name in mask.paths):
        raise invalid("update_mask", f"may name {', '.join(_MUTABLE)}")
    return mask.paths


def _name(text: str) -> str:
    name = text.strip()
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise invalid("account.display_name", f"has 1 to {NAME_LENGTH} printable characters")
    return name


def _refused(error: AccountError) -> GatewayError:
    match error.problem:
        case Problem.UNKNOWN:
            return unknown_account()
        case Problem.NOT_PERMITTED:
            return denied_to_role("account")
        case Problem.CHANGED:
            return GatewayError(
                Reason.CONFLICT,
                "The account was changed meanwhile: read it again and use its etag.",
                parameter="account",
            )
