"""ModelService: the catalogue, as callers see it."""

from datetime import UTC, datetime, time
from typing import Any, TypeAlias

from grpc import aio

from billing.pricing import PriceRow, begins
from core.catalog.entries import Catalogue, Model, ParameterSchema, Status
from core.services.convert import KINDS, timestamp
from reapi.v1 import model_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

MAXIMUM_PAGE = 1_000
_STATUS = {
    Status.ACTIVE: pb.Model.STATUS_ACTIVE,
    Status.COMING_SOON: pb.Model.STATUS_COMING_SOON,
    Status.DEPRECATED: pb.Model.STATUS_DEPRECATED,
}


class ModelService:
    """Serves `reapi.v1.ModelService`."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.use(catalogue)

    def use(self, catalogue: Catalogue) -> None:
        """Show another catalogue from now on."""
        self._catalogue = catalogue
        self._models = [_message(model) for model in sorted(catalogue, key=lambda item: item.id)]

    def id_of(self, name: str) -> str:
        """The id of the model that *name*, an id or an alias, means; raises MODEL_NOT_FOUND."""
        return self._catalogue.model(name).id

    async def ListModels(
        self, request: pb.ListModelsRequest, context: Context
    ) -> pb.ListModelsResponse:
        """One page, by id; the token is the id to go on after."""
        size = min(request.page_size or MAXIMUM_PAGE, MAXIMUM_PAGE)
        left = [model for model in self._models if model.id > request.page_token]
        token = left[size - 1].id if 0 < size < len(left) else ""
        return pb.ListModelsResponse(models=left[: max(0, size)], next_page_token=token)

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        """One model by id or alias; raises MODEL_NOT_FOUND."""
        model = self._catalogue.model(request.name.removeprefix("models/"))
        return pb.GetModelResponse(model=_message(model))


def _message(model: Model) -> pb.Model:
    created = datetime.combine(model.created, time.min, UTC)
    return pb.Model(
        name=f"models/{model.id}",
        id=model.id,
        display_name=model.display_name,
        kind=KINDS[model.kind],
        status=_STATUS[model.status],
        owner=model.owner,
        create_time=timestamp(created),
        parameters=[_parameter(item) for item in model.parameters.values()],
        prices=[_price(row) for row in model.prices],
        aliases=model.aliases,
        maximum_inputs=model.maximum_inputs,
    )


def _parameter(schema: ParameterSchema) -> pb.ParameterSchema:
    return pb.ParameterSchema(
        name=schema.name,
        type=schema.type,
        required=schema.required,
        values=schema.values,
        minimum=schema.minimum,
        maximum=schema.maximum,
        default_value="" if schema.default is None else str(schema.default),
        description=schema.description,
    )


def _price(row: PriceRow) -> pb.Price:
    message = pb.Price(unit=row.unit, amount_micros=row.amount_micros, conditions=row.conditions)
    if row.effective_from is not None:
        message.effective_time.CopyFrom(timestamp(begins(row)))
    return message
