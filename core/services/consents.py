"""AccountService: what a person agreed to."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID

from grpc import aio

from accounts import consents
from accounts.consents import Decision, Recorded, Subject, record
from accounts.people_changes import Settings, change_settings, note_right
from accounts.people_ground import PeopleGround
from core.caller import current_caller
from core.engine.repeats import Repeats
from core.services import cursors
from core.services.agreeing import Agreeing
from core.services.convert import timestamp
from core.services.people_words import invalid
from core.services.profile import signed_in
from core.services.repeatable import personal
from core.services.session_words import ended
from reapi.v1 import account_pb2
from reapi.v1 import account_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

_SUBJECTS: Final[Mapping[Subject, account_pb2.Consent.Subject]] = {
    Subject.TERMS: account_pb2.Consent.SUBJECT_TERMS,
    Subject.PRIVACY: account_pb2.Consent.SUBJECT_PRIVACY,
    Subject.AGE: account_pb2.Consent.SUBJECT_AGE,
    Subject.NEWSLETTER: account_pb2.Consent.SUBJECT_NEWSLETTER,
    Subject.SUPPORT_COOKIES: account_pb2.Consent.SUBJECT_SUPPORT_COOKIES,
}
_SUBJECT_OF: Final = {int(number): subject for subject, number in _SUBJECTS.items()}
_NEEDED: Final = frozenset({Subject.TERMS, Subject.PRIVACY, Subject.AGE})
"""Without these there is no account: who takes one back deletes it."""


class ConsentCalls:
    """Serves ListConsents and RecordConsent."""

    def __init__(self, ground: PeopleGround, repeats: Repeats, agreeing: Agreeing) -> None:
        self._ground = ground
        self._repeats = repeats
        self._agreeing = agreeing

    async def ListConsents(
        self, request: pb.ListConsentsRequest, context: Context
    ) -> pb.ListConsentsResponse:
        """Read one page, newest first."""
        size = cursors.size_of(request.page_size)
        after = cursors.after(request.page_token, "consents")
        async with self._ground.pool.connection() as connection:
            found = await consents.page(connection, signed_in(), size + 1, after)
        page = found[:size]
        more = len(found) > size
        return pb.ListConsentsResponse(
            consents=map(_message, page),
            next_page_token=cursors.token(page[-1].id, "consents") if more else "",
        )

    async def RecordConsent(
        self, request: pb.RecordConsentRequest, context: Context
    ) -> pb.RecordConsentResponse:
        """Write a decision down, and follow it."""
        user_id, vault = signed_in(), self._ground.vault
        decision = self._decision(request.consent, self._ground.new_id())
        known = self._repeats.of(personal(request))
        async with self._ground.pool.connection() as connection, connection.transaction():
            before = await known(connection, decision.id)
            if before is None:
                await record(connection, user_id, decision)
                if decision.subject is Subject.NEWSLETTER:
                    wanted = Settings(newsletter=decision.given)
                    await change_settings(connection, vault, user_id, wanted)
                if not decision.given:
                    account_id, id_ = current_caller().account_id, self._ground.new_id()
                    await note_right(connection, id_, account_id, user_id, "objection")
            kept = await consents.read(connection, user_id, before or decision.id)
        if kept is None:
            raise ended()
        return pb.RecordConsentResponse(consent=_message(kept))

    def _decision(self, message: account_pb2.Consent, id_: UUID) -> Decision:
        subject = _SUBJECT_OF.get(message.subject)
        if subject is None:
            raise invalid("consent.subject", "must be one of the subjects")
        if subject in _NEEDED and not message.given:
            raise invalid("consent.given", "cannot be taken back; delete the account instead")
        version = self._agreeing.version_of(subject)
        if message.policy_version not in ("", version):
            raise invalid("consent.policy_version", "is not the version that holds now")
        return Decision(id_, subject, message.given, version or "")


def _message(kept: Recorded) -> account_pb2.Consent:
    return account_pb2.Consent(
        subject=_SUBJECTS[kept.subject],
        given=kept.given,
        policy_version=kept.policy_version,
        decide_time=timestamp(kept.created_at),
    )
