"""Everything that a Stripe account holds, in memory: objects, events, the clock."""

import secrets
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from simulator.stripe_errors import Thing, invalid, missing, refused
from simulator.stripe_params import LISTED, Form, Params

API_VERSION: Final = "2026-10-28.endive"
PREFIXES: Final[Mapping[str, str]] = {
    "customer": "cus_",
    "checkout.session": "cs_test_",
    "payment_intent": "pi_",
    "payment_method": "pm_",
    "charge": "ch_",
    "refund": "re_",
    "dispute": "du_",
    "invoice": "in_",
    "invoice_payment": "inpay_",
    "event": "evt_",
}
# What an id in a field leads to.
EXPANDABLE: Final[Mapping[str, str]] = {
    "customer": "customer",
    "payment_intent": "payment_intent",
    "latest_charge": "charge",
    "charge": "charge",
    "payment_method": "payment_method",
    "default_payment_method": "payment_method",
    "invoice": "invoice",
}
# Lists that are sent only where they are asked for.
INCLUDABLE: Final = frozenset(
    {("checkout.session", "line_items"), ("charge", "refunds"), ("invoice", "payments")}
)
# What a list's `url` is.
PATHS: Final[Mapping[str, str]] = {
    "customer": "/v1/customers",
    "checkout.session": "/v1/checkout/sessions",
    "payment_intent": "/v1/payment_intents",
    "payment_method": "/v1/payment_methods",
    "charge": "/v1/charges",
    "refund": "/v1/refunds",
    "dispute": "/v1/disputes",
    "invoice": "/v1/invoices",
    "invoice_payment": "/v1/invoice_payments",
    "event": "/v1/events",
}
DEPTH_MAX: Final = 4
PAGE_MAX: Final = 100
PAGE_DEFAULT: Final = 10
_ALPHABET: Final = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to an endpoint: the ids of its path, and its parameters."""

    ids: tuple[str, ...]
    form: Form

    @property
    def id(self) -> str:
        """The last id of the path."""
        return self.ids[-1]


Handler = Callable[[Asked], Thing]
# Method, path (`{id}` stands for an id), and what answers.
Routes = Iterable[tuple[str, str, Handler]]


def new_id(prefix: str, length: int = 24) -> str:
    """Make an id like Stripe's."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


class Books:
    """The objects by kind and id, oldest first. Nothing here waits: an operation is one step."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.base_url = ""
        self.tax_percent = 0
        # Who is told of every event, and the request that events now come from.
        self.told: list[Callable[[Thing], None]] = []
        self.request: tuple[str, str | None] | None = None
        self._clock = clock
        self._ahead = 0
        self._tables: dict[str, dict[str, Thing]] = {kind: {} for kind in PREFIXES}

    def now(self) -> int:
        """The account's time in Unix seconds."""
        return int(self._clock()) + self._ahead

    def advance(self, seconds: int) -> None:
        """Move the account's clock on."""
        self._ahead += seconds

    def all(self, kind: str) -> list[Thing]:
        """Every object of a kind, oldest first."""
        return list(self._tables[kind].values())

    def add(self, thing: Thing) -> Thing:
        """Keep a new object."""
        self._tables[thing["object"]][thing["id"]] = thing
        return thing

    def find(self, kind: str, given: str, param: str | None = None) -> Thing:
        """Give an object; raises StripeError, naming *param* where the id is a parameter's."""
        thing = self._tables[kind].get(given)
        if thing is None:
            said = kind.replace(".", "_") if kind != "payment_method" else "PaymentMethod"
            raise missing(said, given, param or "id", in_path=param is None)
        return thing

    def emit(self, kind: str, thing: Thing, previous: Mapping[str, Any] | None = None) -> None:
        """Record an event about an object as it stands now, and tell of it."""
        data: Thing = {"object": self.shown(thing)}
        if previous is not None:
            data["previous_attributes"] = dict(previous)
        request_id, key = self.request or (None, None)
        event = {
            "id": new_id("evt_"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": request_id, "idempotency_key": key},
            "type": kind,
        }
        self.add(event)
        for tell in self.told:
            tell(event)

    def change(self, thing: Thing, changes: Mapping[str, Any]) -> Thing:
        """Change an object; gives what it was before, for an event."""
        previous = {
            name: thing.get(name) for name, value in changes.items() if thing.get(name) != value
        }
        thing.update(changes)
        return previous

    def shown(self, thing: Thing, expand: Iterable[str] = ()) -> Thing:
        """Give what is sent of an object, with the fields named in *expand* as whole objects."""
        wanted: dict[str, list[str]] = {}
        for path in expand:
            first, _, rest = path.partition(".")
            if path.count(".") >= DEPTH_MAX:
                raise refused(f"You cannot expand more than {DEPTH_MAX} levels of a property.")
            wanted.setdefault(first, []).extend([rest] if rest else [])
        kind = thing.get("object", "")
        result: Thing = {}
        for name, value in thing.items():
            is_wanted = wanted.pop(name, None)
            if name.startswith("_") or ((kind, name) in INCLUDABLE and is_wanted is None):
                continue
            result[name] = (
                _copied(value) if is_wanted is None else self._whole(name, value, is_wanted)
            )
        if wanted:
            name = next(iter(wanted))
            raise refused(f"This property cannot be expanded ({name[:64]}).", param="expand")
        return result

    def answered(self, thing: Thing, asked: Asked) -> Thing:
        """Give the answer that shows one object."""
        return self.shown(thing, Params(asked.form, asked.form).texts("expand"))

    def page(
        self, kind: str, asked: Asked, known: Iterable[str], keep: Callable[[Params, Thing], bool]
    ) -> Thing:
        """Give a page of the objects that *keep* lets through, newest first."""
        params = Params(asked.form, {*known, *LISTED, "created"})
        things = [
            each
            for each in reversed(self._tables[kind].values())
            if keep(params, each) and params.within("created", each["created"])
        ]
        return self.paged(things, params, PATHS[kind])

    def paged(self, things: list[Thing], params: Params, url: str) -> Thing:
        """Give the part of *things* that `limit`, `starting_after` and `ending_before` ask for."""
        limit = params.integer("limit")
        if limit is None:
            limit = PAGE_DEFAULT
        if not 1 <= limit <= PAGE_MAX:
            raise invalid(f"This value must be between 1 and {PAGE_MAX}.", "limit")
        ids = [each["id"] for each in things]
        after, before = params.text("starting_after"), params.text("ending_before")
        if after is not None and before is not None:
            raise invalid(
                "You may only specify one of these parameters: starting_after, ending_before."
            )
        if after is not None:
            things = things[self._place(ids, after, "starting_after") + 1 :]
            part, more = things[:limit], len(things) > limit
        elif before is not None:
            things = things[: self._place(ids, before, "ending_before")]
            part, more = things[-limit:], len(things) > limit
        else:
            part, more = things[:limit], len(things) > limit
        inner = []
        for path in params.texts("expand"):
            first, _, rest = path.partition(".")
            if first != "data" or not rest:
                raise invalid(f"This property cannot be expanded ({path[:64]}).", "expand")
            inner.append(rest)
        shown = [self.shown(each, inner) for each in part]
        return {"object": "list", "url": url, "has_more": more, "data": shown}

    def _place(self, ids: list[str], given: str, param: str) -> int:
        if given not in ids:
            raise missing("object", given, param, in_path=False)
        return ids.index(given)

    def _whole(self, name: str, value: Any, inner: list[str]) -> Any:
        """Give the object that a field's id leads to, or the list that is asked for."""
        if callable(value):
            return self._listed(value(), inner)
        if isinstance(value, dict) and inner:
            return self.shown(value, inner)
        if name not in EXPANDABLE:
            raise refused(f"This property cannot be expanded ({name[:64]}).", param="expand")
        return None if value is None else self.shown(self._tables[EXPANDABLE[name]][value], inner)

    def _listed(self, listed: Thing, inner: list[str]) -> Thing:
        rest = [path.removeprefix("data.") for path in inner if path.startswith("data.")]
        return {**listed, "data": [self.shown(each, rest) for each in listed["data"]]}


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_copied(each) for each in value]
    return value
