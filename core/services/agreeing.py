"""What a new person must say yes to: the age, and the policies that hold now."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

from accounts.consents import Decision, Subject
from core.errors import GatewayError, Reason
from core.services.people_words import invalid

_MOST: Final = 20
_LONGEST: Final = 100
"""Policies that are named, and characters of each: more is no list of ours."""
AGREED: Final[Mapping[str, Subject]] = {"terms": Subject.TERMS, "privacy": Subject.PRIVACY}
"""Policies that are agreed to; others are for information."""


class Agreeing:
    """Turns what somebody confirmed into decisions.

    *current_policies* gives the version that holds now of each policy, by id.
    """

    def __init__(
        self, current_policies: Callable[[], Mapping[str, str]], new_id: Callable[[], UUID]
    ) -> None:
        self._current = current_policies
        self._new_id = new_id

    def __call__(self, age_confirmed: bool, accepted: Sequence[str]) -> list[Decision]:  # noqa: FBT001 (a field of the contract)
        """The decisions of somebody new; raises INVALID_PARAMETER, MISSING_PARAMETER."""
        if not age_confirmed:
            raise GatewayError(
                Reason.MISSING_PARAMETER,
                "Confirm that you are 16 or older: nobody younger may have an account.",
                parameter="age_confirmed",
            )
        if len(accepted) > _MOST or any(len(each) > _LONGEST for each in accepted):
            raise invalid("accepted_policies", "names policies that there are none of")
        current = self.current()
        missing = [
            f"policies/{id_}@{version}"
            for id_, version in sorted(current.items())
            if f"policies/{id_}@{version}" not in accepted
        ]
        if missing:
            raise GatewayError(
                Reason.MISSING_PARAMETER,
                f"Agree to {' and '.join(missing)}, which hold now.",
                parameter="accepted_policies",
                metadata={"policies": " ".join(missing)},
            )
        return [
            Decision(self._new_id(), Subject.AGE, given=True),
            *(
                Decision(self._new_id(), AGREED[id_], True, version)
                for id_, version in sorted(current.items())
            ),
        ]

    def current(self) -> Mapping[str, str]:
        """The versions of what is agreed to, by the policy's id."""
        return {id_: version for id_, version in self._current().items() if id_ in AGREED}

    def version_of(self, subject: Subject) -> str | None:
        """The version that holds now of what *subject* is about; None: it has none."""
        return next((v for id_, v in self.current().items() if AGREED[id_] is subject), None)
