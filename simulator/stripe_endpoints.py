"""Stripe's API as pure bookkeeping: which path and method does what."""

import re
from collections.abc import Iterable
from typing import Final

from simulator.stripe_books import Asked, Books, Handler, Routes
from simulator.stripe_errors import StripeError, Thing
from simulator.stripe_params import Params

_ID: Final = r"([A-Za-z0-9_]{1,255})"


class Events:
    """The endpoints below `/v1/events`."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def routes(self) -> Routes:
        """Give what is answered here."""
        yield "GET", "/v1/events", self.browse
        yield "GET", "/v1/events/{id}", self.retrieve

    def browse(self, asked: Asked) -> Thing:
        """Show a page of events."""

        def keep(params: Params, each: Thing) -> bool:
            kinds, kind = params.texts("types"), params.text("type")
            is_told = params.text("delivery_success")
            if is_told is not None and (is_told == "true") == bool(each["pending_webhooks"]):
                return False
            if kinds and each["type"] not in kinds:
                return False
            return kind is None or bool(
                re.fullmatch(re.escape(kind).replace(r"\*", ".*"), each["type"])
            )

        return self._books.page("event", asked, ("delivery_success", "type", "types"), keep)

    def retrieve(self, asked: Asked) -> Thing:
        """Show an event."""
        Params(asked.form, ())
        return self._books.answered(self._books.find("event", asked.id), asked)


class Endpoints:
    """Finds what answers a request."""

    def __init__(self, routes: Iterable[tuple[str, str, Handler]]) -> None:
        self._routes = [
            (method, re.compile(re.escape(path).replace(r"\{id\}", _ID)), path, handler)
            for method, path, handler in routes
        ]

    def find(self, method: str, path: str) -> tuple[str, tuple[str, ...], Handler]:
        """Give the route's pattern, the ids in the path, and the handler; raises StripeError."""
        for known, pattern, route, handler in self._routes:
            match = pattern.fullmatch(path)
            if match is not None and known == method:
                return route, match.groups(), handler
        raise StripeError(
            404,
            f"Unrecognized request URL ({method}: {path[:255]}). If you are trying to list "
            f"objects, remove the trailing slash. If you are trying to retrieve an object, make "
            f"sure you passed a valid (non-empty) identifier in your code. Please see "
            f"https://stripe.com/docs.",
            is_validation=True,
        )
