"""AdminService: what prices bring, against what channels cost."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Any, Final, TypeAlias

from grpc import aio

from billing.margins import Usage, real_margins
from billing.pricing import PriceRow
from core.catalog.entries import Catalogue
from core.engine.margin_reads import Losses, losses_between, usage_between
from core.errors import GatewayError
from core.services import operator_words as words
from reapi.v1 import admin_pb2
from reapi.v1 import admin_service_pb2 as pb
from storage.pool import AnyPool

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

SPAN: Final = timedelta(days=30)
"""By the contract; what is older is not kept (docs/privacy.md)."""


class OperatorMargins:
    """Serves GetMarginReport of `reapi.v1.AdminService`.

    *current* gives the catalogue in force, *now* the wall clock in UTC.
    """

    def __init__(
        self, pool: AnyPool, current: Callable[[], Catalogue], now: Callable[[], datetime]
    ) -> None:
        self._pool = pool
        self._current = current
        self._now = now

    async def GetMarginReport(
        self, request: pb.GetMarginReportRequest, context: Context
    ) -> pb.GetMarginReportResponse:
        """Compare, by today's costs."""
        catalogue, now = self._current(), self._now()
        end = words.moment("end_time", request.end_time) if request.HasField("end_time") else now
        start = now - SPAN
        if request.HasField("start_time"):
            start = max(start, words.moment("start_time", request.start_time))
        models = _models(catalogue, request.models)
        async with self._pool.connection() as connection:
            usage = await usage_between(connection, start, end)
            losses = await losses_between(connection, start, end)
        rows = margin_rows(usage, losses, catalogue.costs, now)
        return pb.GetMarginReportResponse(
            rows=[row for row in rows if not models or row.model in models]
        )


def margin_rows(
    usage: Iterable[Usage],
    losses: Iterable[Losses],
    costs: Mapping[str, tuple[PriceRow, ...]],
    now: datetime,
) -> list[admin_pb2.MarginRow]:
    """By model and channel, the least profitable first; a cost that is not known is 0."""
    rows: dict[tuple[str, str], admin_pb2.MarginRow] = {}
    for (model, channel), (margin, count) in real_margins(usage, costs, now).items():
        rows[model, channel] = admin_pb2.MarginRow(
            model=model,
            channel=channel,
            succeeded_count=count,
            charged_micros=int(margin.price_micros),
            upstream_cost_micros=ceil(margin.cost_micros or Fraction(0)),
        )
    for loss in losses:
        name = (loss.model, loss.channel)
        row = rows.setdefault(name, admin_pb2.MarginRow(model=loss.model, channel=loss.channel))
        row.hedge_loss_micros, row.risk_micros = loss.hedge_micros, loss.risk_micros
    return sorted(rows.values(), key=lambda row: (_profit(row), row.model, row.channel))


def _profit(row: admin_pb2.MarginRow) -> int:
    spent = row.upstream_cost_micros + row.hedge_loss_micros + row.risk_micros
    return row.charged_micros - spent


def _models(catalogue: Catalogue, names: Iterable[str]) -> set[str]:
    try:
        return {catalogue.model(name).id for name in names}
    except GatewayError:
        raise words.invalid("models", "names a model that there is not") from None
