"""Promotional codes: redeemed through BillingService, made and stopped through AdminService."""

import re
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from grpc import aio

from core.body import Secret
from core.engine.promotions import Promotion, Promotions, Wanted, no_code
from core.errors import GatewayError, Reason
from core.services import cursors
from core.services.convert import timestamp
from core.services.managing import BillingManager
from core.services.payment_words import invalid
from core.services.repeatable import repeatable
from reapi.v1 import admin_pb2
from reapi.v1 import admin_service_pb2 as admin
from reapi.v1 import billing_pb2 as resource
from reapi.v1 import billing_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

MAXIMUM_MICROS: Final = 10_000 * 1_000_000
"""Of one code: ten thousand dollars. Who gives more grants it."""
MAXIMUM_REDEMPTIONS: Final = 1_000_000_000
"""What the column has room for, with room to spare."""
_NAME_LENGTH: Final = 100
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""What times are kept up to."""
_NAME = re.compile(r"promo_codes/([0-9a-f]{32})\Z")


class PromoCalls:
    """Serves RedeemPromoCode of `reapi.v1.BillingService`."""

    def __init__(self, promotions: Promotions, manager: BillingManager) -> None:
        self._promotions = promotions
        self._manager = manager

    async def RedeemPromoCode(
        self, request: pb.RedeemPromoCodeRequest, context: Context
    ) -> pb.RedeemPromoCodeResponse:
        """Add the credits of a code, once for each account."""
        if not request.code:
            raise GatewayError(Reason.MISSING_PARAMETER, "Give the code.", parameter="code")
        call = repeatable(request)
        await self._manager.check()
        transfer_id = await self._promotions.begin(call)
        code = Secret(request.code)
        given = await self._promotions.redeem(call.account_id, code, transfer_id)
        return pb.RedeemPromoCodeResponse(
            transaction=resource.Transaction(
                name=f"transactions/{given.transfer_id.hex}",
                kind=resource.TRANSACTION_KIND_PROMOTION,
                posted_micros=given.amount_micros,
                balance_micros=given.balance.posted_micros,
                create_time=timestamp(given.created_at),
            )
        )


class PromoAdmin:
    """Serves the codes of `reapi.v1.AdminService`."""

    def __init__(self, promotions: Promotions) -> None:
        self._promotions = promotions

    async def CreatePromoCode(
        self, request: admin.CreatePromoCodeRequest, context: Context
    ) -> admin.CreatePromoCodeResponse:
        """Make a code; it is shown only here."""
        made, code = await self._promotions.create(repeatable(request), _wanted(request.promo_code))
        return admin.CreatePromoCodeResponse(promo_code=_message(made), code=code.reveal())

    async def ListPromoCodes(
        self, request: admin.ListPromoCodesRequest, context: Context
    ) -> admin.ListPromoCodesResponse:
        """Read one page, newest first."""
        size = cursors.size_of(request.page_size)
        after = cursors.after(request.page_token, "promo_codes")
        found = await self._promotions.page(size + 1, after)
        items = found[:size]
        more = len(found) > size
        return admin.ListPromoCodesResponse(
            promo_codes=[_message(item) for item in items],
            next_page_token=cursors.token(items[-1].row.id, "promo_codes") if more else "",
        )

    async def DisablePromoCode(
        self, request: admin.DisablePromoCodeRequest, context: Context
    ) -> admin.DisablePromoCodeResponse:
        """Stop a code."""
        found = _NAME.match(request.name)
        if found is None:
            raise no_code()
        item = await self._promotions.disable(repeatable(request), UUID(hex=found[1]))
        return admin.DisablePromoCodeResponse(promo_code=_message(item))


def _message(item: Promotion) -> admin_pb2.PromoCode:
    row = item.row
    return admin_pb2.PromoCode(
        name=f"promo_codes/{row.id.hex}",
        display_name=item.display_name.reveal(),
        credited_micros=row.credited_micros,
        redemption_limit=row.redemption_limit,
        expire_time=None if row.expires_at is None else timestamp(row.expires_at),
        redemption_count=row.redemption_count,
        disabled=row.is_disabled,
        create_time=timestamp(row.created_at),
    )


def _wanted(message: admin_pb2.PromoCode) -> Wanted:
    """What a new code is to be; raises GatewayError naming the field."""
    if not message.credited_micros:
        raise GatewayError(
            Reason.MISSING_PARAMETER,
            "Say what the code gives, in micro-dollars.",
            parameter="promo_code.credited_micros",
        )
    if not 0 < message.credited_micros <= MAXIMUM_MICROS:
        raise invalid("promo_code.credited_micros", f"must be from 1 to {MAXIMUM_MICROS}")
    if not 0 <= message.redemption_limit <= MAXIMUM_REDEMPTIONS:
        raise invalid("promo_code.redemption_limit", f"must be from 0 to {MAXIMUM_REDEMPTIONS}")
    if len(message.display_name) > _NAME_LENGTH:
        raise invalid("promo_code.display_name", f"has at most {_NAME_LENGTH} characters")
    return Wanted(
        message.credited_micros,
        message.redemption_limit,
        _expiry(message),
        Secret(message.display_name),
    )


def _expiry(message: admin_pb2.PromoCode) -> datetime | None:
    if not message.HasField("expire_time"):
        return None
    try:
        moment = message.expire_time.ToDatetime(UTC)
    except (ValueError, OverflowError):
        moment = _LATEST
    if not datetime(1970, 1, 1, tzinfo=UTC) < moment < _LATEST:
        raise invalid("promo_code.expire_time", "must be a time")
    return moment
