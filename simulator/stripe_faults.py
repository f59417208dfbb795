"""What goes wrong between a caller and Stripe's API, on demand.

status  HTTP `status` (409, 429, 500, …) with Stripe's body for it. 409 and 429 come before anything
        is executed; from 500 on the answer is remembered under the idempotency key, as Stripe does.
        With `done` the request was carried out all the same.
hang    No answer until the caller leaves. With `done` the request was carried out, and its result
        is what the same idempotency key gives later; without, it never arrived.
reset   The connection is reset; `done` as above.
slow    The answer comes `delay_ms` late; until then the idempotency key is in flight.

`path` is the beginning of the path that is met (`/v1/` by default), `method` one method. `skip`
lets so many requests pass first; `times` (1 by default, null: for ever) counts those that are met.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Final

from simulator.json_object import JsonObject, one_of, within
from simulator.stripe_errors import StripeError

KINDS: Final = ("status", "hang", "reset", "slow")
METHODS: Final = ("GET", "POST", "DELETE")
MAX_COUNT: Final = 1 << 40
# One day, as for the faults of channels.
MAX_DELAY_MS: Final = 86_400_000
_SAID: Final[Mapping[int, tuple[str, str | None, str]]] = {
    404: ("invalid_request_error", "resource_missing", "No such object."),
    409: (
        "invalid_request_error",
        "lock_timeout",
        "This object cannot be accessed right now: another request is accessing it.",
    ),
    429: ("invalid_request_error", "rate_limit", "Request rate limit exceeded."),
}
_BROKEN: Final = ("api_error", None, "An unknown error occurred.")


@dataclass(frozen=True, slots=True)
class StripeFault:
    """One fault of the API; the module's table says what each kind does."""

    kind: str
    path: str = "/v1/"
    method: str | None = None
    status: int = 500
    done: bool = False
    skip: int = 0
    times: int | None = 1
    delay_ms: int = 0
    retry_after: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be acted out."""
        one_of("kind", self.kind, KINDS)
        if self.method is not None:
            one_of("method", self.method, METHODS)
        within("status", self.status, 400, 599)
        within("skip", self.skip, 0, MAX_COUNT)
        within("delay_ms", self.delay_ms, 0, MAX_DELAY_MS)
        if self.times is not None:
            within("times", self.times, 1, MAX_COUNT)

    def meets(self, method: str, path: str) -> bool:
        """Say whether a request suffers this fault."""
        return path.startswith(self.path) and self.method in {None, method}

    def error(self) -> StripeError:
        """Give the refusal of a `status` fault."""
        kind, code, message = _SAID.get(self.status, _BROKEN)
        early = self.status < 500 and not self.done
        return StripeError(self.status, message, code, type=kind, is_validation=early)

    def as_json(self) -> dict[str, object]:
        """Give the fault as the controls show it."""
        return asdict(self)


def parse_stripe_fault(data: object) -> StripeFault:
    """Read a fault from decoded JSON; raises ControlError naming the field."""
    given = JsonObject(data, tuple(known.name for known in fields(StripeFault)))
    return StripeFault(
        kind=given.text("kind"),
        path=given.text("path", "/v1/"),
        method=given.text_or_none("method"),
        status=given.integer("status", 500),
        done=given.flag("done"),
        skip=given.integer("skip", 0),
        times=given.integer("times", None) if given.has("times") else 1,
        delay_ms=given.integer("delay_ms", 0),
        retry_after=given.integer("retry_after", None),
    )


class StripeFaults:
    """The faults that wait, in the order they were put."""

    def __init__(self) -> None:
        self._waiting: list[StripeFault] = []

    def put(self, fault: StripeFault) -> None:
        """Add a fault."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Be well again."""
        self._waiting.clear()

    def waiting(self) -> list[StripeFault]:
        """Give what is still to come."""
        return list(self._waiting)

    def take(self, method: str, path: str) -> StripeFault | None:
        """Give the fault that the request now arriving must suffer, and count it."""
        for place, fault in enumerate(self._waiting):
            if not fault.meets(method, path):
                continue
            if fault.skip:
                self._waiting[place] = replace(fault, skip=fault.skip - 1)
                continue
            if fault.times is not None:
                left = fault.times - 1
                self._waiting[place : place + 1] = [replace(fault, times=left)] if left else []
            return fault
        return None
