"""The pages that Stripe hosts: paying a session, authenticating, invoices and receipts."""

from html import escape
from typing import Final
from urllib.parse import parse_qs

from simulator.answer import Answer
from simulator.stripe_attempts import authenticate
from simulator.stripe_books import Books
from simulator.stripe_cards import CARDS, NUMBERS
from simulator.stripe_checkout import Checkout, Paid
from simulator.stripe_errors import StripeError, Thing

_HEADERS: Final = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "cache-control": "no-store",
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#1a1f36}"
    "label{display:block;padding:.4rem 0}button{font:inherit;padding:.5rem 1.5rem;margin:1rem 1rem "
    "0 0}.no{color:#b3093c}table{width:100%}td:last-child{text-align:right}small{color:#697386}"
)
_PDF: Final = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)
_GONE: Final = "This page is no longer available."


class Pages:
    """Answers below `/c/pay/`, `/authenticate/`, `/i/` and `/r/`."""

    def __init__(self, books: Books, checkout: Checkout) -> None:
        self._books = books
        self._checkout = checkout

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Answer a browser."""
        given = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
        try:
            match path.strip("/").split("/"):
                case ["c", "pay", session_id]:
                    found = self._books.find("checkout.session", session_id)
                    return self._pay(found, given if method == "POST" else None)
                case ["authenticate", intent_id]:
                    intent = self._books.find("payment_intent", intent_id)
                    return self._authenticate(intent, given if method == "POST" else None)
                case ["i", invoice_id]:
                    return _bill("Invoice", self._books.find("invoice", invoice_id)["number"])
                case ["i", invoice_id, "pdf"]:
                    self._books.find("invoice", invoice_id)
                    return Answer(200, {"content-type": "application/pdf"}, (_PDF,))
                case ["r", charge_id]:
                    return _bill("Receipt", self._books.find("charge", charge_id)["id"])
        except StripeError as error:
            return _page(error.status, f"<p class=no>{escape(error.message)}</p>")
        return _page(404, f"<p>{_GONE}</p>")

    def _pay(self, found: Thing, given: dict[str, str] | None) -> Answer:
        self._checkout.lapse()
        if found["status"] != "open":
            return _page(200, f"<p>{_GONE} The session is {escape(found['status'])}.</p>")
        if given is None:
            return _page(200, self._form(found))
        if (genuine := given.get("authentication")) is not None:
            return self._paid(
                found, self._checkout.authenticate(found, is_genuine=genuine == "complete")
            )
        card = CARDS.get(given.get("card", ""))
        if card is None:
            return _page(400, self._form(found, "Choose a card."))
        return self._paid(found, self._checkout.pay(found, card, given.get("email") or None))

    def _paid(self, found: Thing, paid: Paid) -> Answer:
        match paid.status:
            case "complete":
                return _redirect(self._checkout.success_url(found))
            case "requires_action":
                return _page(200, _question())
            case _:
                assert paid.decline is not None
                return _page(200, self._form(found, paid.decline.message))

    def _authenticate(self, intent: Thing, given: dict[str, str] | None) -> Answer:
        if intent["status"] != "requires_action":
            return _page(200, f"<p>{_GONE}</p>")
        if given is None:
            return _page(200, _question())
        authenticate(self._books, intent, is_genuine=given.get("authentication") == "complete")
        back = intent.get("_return_url")
        return _redirect(back) if back else _page(200, f"<p>{escape(intent['status'])}</p>")

    def _form(self, found: Thing, wrong: str | None = None) -> str:
        rows = "".join(
            f"<tr><td>{escape(item['description'])} × {item['quantity']}</td>"
            f"<td>{_money(item['amount_total'], found['currency'])}</td></tr>"
            for item in found["_items"]
        )
        cards = "".join(
            f"<label><input type=radio name=card value={card.name}"
            f"{' checked' if card.name == 'visa' else ''}> {number} <small>{escape(card.title)}"
            f"</small></label>"
            for number, card in NUMBERS.items()
        )
        email = "" if found["customer"] else "<label>E-mail <input name=email type=email></label>"
        back = ""
        if found["cancel_url"]:
            back = f'<p><a href="{escape(found["cancel_url"])}">Back</a></p>'
        no = f"<p class=no role=alert>{escape(wrong)}</p>" if wrong else ""
        total = _money(found["amount_total"], found["currency"])
        return (
            f"<table>{rows}</table>{no}<form method=post>{email}{cards}"
            f"<button>Pay {total}</button></form>{back}"
        )


def _question() -> str:
    return (
        "<p>The bank asks whether it is you.</p><form method=post>"
        "<button name=authentication value=complete>Complete</button>"
        "<button name=authentication value=fail>Fail</button></form>"
    )


def _bill(title: str, number: str) -> Answer:
    return _page(200, f"<p>{title} {escape(number)}</p>")


def _page(status: int, content: str) -> Answer:
    text = (
        f"<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><title>Simulated Stripe</title>"
        f"<style>{_STYLE}</style></head><body><h1>Simulated Stripe</h1>"
        f"<p><small>Test cards only; nobody is charged.</small></p>{content}</body></html>\n"
    )
    return Answer(status, _HEADERS, (text.encode(),))


def _redirect(url: str) -> Answer:
    return Answer(303, {"location": url}, (b"",))


def _money(cents: int, currency: str) -> str:
    return f"{cents // 100:,}.{cents % 100:02d} {escape(currency.upper())}"


CARD_NAMES: Final = tuple(CARDS)
