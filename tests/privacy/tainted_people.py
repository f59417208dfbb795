"""People with canaries for names, addresses, passwords and messages: calls that go all the way.

The walk of the contract (`gateway.proof.walker`) sends every field, but an address that is a canary
ends a call at its first check. Here somebody signs up, proves the address by the mail that came,
signs in, elsewhere too, invites, writes, takes a copy; what is made on the way and opens something
(tokens, links, keys) is guarded: it is looked for too.
"""

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from gateway.proof.canaries import Canaries
from gateway.proof.requests import MODEL, Maker, tainted_headers
from gateway.proof.routes import forms, page_paths
from tests.fix_gateway import Gateway
from tests.journeying import METHODS, Inbox, Refused, RestWire, until
from tests.travelling import Journey, Person

OPERATOR = "operator@example.com"
PERSONAL, SECRET, BODY = "personal", "secret", "body"
"""How the fields of canaries begin here: what they are, by the contract's own classes."""
MAILED = "a mail's token"
ARCHIVE = "an archive's link"
KEY_NAME = "personal: key name"
REASON = "operator: reason"
NOT_SENT = frozenset({"cookie", "origin", "idempotency-key", "x-csrf-token"})
"""Headers that would make a call another one."""
_SESSION = re.compile(r"__Host-reapi_(session|csrf)=([^;]+)")


class TaintedWire:
    """REST with a canary for the id of every request; compares what is answered."""

    def __init__(self, http: httpx.AsyncClient, canaries: Canaries) -> None:
        self._wire = RestWire(http)
        self._canaries = canaries
        self.strangers: dict[str, set[str]] = {}
        self.outcomes: Counter[tuple[str, str]] = Counter()

    async def call(self, rpc: str, fields: Mapping[str, Any], credential: str) -> dict[str, Any]:
        """Make it; what was answered may hold what is personal, and what was sent."""
        sent = dict(fields)
        if "request_id" in METHODS[rpc].input_type.fields_by_name:
            sent.setdefault("request_id", self._canaries.plant(f"{SECRET}: request_id of {rpc}"))
        own = self._canaries.words_in(json.dumps(sent).encode())
        try:
            answer = await self._wire.call(rpc, sent, credential)
        except Refused as refusal:
            said = json.dumps([refusal.text, refusal.metadata]).encode()
            self._compare(rpc, said, own)
            self.outcomes[rpc, refusal.reason] += 1
            raise
        self._compare(rpc, json.dumps(answer).encode(), own)
        self.outcomes[rpc, "OK"] += 1
        return answer

    def _compare(self, rpc: str, said: bytes, own: set[str]) -> None:
        found = self._canaries.where(self._canaries.words_in(said) - own)
        if strange := {each for each in found if not each.startswith((PERSONAL, REASON))}:
            self.strangers.setdefault(rpc, set()).update(strange)


class People:
    """Two people, their account and its operator."""

    def __init__(self, gateway: Gateway, canaries: Canaries, http: httpx.AsyncClient) -> None:
        self.gateway = gateway
        self.canaries = canaries
        self._http = http
        headers = tainted_headers(lambda where: canaries.plant(f"{SECRET}: header {where}"))
        http.headers.update({n: value for n, value in headers.items() if n not in NOT_SENT})
        self.wire = TaintedWire(http, canaries)
        self.journey = Journey(gateway, self.wire)
        self.inbox = Inbox(gateway.demo["simulator_url"])
        self.archive = b""
        """The files of the export, one after the other."""
        self.pages = 0
        self.password = self._word(SECRET, "password")
        self.email = self._address("ann")

    async def everything(self) -> None:
        """All of it, one call after the other."""
        person = await self._arrive()
        await self._settle(person)
        await self._invite(person)
        await self._write(person)
        key = await self._generate(person)
        await self._export(person)
        person = await self._operate(person, key)
        for more in (self._in_a_browser(), self._elsewhere(), self._change(person)):
            self.journey.run("DELETE FROM throttle")  # nobody has tried anything too often
            await more

    def _word(self, kind: str, what: str) -> str:
        return self.canaries.plant(f"{kind}: {what}")

    def _address(self, whose: str) -> str:
        return f"{self._word(PERSONAL, f'address of {whose}')}@people.example"

    def _guarded(self, person: Person) -> Person:
        self.canaries.guard("a session's token", person.caller.credential.removeprefix("rs_"))
        return person

    async def _mailed(self, to: str, page: str) -> str:
        token = await self.inbox.token(to, page)
        self.canaries.guard(MAILED, token)
        return token

    # ---- coming in

    async def _arrive(self) -> Person:
        stranger, check = self.journey.stranger, self._word(SECRET, "bot check")
        wanted = {
            "password": self.password,
            "display_name": self._word(PERSONAL, "name of ann"),
            "bot_check_token": check,
            "newsletter": True,
        }
        await self.journey.sign_up(self.email, **wanted)
        await self.journey.sign_up(self.email, **wanted)  # who is there already gets another mail
        for name, fields in (
            ("weak", {"password": "password1234"}),
            ("broken", {"locale": self._word(SECRET, "locale")}),
            ("invited", {"invitation_token": self._word(SECRET, "invitation")}),
            ("not agreed", {"accepted_policies": [self._word(SECRET, "policy")]}),
        ):
            try:
                await self.journey.sign_up(self._address(name), **{**wanted, **fields})
            except Refused:
                continue
        for email in (self.email, self._address("nobody")):
            wrong = self._word(SECRET, "wrong password")
            await stranger.refused("SignIn", email=email, password=wrong, bot_check_token=check)
        for rpc in ("VerifyEmail", "Unsubscribe"):
            await stranger.refused(rpc, token=self._word(SECRET, f"token of {rpc}"))
        token = await self._mailed(self.email, "/verify-email")
        await stranger.ask("VerifyEmail", token=token)
        await stranger.refused("VerifyEmail", token=token)
        return self._guarded(await self.journey.sign_in(self.email, self.password))

    async def _settle(self, person: Person) -> None:
        """Names, decisions, sessions."""
        other = self._guarded(await self.journey.sign_in(self.email, self.password))
        name = self._word(PERSONAL, "new name of ann")
        await person.ask("UpdateProfile", profile={"display_name": name, "locale": "de"})
        await person.refused("UpdateProfile", profile={"locale": self._word(SECRET, "locale")})
        await person.ask("UpdateAccount", account={"display_name": self._word(PERSONAL, "account")})
        await person.ask("RecordConsent", consent={"subject": "SUBJECT_NEWSLETTER", "given": True})
        await person.ask("RevokeSession", name=other.session)
        await other.refused("GetProfile")
        for rpc in ("GetProfile", "GetAccount", "ListSessions", "ListMembers", "ListConsents"):
            await person.ask(rpc)
        for rpc in ("ListSecurityEvents", "ListRightsRequests", "ListMemberships"):
            await person.ask(rpc)

    async def _invite(self, person: Person) -> None:
        """Somebody who comes, and somebody who does not."""
        guest, wanted = self._address("ben"), {"role": "ROLE_DEVELOPER"}
        for email in (guest, self._address("cleo")):
            made = await person.ask("CreateInvitation", invitation={"email": email, **wanted})
        await person.ask("ListInvitations")
        await person.ask("RevokeInvitation", name=made["invitation"]["name"])
        token = await self._mailed(guest, "/accept-invitation")
        password = self._word(SECRET, "password of ben")
        name = self._word(PERSONAL, "name of ben")
        await self.journey.sign_up(
            guest, password=password, display_name=name, invitation_token=token
        )
        guest_person = self._guarded(await self.journey.sign_in(guest, password))
        await guest_person.refused("AcceptInvitation", token=token)
        await guest_person.refused("AcceptInvitation", token=self._word(SECRET, "invitation"))
        members = (await person.ask("ListMembers"))["members"]
        [member] = [each for each in members if each["role"] == "ROLE_DEVELOPER"]
        await person.ask("RemoveMember", name=member["name"])

    # ---- what people write, make and take along

    async def _write(self, person: Person) -> None:
        subject = self._word(PERSONAL, "subject")
        await self.journey.stranger.ask(
            "SendContactMessage",
            email=self._address("writer"),
            display_name=self._word(PERSONAL, "writer"),
            subject=subject,
            text=f"How? {self._word(PERSONAL, 'message')}",
            bot_check_token=self._word(SECRET, "bot check"),
        )
        mail = await self.inbox.mail(OPERATOR, subject)
        control = f"{self.inbox.simulator_url}/_mail/messages/{mail['id']}"
        for manner in ("forged", "stale", "genuine"):
            await self._http.post(f"{control}/bounce", json={"manner": manner})
        body = json.dumps({"type": self._word(BODY, "event"), "data": self._word(BODY, "event")})
        headers = {f"svix-{n}": self._word(SECRET, f"svix-{n}") for n in ("id", "signature")}
        for stamp in ("1", self._word(SECRET, "svix-timestamp")):
            answer = await self._http.post(
                "/webhooks/resend", content=body, headers={**headers, "svix-timestamp": stamp}
            )
            assert answer.status_code == 400, answer.text

    async def _generate(self, person: Person) -> str:
        """A key with a name, and what it is used for; its name."""
        holder, name = await person.key(display_name=self.canaries.plant(KEY_NAME))
        self.canaries.guard("a key", holder.credential.split("_")[3])
        self.gateway_credits(person)
        prompt = {"prompt": self._word(BODY, "prompt"), "end_user_id": self._word(BODY, "user")}
        spec = {"model": MODEL, "parameters": prompt}
        made = await holder.ask("CreateGeneration", spec=spec)

        async def ended() -> bool:
            found = await person.ask("GetGeneration", name=made["generation"]["name"])
            return bool(found["generation"].get("end_time"))

        await until(ended, "the generation did not end")
        await person.refused("CreateGeneration", spec=spec)
        return name

    def gateway_credits(self, person: Person) -> None:
        """Grant some."""
        id_ = person.account.removeprefix("accounts/")
        answer = httpx.post(
            f"{self.gateway.rest}/api/v1/admin/accounts/{id_}:grant",
            json={"credits": "1000", "request_id": "first"},
            headers=self.gateway.headers(self.gateway.demo["admin_token"]),
            timeout=20,
        )
        assert answer.status_code == 200, answer.text

    async def _export(self, person: Person) -> None:
        name = (await person.ask("CreateExport"))["export"]["name"]
        found: dict[str, Any] = {}

        async def ready() -> bool:
            found.update((await person.ask("GetExport", name=name))["export"])
            return bool(found["state"] != "STATE_PREPARING")

        await until(ready, "the archive was not made")
        uri = found["uri"]
        self.canaries.guard(ARCHIVE, urlsplit(uri).path.split("/")[-2])
        async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
            content = (await http.get(uri)).content
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            self.archive = b"\n".join(archive.read(each) for each in archive.namelist())

    async def _operate(self, person: Person, key: str) -> Person:
        """The operator looks for people, types why, and stops them for a while; then they return."""
        operator, id_ = self.journey.operator, person.account.removeprefix("accounts/")
        listed = await operator.ask("ListAccounts", filter=self.email)
        assert listed["accounts"], "found by the address"
        await operator.ask("ListAccounts", filter=self._address("nobody else"))
        for rpc in ("SuspendAccount", "ResumeAccount"):
            await operator.ask(rpc, id=id_, reason=self.canaries.plant(REASON))
        await operator.ask("ListAuditEntries")
        uri = f"{self.gateway.rest}/media/tasks/{self._word(SECRET, 'output')}/0.png"
        await operator.refused("TakeDownAsset", uri=uri, reason=self._word(SECRET, "why not"))
        await operator.refused("EraseAccount", id=self._word(SECRET, "account id"), reason="none")
        person = self._guarded(await self.journey.sign_in(self.email, self.password))
        await person.ask("RotateApiKey", name=key)
        return person

    # ---- browsers

    async def _in_a_browser(self) -> None:
        """Every page and form, by a stranger and by who is signed in; tokens are in cookies."""
        origin = self.gateway.rest
        fields = {"email": self.email, "password": self.password}
        answer = await self._http.post("/sign-in", data=fields, headers={"origin": origin})
        assert answer.status_code == 303, answer.text
        cookies = dict(_SESSION.findall("; ".join(answer.headers.get_list("set-cookie"))))
        for name, value in cookies.items():
            self.canaries.guard(f"a cookie: {name}", value.removeprefix("rs_"))
        maker = Maker(self.canaries, "")
        for cookie in ("", "; ".join(f"__Host-reapi_{n}={v}" for n, v in cookies.items())):
            for path in page_paths():
                headers = {"cookie": cookie} if cookie else {}
                page = await self._http.get(f"{path}?token=unknown", headers=headers)
                for form in forms(maker, page.text, origin, cookie):
                    if form.path.startswith("/sign-out"):
                        continue
                    await self._post(form)
        for provider in ("github", self._word(SECRET, "provider")):
            query = {n: self._word(SECRET, f"callback {n}") for n in ("state", "code", "error")}
            await self._http.get(f"/auth/{provider}/callback", params=query)

    async def _post(self, form: Any) -> None:
        answer = await self._http.post(form.path, headers=form.headers, content=form.content)
        self.pages += 1
        words = self.canaries.words_in(repr(answer.headers.raw).encode() + answer.content)
        strange = self.canaries.where(words - form.own)
        if found := {each for each in strange if not each.startswith(PERSONAL)}:
            self.wire.strangers[form.name] = found

    async def _elsewhere(self) -> None:
        """Through the simulated Google, and lost on the way."""
        email, name = self._address("dora"), self._word(PERSONAL, "name of dora")
        subject = self._word(PERSONAL, "id at google")
        await self.journey.is_at("google", email=email, name=name, subject=subject, verified=True)
        begun = await self.journey.begin("google")
        back = await self.journey.back("google", begun)
        state = parse_qs(urlsplit(begun["authorization_uri"]).query)["state"][0]
        for what, value in (("state", state), ("code", back["code"])):
            self.canaries.guard(f"what a browser brings: {what}", value)
        self.canaries.guard("a browser's token", begun["browser_token"])
        wrong = {n: self._word(SECRET, n) for n in ("state", "code", "browser_token", "error")}
        await self.journey.stranger.refused("FinishOAuth", **{**back, **wrong})
        await self.journey.stranger.refused("BeginOAuth", provider=wrong["state"])
        answer = await self.journey.stranger.ask("FinishOAuth", **back)
        self._guarded(self.journey.person(answer["grant"]))

    async def _change(self, person: Person) -> None:
        """Another address, another password; the old one forgotten."""
        fresh, changed = self._address("ann, new"), self._word(SECRET, "changed password")
        await person.refused(
            "ChangeEmail", new_email=fresh, current_password=self._word(SECRET, "wrong password")
        )
        await person.ask("ChangeEmail", new_email=fresh, current_password=self.password)
        await self.journey.stranger.ask(
            "VerifyEmail", token=await self._mailed(fresh, "/verify-email")
        )
        answer = await person.ask(
            "ChangePassword", current_password=self.password, new_password=changed
        )
        person = self._guarded(self.journey.person(answer["grant"]))
        for email in (fresh, self._address("nobody")):
            await self.journey.stranger.ask("RequestPasswordReset", email=email)
        token, last = await self._mailed(fresh, "/reset-password"), self._word(SECRET, "last one")
        await self.journey.stranger.ask("ResetPassword", token=token, new_password=last)
        person = self._guarded(await self.journey.sign_in(fresh, last))
        confirmation = self._word(PERSONAL, "confirmation")
        await person.refused("DeleteAccount", confirmation=confirmation, current_password=last)
        await person.ask("SignOut")
