"""One click ends letters; the contact form reaches the operator and nobody else."""

from uuid import uuid4

import pytest

from accounts.mail_queue import Kind
from accounts.throttle import Throttle
from accounts.unsubscribing import person_of, unsubscribe_token
from core.bot_check import BotCheck
from core.caller import NOBODY, enter_call
from core.errors import GatewayError, Reason
from core.keyring import Keyring
from core.services.mail_calls import ContactDesk, MailCalls
from core.vault import KeyringVault
from reapi.v1 import account_service_pb2 as pb
from tests.mailing import fake, letter, queue, rows, sending
from tests.members_of import VAULT, run, somebody

OPERATOR = "operator@gateway.example.com"


def calls(pool, vault=VAULT, address=OPERATOR):
    return MailCalls(pool, vault, ContactDesk(address, Throttle(vault), BotCheck(None)))


async def unsubscribe(pool, token, vault=VAULT):
    await calls(pool, vault).Unsubscribe(pb.UnsubscribeRequest(token=token), None)


async def subscriber(pool):
    person = await somebody(pool)
    await run(pool, "UPDATE app_user SET newsletter = true")
    return person


async def wishes(pool):
    return await run(pool, "SELECT newsletter, product_notices, billing_notices FROM app_user")


async def test_one_click_stops_all_letters_and_nothing_else(pool):
    person = await subscriber(pool)
    await unsubscribe(pool, unsubscribe_token(VAULT, person.user_id))

    assert await wishes(pool) == [(False, False, True)]
    assert await run(pool, "SELECT subject, given FROM consent") == [("newsletter", False)]
    assert await run(pool, "SELECT kind, user_id FROM rights_request") == [
        ("objection", person.user_id)
    ]


async def test_a_second_click_is_as_good_as_the_first(pool):
    token = unsubscribe_token(VAULT, (await subscriber(pool)).user_id)
    for _ in range(3):
        await unsubscribe(pool, token)

    assert await wishes(pool) == [(False, False, True)]
    assert await run(pool, "SELECT count(*) FROM consent") == [(1,)]
    assert await run(pool, "SELECT count(*) FROM rights_request") == [(1,)]


async def test_a_token_outlives_a_rotation_of_server_keys_while_the_old_one_is_there(pool):
    person = await subscriber(pool)
    old, new = b"o" * 32, b"n" * 32
    token = unsubscribe_token(KeyringVault(Keyring((old,))), person.user_id)

    assert person_of(KeyringVault(Keyring((new,))), token) is None
    await unsubscribe(pool, token, KeyringVault(Keyring((new, old))))
    assert await wishes(pool) == [(False, False, True)]


@pytest.mark.parametrize(
    "token", ["", "un_", "un_!!", "rs_abc", "un_" + "A" * 64, "un_é", "x" * 99]
)
async def test_what_is_no_token_is_refused(pool, token):
    with pytest.raises(GatewayError) as refused:
        await unsubscribe(pool, token)
    assert refused.value.reason is Reason.TOKEN_INVALID


async def test_a_token_of_somebody_else_cannot_be_made_from_ones_own(pool):
    token = unsubscribe_token(VAULT, (await subscriber(pool)).user_id)
    swapped = token[:3] + ("A" if token[3] != "A" else "B") + token[4:]

    with pytest.raises(GatewayError):
        await unsubscribe(pool, swapped)


async def test_a_token_of_somebody_who_is_gone_changes_nothing(pool):
    await unsubscribe(pool, unsubscribe_token(VAULT, uuid4()))

    assert await run(pool, "SELECT count(*) FROM rights_request") == [(0,)]


async def test_a_letter_carries_a_token_that_works(pool):
    person = await subscriber(pool)
    async with fake() as mail, sending(pool, mail) as office:
        await queue(pool, letter(Kind.NEWSLETTER, to=person.email, user_id=person.user_id))
        await office.run()
        [arrived] = mail.inbox.all()
    url = arrived.headers["List-Unsubscribe"].strip("<>")
    await unsubscribe(pool, url.partition("token=")[2])

    assert arrived.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert await wishes(pool) == [(False, False, True)]


def message(**more):
    fields = {"email": "ada@example.org", "display_name": "Ada", "subject": "Help", "text": "Hello"}
    return pb.SendContactMessageRequest(**{**fields, **more})


async def test_a_message_reaches_the_operator_and_is_kept_nowhere(pool):
    async with fake() as mail, sending(pool, mail) as office:
        await calls(pool).SendContactMessage(message(), None)
        await office.run()
        [arrived] = mail.inbox.all(OPERATOR)

    assert arrived.reply_to == ["ada@example.org"]
    assert arrived.subject == "Contact form: Help"
    assert "Hello" in arrived.text
    assert await rows(pool, "kind, sealed") == [("contact", None)]
    assert await run(pool, "SELECT kind, user_id, account_id FROM rights_request") == [
        ("contact", None, None)
    ]


@pytest.mark.parametrize(
    ("more", "parameter"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a@b.cd\r\nBcc: x@y.zz"}, "email"),
        ({"display_name": "x" * 101}, "display_name"),
        ({"subject": "x" * 201}, "subject"),
        ({"text": "x" * 10_001}, "text"),
        ({"text": " \n"}, "text"),
    ],
)
async def test_what_does_not_fit_the_form_is_refused_by_name(pool, more, parameter):
    with pytest.raises(GatewayError) as refused:
        await calls(pool).SendContactMessage(message(**more), None)
    assert refused.value.parameter == parameter
    assert await rows(pool, "kind") == []


async def test_one_address_and_one_network_may_write_only_so_often(pool):
    desk = calls(pool)
    enter_call(NOBODY, "", "192.0.2.7")
    for _ in range(3):
        await desk.SendContactMessage(message(), None)
    with pytest.raises(GatewayError) as refused:
        await desk.SendContactMessage(message(email="ADA@example.org"), None)
    assert refused.value.reason is Reason.RATE_LIMIT_EXCEEDED
    assert refused.value.retry_after
    assert refused.value.retry_after > 60

    for number in range(2):
        await desk.SendContactMessage(message(email=f"p{number}@example.org"), None)
    with pytest.raises(GatewayError) as refused:
        await desk.SendContactMessage(message(email="p9@example.org"), None)
    assert refused.value.reason is Reason.RATE_LIMIT_EXCEEDED


async def test_without_an_address_there_is_no_form(pool):
    with pytest.raises(GatewayError) as refused:
        await calls(pool, address="").SendContactMessage(message(), None)
    assert refused.value.reason is Reason.ENDPOINT_NOT_AVAILABLE
