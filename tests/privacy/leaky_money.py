"""The gateway with defects about money: what moves or opens something is given away.

`python tests/privacy/leaky_money.py serve --demo`; the composition is the real one. Every text goes
to the log, codes go into a row, and whatever is searched for by `test_taint_money` must be found.
"""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from billing.stripe_client import StripePayments
from core.engine.promotions import Promotions
from core.engine.quotes import QuoteTokens
from core.engine.repeats import Repeats, Request
from core.services import payment_words
from gateway.cli import main
from tests.privacy.leaky_gateway import into_a_row, into_the_log


def overhear(place: Any, name: str, tell: Callable[..., None]) -> None:
    """Have *tell* hear the arguments of a function or method, which does what it did."""
    does = getattr(place, name)

    @wraps(does)
    def told(*given: Any, **named: Any) -> Any:
        tell(*given)
        return does(*given, **named)

    setattr(place, name, told)


def tell_the_request(_: Repeats, __: object, request: Request, ___: object) -> None:
    if request.key is not None:
        into_the_log(request.key.reveal())
    into_the_log(request.contents.decode("latin-1"))


def tell_the_links(entry: Any, _: object) -> None:
    into_the_log(f"{entry.invoice_url} {entry.receipt_url}")


def leak() -> None:
    """Replace what is told."""
    overhear(Repeats, "found", tell_the_request)
    overhear(StripePayments, "event", lambda _, payload, sign: into_the_log(f"{payload!r} {sign}"))
    overhear(QuoteTokens, "read", lambda _, token: into_the_log(token.reveal()))
    overhear(Promotions, "redeem", lambda _, __, typed, ___: into_a_row(typed.reveal()))
    overhear(payment_words, "payment_message", tell_the_links)
    overhear(payment_words, "checkout_message", lambda _, uri="", __=None: into_the_log(uri))


if __name__ == "__main__":
    leak()
    main()
