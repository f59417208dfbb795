"""The channels in AdminService: listed with their health, drained, disabled and re-weighted."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

from google.protobuf.field_mask_pb2 import FieldMask

from core.caller import current_network
from core.catalog.entries import Catalogue
from core.engine.channel_controls import Edit
from core.engine.channel_overlay import ChannelOverlay
from core.errors import GatewayError, Reason
from core.keyring import Keyring
from core.policy.health import HealthBook
from core.policy.overlay import Admission
from core.services import cursors
from core.services.channel_words import ADMISSIONS, Listed, Moment, listed, message
from reapi.v1 import admin_pb2
from reapi.v1 import admin_service_pb2 as pb

MAXIMUM_WEIGHT: Final = 1_000_000
"""More would tell no more: a share is a weight among the weights of a tier."""
REQUEST_ID_LENGTH: Final = 255
_PREFIX: Final = "channels/"
_REQUEST: Final = "admin-request"
_MUTABLE: Final = ("admission", "weight")
_AS_WRITTEN: Final = 0


class Channels:
    """What the operator may see of channels, and change."""

    def __init__(self, overlay: ChannelOverlay, book: HealthBook, keyring: Keyring) -> None:
        self._overlay = overlay
        self._book = book
        self._keyring = keyring
        self._known: tuple[Catalogue, Mapping[str, Listed]] | None = None

    def page(self, request: pb.ListChannelsRequest) -> pb.ListChannelsResponse:
        """One page, by name; raises INVALID_PARAMETER."""
        size = cursors.size_of(request.page_size)
        models = self._models(request)
        facts = ("channels", *sorted(models))
        after = cursors.name_after(request.page_token, *facts)
        found = [
            item
            for item in self._listed().values()
            if item.name > after and (not models or models.intersection(item.models))
        ]
        items = found[:size]
        more = len(found) > size
        return pb.ListChannelsResponse(
            channels=[self._message(item) for item in items],
            next_page_token=cursors.name_token(items[-1].name, *facts) if more else "",
        )

    def get(self, name: str) -> admin_pb2.Channel:
        """One channel; raises NOT_FOUND."""
        return self._message(self._find(name))

    async def update(self, request: pb.UpdateChannelRequest) -> admin_pb2.Channel:
        """Change one; raises GatewayError naming the field, and StorageUnavailable."""
        wanted = request.channel
        item = self._find(wanted.name)
        mask = request.update_mask if request.HasField("update_mask") else None
        names = _names(wanted, mask)
        await self._overlay.change(
            Edit(
                channel=item.name,
                id=self._note_id(request.request_id),
                admission=_admission(wanted) if "admission" in names else None,
                weight=_weight(wanted) if "weight" in names else None,
                catalogue_weight=item.weight,
                etag=wanted.etag,
                network=current_network(),
            )
        )
        return self._message(item)

    def _listed(self) -> Mapping[str, Listed]:
        """The channels of the catalogue; read anew when there is another one."""
        catalogue = self._overlay.catalogue
        if self._known is None or self._known[0] is not catalogue:
            self._known = catalogue, listed(catalogue)
        return self._known[1]

    def _find(self, name: str) -> Listed:
        item = self._listed().get(name.removeprefix(_PREFIX)) if name.startswith(_PREFIX) else None
        if item is None:
            raise GatewayError(
                Reason.NOT_FOUND, "No such channel.", metadata={"resource": "channel"}
            )
        return item

    def _models(self, request: pb.ListChannelsRequest) -> set[str]:
        try:
            return {self._overlay.catalogue.model(name).id for name in request.models}
        except GatewayError:
            raise _invalid("models", "names a model that there is not") from None

    def _message(self, item: Listed) -> admin_pb2.Channel:
        now = Moment(time.monotonic(), datetime.now(UTC))
        return message(item, self._overlay.overlay, self._book, now)

    def _note_id(self, request_id: str) -> UUID:
        """The id of the note in the audit log: the same for the same request."""
        if not request_id:
            return uuid4()
        if len(request_id) > REQUEST_ID_LENGTH:
            raise _invalid("request_id", f"may have at most {REQUEST_ID_LENGTH} characters")
        digest = self._keyring.mac(_REQUEST, b"UpdateChannel", request_id.encode())
        return UUID(bytes=digest[:16], version=4)


def _names(wanted: admin_pb2.Channel, mask: FieldMask | None) -> tuple[str, ...]:
    """Which fields to change: those of *mask*, or those that are set."""
    if mask is None:
        names = tuple(
            name
            for name, is_set in (
                ("admission", bool(wanted.admission)),
                ("weight", wanted.HasField("weight")),
            )
            if is_set
        )
    else:
        names = tuple(mask.paths)
    if any(name not in _MUTABLE for name in names):
        raise _invalid("update_mask", f"may name {' and '.join(_MUTABLE)}")
    if not names:
        raise GatewayError(
            Reason.MISSING_PARAMETER,
            "Give the admission or the weight that the channel is to have.",
            parameter="channel.admission" if mask is None else "update_mask",
        )
    return names


def _admission(wanted: admin_pb2.Channel) -> Admission:
    """What it is to be; unspecified means what the catalogue says, which is open."""
    if wanted.admission == admin_pb2.Channel.ADMISSION_UNSPECIFIED:
        return Admission.OPEN
    for admission, number in ADMISSIONS.items():
        if number == wanted.admission:
            return admission
    raise _invalid("channel.admission", "must be ADMISSION_OPEN, _DRAINING or _DISABLED")


def _weight(wanted: admin_pb2.Channel) -> int:
    if not wanted.HasField("weight"):
        return _AS_WRITTEN
    if not 1 <= wanted.weight <= MAXIMUM_WEIGHT:
        raise _invalid("channel.weight", f"must be from 1 to {MAXIMUM_WEIGHT}")
    return wanted.weight


def _invalid(name: str, what: str) -> GatewayError:
    return GatewayError(Reason.INVALID_PARAMETER, f"`{name}` {what}.", parameter=name)
