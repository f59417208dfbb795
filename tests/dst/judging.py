"""What a failover machine may decide: the rules of design.md 5, a second time."""

from dataclasses import dataclass
from typing import Any

from core.errors import MEANING, Another, Reason
from core.model import Resubmit
from core.policy import decisions
from tests.dst.breaking import NEARLY, law
from tests.dst.shadow import BLAME_CREDENTIAL, DUE, EJECTED, HEALTHY, PROBING, SPENT, Shadow

MAXIMUM_ATTEMPTS = 4
AGAIN = {"rate_limited", "overloaded", "server_error", "unreachable", "invalid_response", "lost"}
GROUPS = (HEALTHY, SPENT, DUE, EJECTED)


@dataclass
class Runner:
    """A channel that may be asked, with the credential that must be used."""

    channel: Any
    credential: str
    standing: str

    @property
    def group(self) -> str:
        return EJECTED if self.standing == PROBING else self.standing


class Judging:
    """What a watched machine knows of itself, and how its decisions are judged."""

    _plan: Any
    shadow: Shadow
    operation: str
    count: int
    past: list[tuple[Any, Any]]
    """(channel, error) of each failure."""
    tries: dict[str, int]
    begun: int
    is_done: bool
    is_short: bool
    jobs_out: bool

    # ---- judging

    def runners(self, now: float, *, hedges: bool = False) -> list[Runner]:
        """Untried channels with room, in the order of the catalogue."""
        found = []
        refused = {(c.name, c.credential_name) for c, e in self.past if e.fault in BLAME_CREDENTIAL}
        refusals: dict[str, int] = {}
        for channel, error in self.past:
            if error.fault in BLAME_CREDENTIAL:
                refusals[channel.name] = refusals.get(channel.name, 0) + 1
        for channel in self.eligible():
            tries = self.tries.get(channel.name, 0)
            if tries > (0 if hedges else refusals.get(channel.name, 0)):
                continue
            if self.shadow.load[channel.name] >= channel.maximum_in_flight:
                continue
            picked = self._credential(channel, refused, now, probes=not self.tries)
            if picked is not None:
                found.append(picked)
        return found

    def eligible(self) -> list[Any]:
        plan = self._plan
        return [
            channel
            for channel in plan.channels
            if (not plan.preference.only or channel.name in plan.preference.only)
            and channel.name not in plan.preference.excluded
            and (not plan.preference.regions or channel.region in plan.preference.regions)
            and plan.needs.are_met(channel)
            and not (self.jobs_out and channel.resubmit is Resubmit.RECONCILE_FIRST)
        ]

    def _credential(
        self, channel: Any, refused: set[Any], now: float, *, probes: bool
    ) -> Runner | None:
        best: tuple[Any, str] | None = None
        for name in channel.credentials or ("",):
            if (channel.name, name) in refused:
                continue
            key = self.shadow.key(channel.name, name)
            standing = key.breaker.standing(now)
            order = {
                HEALTHY: 2 if key.is_spent(now) else 1,
                DUE: 0 if probes else 3,
            }.get(standing, 4)
            rank = (order, key.in_flight, key.used)
            if best is None or rank < best[0]:
                best = (rank, name)
        if best is None:
            return None
        standing = self.shadow.standing(channel.name, self.operation, best[1], now)
        if standing == HEALTHY and self.shadow.key(channel.name, best[1]).is_spent(now):
            standing = SPENT
        return Runner(channel, best[1], standing)

    def _judge(self, attempt: Any, runners: list[Runner], again: Any, now: float) -> None:
        law(not self.is_done, "no attempt after the commit point")
        law(self.begun < MAXIMUM_ATTEMPTS, "four attempts at most")
        name = attempt.channel.name
        law(name in [each.name for each in self.eligible()], "only who can serve it is asked")
        group = self._first_group(runners)
        if group:
            picked = [each for each in group if each.channel.name == name]
            law(bool(picked), f"{name} was asked before {[each.channel.name for each in group]}")
            law(
                attempt.channel.credential_name == picked[0].credential,
                "the credential in turn is used",
            )
            is_ejected = picked[0].group == EJECTED
            law(
                (attempt.permit is not None) == (is_ejected and self.begun > 0),
                "what is ejected costs a retry",
            )
            shown = {SPENT: HEALTHY}.get(picked[0].standing, picked[0].standing)
            law(attempt.standing == shown, f"it stood {shown}, not {attempt.standing}")
            self._judge_costs(picked[0], group, now)
        else:
            law(attempt.permit is not None, "a second try costs a retry")
            law(name in [each[-1].name for each in again], "a second try is worth it")
            law(
                again[0][0] == next(each for each in again if each[-1].name == name)[0],
                "the best second try comes first",
            )

    def _first_group(self, runners: list[Runner]) -> list[Runner]:
        """Who must be chosen from: the best standing, the first tier, who makes it in one call."""
        groups: dict[str, list[Runner]] = {}
        for each in runners:
            groups.setdefault(each.group, []).append(each)
        order = (DUE, HEALTHY, SPENT, EJECTED) if not self.tries and not self.past else GROUPS
        for group in order:
            among = groups.get(group, [])
            if group == EJECTED and self.begun > 0:
                among = [
                    each for each in among if self.shadow.allows(each.channel.name, self._plan.key)
                ]
            if among:
                first = min(each.channel.priority for each in among)
                among = [each for each in among if each.channel.priority == first]
                if self.count > 1:
                    among = [
                        each for each in among if each.channel.maximum_count >= self.count
                    ] or among
                return among
        return []

    def _judge_costs(self, picked: Runner, group: list[Runner], now: float) -> None:
        """Of two, the cheaper one; of more, never the dearest."""

        def dearer(one: Runner, other: Runner) -> bool:
            times = [
                self.shadow.speed(each.channel.name, self.operation).now(now)
                for each in (one, other)
            ]
            if times[0] is None or times[1] is None:
                times = [1.0, 1.0]
            costs = [
                (self.shadow.load[each.channel.name] + 1) * time / each.channel.weight
                for each, time in zip((one, other), times, strict=True)
            ]
            return costs[0] > costs[1] * (1 + NEARLY)

        others = [each for each in group if each is not picked]
        law(
            not others or not all(dearer(picked, other) for other in others),
            f"{picked.channel.name} is the dearest of its tier",
        )

    def again(self, now: float) -> list[Any]:
        """Second tries that are allowed, best first: (rank, shortest wait, longest, channel)."""
        if self.is_short:
            return []
        latest = {channel.name: error for channel, error in self.past}
        found = []
        for channel in self.eligible():
            error = latest.get(channel.name)
            if error is None or error.fault not in AGAIN:
                continue
            if not self.shadow.allows(channel.name, self._plan.key):
                continue
            if self.shadow.load[channel.name] >= channel.maximum_in_flight:
                continue
            picked = self._credential(channel, set(), now, probes=False)
            tries = self.tries[channel.name]
            full = 0.5 * 2 ** (tries - 1)
            asked = error.retry_after or 0.0
            if picked is None or max(asked, full / 2) > 10.0:
                continue
            rank = (picked.group == EJECTED, tries, channel.priority)
            found.append((rank, max(asked, full / 2), max(asked, full), channel))
        return sorted(found, key=lambda each: each[0])

    def _judge_outlook(self, decision: Any, now: float) -> None:
        runners, again = self.runners(now), self.again(now)
        if isinstance(decision, decisions.Stop):
            self._judge_stop(decision, runners, again, now)
            return
        law(isinstance(decision, decisions.TryAnother), "nothing is left unknown")
        if self._first_group(runners):
            law(decision.delay == 0, "nobody waits while another channel is there")
        else:
            law(bool(again), "a second try is worth it")
            low = min(each[1] for each in again)
            high = max(each[2] for each in again)
            law(
                low - NEARLY <= decision.delay <= high + NEARLY,
                f"a second try after {decision.delay} s",
            )
            law(decision.delay <= 10.0, "nobody waits longer")

    def _judge_stop(self, stop: Any, runners: list[Runner], again: list[Any], now: float) -> None:
        if stop.unroutable is not None:
            law(self.begun == 0 and not runners, "a request that somebody could serve was refused")
            return
        is_out_of_time = self._plan.ends is not None and self._plan.ends - now - (
            0.0 if self._first_group(runners) else min((each[1] for each in again), default=0.0)
        ) < 0.05 + 10.0 * (not self._first_group(runners))
        if (
            not is_out_of_time
            and self.begun < MAXIMUM_ATTEMPTS
            and not self.is_done
            and not self._was_never()
        ):
            law(not self._first_group(runners), "it gave up while a channel was left")
            law(
                not [each for each in again if each[2] <= 10.0],
                "it gave up while a second try was allowed",
            )
        self._judge_reason(stop)

    def _was_never(self) -> bool:
        return any(MEANING[error.fault].another is Another.NEVER for _, error in self.past)

    def _judge_reason(self, stop: Any) -> None:
        """The reason follows from the faults."""
        faults = [str(error.fault) for _, error in self.past]
        law(stop.attempts == self.begun, "it counts its attempts")
        if self.is_done:
            expected = {Reason.STREAM_INTERRUPTED}
            if "content_policy" in faults or "bad_request" in faults:
                expected |= {Reason.CONTENT_POLICY_VIOLATION, Reason.UPSTREAM_REJECTED}
        elif "content_policy" in faults:
            expected = {Reason.CONTENT_POLICY_VIOLATION}
        elif "bad_request" in faults:
            expected = {Reason.UPSTREAM_REJECTED}
        elif not faults:
            expected = {Reason.DEADLINE_EXCEEDED, Reason.UPSTREAM_ERROR}
        elif all(fault in ("quota", "rate_limited", "overloaded") for fault in faults):
            expected = {Reason.UPSTREAM_OVERLOADED}
            waits = [error.retry_after for _, error in self.past if error.retry_after]
            law(stop.retry_after == min(waits, default=None), "the soonest Retry-After is told")
        elif faults[-1] == "timeout":
            expected = {Reason.UPSTREAM_TIMEOUT}
        else:
            expected = {Reason.UPSTREAM_ERROR}
        law(stop.reason in expected, f"{stop.reason} for {faults}")

    def _judge_deadlines(self, attempt: Any, now: float) -> None:
        ends, given, own = self._plan.ends, attempt.deadlines, attempt.channel.deadlines
        if ends is None:
            law(given == own, "deadlines are the channel's")
            return
        left = ends - now
        law(left >= 0.05 - NEARLY, "too little time is left to begin")
        for phase in ("connect", "acknowledge", "first_byte", "idle", "total"):
            expected = min(getattr(own, phase), left)
            law(abs(getattr(given, phase) - expected) < NEARLY, f"{phase} is cut to what is left")
