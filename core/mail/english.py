"""What every kind of mail says in English. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from accounts.letter import Kind
from core.mail.amounts import in_credits, in_dollars
from core.mail.content import Action, Content, Facts, Links, line, name_of

Writer = Callable[[Facts, Links], Content]
"""What makes a content; raises KeyError where a fact is missing."""

NOTIFICATIONS: Final = "/settings/notifications"
ACCOUNT: Final = "/account"
PROFILE: Final = "/settings/profile"
FORGOT: Final = "/forgot-password"
"""Where the mail with the link is asked for that sets another password."""
_SERVICES: Final[Mapping[str, str]] = {"github": "GitHub", "google": "Google"}


def _verify_email(facts: Facts, links: Links) -> Content:
    return Content(
        "Confirm your e-mail address",
        ("Open this link to confirm that this address is yours.",),
        Action("Confirm address", links.page("/verify-email", facts["token"])),
        after=("If you did not sign up, ignore this mail: nothing happens without the link.",),
    )


def _verify_new_email(facts: Facts, links: Links) -> Content:
    return Content(
        "Confirm your new e-mail address",
        ("Open this link to sign in with this address from now on. Until then the old one stays.",),
        Action("Confirm address", links.page("/verify-email", facts["token"])),
        after=("If you did not ask for this, ignore this mail.",),
    )


def _email_changing(_: Facts, links: Links) -> Content:
    return Content(
        "Your e-mail address is about to change",
        (
            (
                "Somebody who is signed in to your account asked to change its e-mail address. "
                "The new one holds once its link was opened; this address can then sign in no more."
            ),
            "If that was not you, change your password now.",
        ),
        Action("Reset password", links.page(FORGOT)),
    )


def _already_signed_up(_: Facts, links: Links) -> Content:
    return Content(
        "You already have an account",
        (
            (
                "Somebody, perhaps you, tried to sign up with this address. It has an "
                "account already: sign in, or reset the password if you forgot it."
            ),
        ),
        Action("Sign in", links.page("/sign-in")),
        after=("If that was not you, nothing needs to be done.",),
    )


def _reset_password(facts: Facts, links: Links) -> Content:
    return Content(
        "Reset your password",
        ("Open this link to choose a new password. It works once, and not for long.",),
        Action("Choose a password", links.page("/reset-password", facts["token"])),
        after=("If you did not ask for this, ignore this mail: your password stays.",),
    )


def _password_changed(facts: Facts, links: Links) -> Content:
    told = ["The password of your account was changed, and all other browsers were signed out."]
    if removed := _services(facts.get("removed", "")):
        told.append(
            f"Signing in with {removed} was ended, because the address there is another one. If it "
            "was yours, link it again in your profile."
        )
    if kept := _services(facts.get("kept", "")):
        told.append(
            f"You can still sign in with {kept}. If that is not yours, remove it in your profile: "
            f"{links.page(PROFILE)}"
        )
    told.append("If that was not you, reset it now and look at the API keys of your account.")
    return Content(
        "Your password was changed", tuple(told), Action("Reset password", links.page(FORGOT))
    )


def _sign_in_added(facts: Facts, links: Links) -> Content:
    service = _services(facts["provider"])
    return Content(
        f"You can now sign in with {service}",
        (
            f"From now on, whoever signs in at {service} with that identity has your account.",
            (
                "If that was not you, reset your password, then remove the service in your "
                f"profile: {links.page(PROFILE)}"
            ),
        ),
        Action("Reset password", links.page(FORGOT)),
    )


def _sign_in_removed(facts: Facts, links: Links) -> Content:
    service = _services(facts["provider"])
    return Content(
        f"You can no longer sign in with {service}",
        (
            f"The identity at {service} was removed from your account.",
            "If that was not you, reset your password now.",
        ),
        Action("Reset password", links.page(FORGOT)),
    )


def _services(providers: str) -> str:
    """`GitHub, Google`, from the names that the API has for them."""
    return ", ".join(_SERVICES.get(name, name) for name in line(providers).split())


def _invitation(facts: Facts, links: Links) -> Content:
    account = name_of(facts.get("account", ""))
    place = f"the account “{account}”" if account else "an account"
    return Content(
        "You are invited to an account",
        (f"You are invited to {place} in the role “{line(facts.get('role', ''))}”.",),
        Action("Accept invitation", links.page("/accept-invitation", facts["token"])),
        after=("If you do not know who asks you, ignore this mail.",),
    )


def _receipt(facts: Facts, links: Links) -> Content:
    rows = [
        ("Amount", f"{facts['amount']} {facts['currency'].upper()}"),
        ("Credits", facts["credits"]),
        ("Payment", facts["payment"]),
    ]
    invoice = facts.get("invoice", "")
    action = Action("Invoice", invoice) if invoice else Action("Your account", links.page(ACCOUNT))
    return Content(
        "Receipt for your credits", ("Thank you. Your credits are there.",), action, tuple(rows)
    )


def _budget_alert(facts: Facts, links: Links) -> Content:
    percent = line(facts["percent"])
    rows = [
        ("Budget", facts["budget"]),
        ("Limit", in_dollars(facts["limit_micros"])),
        ("Spent", in_dollars(facts["spent_micros"])),
        ("Reserved", in_dollars(facts["held_micros"])),
    ]
    if "api_key" in facts:
        rows.append(("API key", facts["api_key"]))
    return Content(
        f"{percent} % of a budget are used",
        (f"A budget has passed {percent} % of its limit. At 100 % its requests are refused.",),
        Action("Your account", links.page(ACCOUNT)),
        tuple(rows),
    )


def _balance_low(facts: Facts, links: Links) -> Content:
    rows = (
        ("Available", in_credits(facts["available_micros"])),
        ("Your threshold", in_credits(facts["threshold_micros"])),
    )
    return Content(
        "Your balance is low",
        ("Your balance fell below the threshold that you chose. Without credits, requests end.",),
        Action("Buy credits", links.page(ACCOUNT)),
        rows,
    )


def _price_increase(facts: Facts, links: Links) -> Content:
    model, day = line(facts["model"]), line(facts["effective_from"])[:10]
    per = "" if facts["per"] == "1" else f" for {line(facts['per'])}"
    rows = (
        ("Model", model),
        ("Unit", facts["unit"]),
        ("Until then", in_dollars(facts["old_micros"]) + per),
        ("From then on", in_dollars(facts["new_micros"]) + per),
        ("From", f"{day} (UTC)"),
    )
    return Content(
        f"The price of {model} rises on {day}",
        ("A price rises. What you run before that day costs what it costs now.",),
        Action("Your account", links.page(ACCOUNT)),
        rows,
    )


def _policy(facts: Facts, links: Links) -> Content:
    title, day = line(facts["title"]), line(facts["effective"])
    return Content(
        f"Our {title} changes on {day}",
        (
            (
                f"A new version of our {title} ({line(facts['version'])}) takes effect on {day}. "
                "You can read it now. Who does not agree may delete the account before that day."
            ),
        ),
        Action("Read it", links.page("/policies")),
    )


def _letter(facts: Facts, _: Links) -> Content:
    paragraphs = tuple(part.strip() for part in facts["text"].split("\n\n") if part.strip())
    return Content(facts["subject"], paragraphs, html=facts.get("html", ""))


def _export_ready(facts: Facts, links: Links) -> Content:
    return Content(
        "Your export is ready",
        (f"The archive that you asked for can be downloaded until {_moment(facts['expires'])}.",),
        Action("Download", links.page(PROFILE)),
        after=("The link is there and not in this mail, because whoever has it may read it all.",),
    )


def _moment(text: str) -> str:
    """`2026-11-22 17:12 UTC`, from an ISO 8601 time of ours, which is UTC."""
    return f"{line(text)[:16].replace('T', ' ')} UTC"


def _account_erased(facts: Facts, _: Links) -> Content:
    if "stays" in facts:
        return Content(
            "An account that you belonged to was deleted",
            (
                (
                    "An owner of it deleted it with all that was in it, your keys for it too. "
                    "Other accounts of yours, and how you sign in, are as they were."
                ),
                f"If you have questions, name this request: {line(facts['request'])}",
            ),
        )
    return Content(
        "Your account was deleted",
        (
            (
                "Your account, its outputs and what was known of you are deleted. Records of "
                "payments are kept for seven years, as the law demands, without your name and "
                "address."
            ),
            f"If you have questions, name this request: {line(facts['request'])}",
        ),
    )


def _contact(facts: Facts, _: Links) -> Content:
    rows = (("From", facts["email"]), ("Name", facts.get("display_name", "")))
    paragraphs = facts["text"].replace("\r\n", "\n").split("\n\n")
    return Content(
        f"Contact form: {line(facts.get('subject', '')) or 'no subject'}",
        tuple(part.strip("\n") for part in paragraphs if part.strip()),
        rows=rows,
        after=("An answer to this mail goes to the address above.",),
    )


ENGLISH: Final[Mapping[Kind, Writer]] = {
    Kind.VERIFY_EMAIL: _verify_email,
    Kind.VERIFY_NEW_EMAIL: _verify_new_email,
    Kind.EMAIL_CHANGING: _email_changing,
    Kind.ALREADY_SIGNED_UP: _already_signed_up,
    Kind.RESET_PASSWORD: _reset_password,
    Kind.PASSWORD_CHANGED: _password_changed,
    Kind.SIGN_IN_ADDED: _sign_in_added,
    Kind.SIGN_IN_REMOVED: _sign_in_removed,
    Kind.INVITATION: _invitation,
    Kind.RECEIPT: _receipt,
    Kind.BUDGET_ALERT: _budget_alert,
    Kind.BALANCE_LOW: _balance_low,
    Kind.PRICE_INCREASE: _price_increase,
    Kind.POLICY: _policy,
    Kind.NEWSLETTER: _letter,
    Kind.PRODUCT: _letter,
    Kind.EXPORT_READY: _export_ready,
    Kind.ACCOUNT_ERASED: _account_erased,
    Kind.CONTACT: _contact,
}
