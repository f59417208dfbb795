"""AdminService: the catalogue, read again."""

from collections.abc import Callable
from typing import Any, TypeAlias

import orjson
from grpc import aio

from accounts.registry import Registry
from accounts.security_log import NOBODYS
from core.catalog.entries import Catalogue
from core.engine.reloading import Mistake, Reloading
from core.errors import GatewayError, Reason
from core.services import operator_words as words
from core.services.repeatable import repeatable
from reapi.v1 import admin_pb2
from reapi.v1 import admin_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


class OperatorCatalogue:
    """Serves ReloadCatalogue of `reapi.v1.AdminService`.

    *reloading* None: this deployment's catalogue never changes. *current* gives the one in force.
    """

    def __init__(
        self, reloading: Reloading | None, registry: Registry, current: Callable[[], Catalogue]
    ) -> None:
        self._reloading = reloading
        self._registry = registry
        self._current = current

    async def ReloadCatalogue(
        self, request: pb.ReloadCatalogueRequest, context: Context
    ) -> pb.ReloadCatalogueResponse:
        """Read the files again, and take them over if they are sound.

        However often it is asked for, the same files give the same: a repeat is read again.
        """
        repeatable(request)  # for the length of its request_id
        if self._reloading is None:
            raise GatewayError(
                Reason.ENDPOINT_NOT_AVAILABLE,
                "The catalogue of this deployment is not read from files.",
                metadata={"endpoint": "AdminService.ReloadCatalogue"},
            )
        before = self._current()
        if request.validate_only:
            found = await self._reloading.check()
        else:
            found = await self._reloading.reload()
        if isinstance(found, Mistake):
            return pb.ReloadCatalogueResponse(problems=[_problem(found)])
        if not request.validate_only and found.version != before.version:
            changes = {"catalogue_version": found.version}
            await self._registry.note(
                words.action("catalogue.reload", NOBODYS, "catalogue", "", changes)
            )
        return pb.ReloadCatalogueResponse(
            catalogue_version=found.version,
            activated=not request.validate_only,
            model_count=len(found.models),
            channel_count=len(found.channels),
            changed_models=changed_models(before, found),
        )


def changed_models(before: Catalogue, after: Catalogue) -> list[str]:
    """Ids of models that came, went, or are offered otherwise than before."""
    old, new = (orjson.loads(each.content or "{}").get("models", {}) for each in (before, after))
    return sorted(id_ for id_ in old.keys() | new.keys() if old.get(id_) != new.get(id_))


def _problem(found: Mistake) -> admin_pb2.CatalogueProblem:
    return admin_pb2.CatalogueProblem(
        file=found.file, line=found.line, key=found.key, message=found.problem
    )
