"""The response headers of the contract, as bytes."""

from collections.abc import Sequence

from reapi.v1 import generation_pb2, generation_service_pb2

Header = tuple[bytes, bytes]
Headers = Sequence[Header]

JSON = (b"content-type", b"application/json")
NO_STORE = (b"cache-control", b"no-store")
EVENT_STREAM = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    NO_STORE,
    (b"x-accel-buffering", b"no"),  # or nginx in front keeps events to itself
)
"""The headers of a stream of events."""
OPENAI_VERSION = (b"openai-version", b"2020-10-01")

EXPOSED = (
    b"x-request-id, x-reapi-generation, x-reapi-channel, x-reapi-attempts, x-reapi-credits, "
    b"x-reapi-sandbox, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, "
    b"x-ratelimit-reset-requests, openai-poll-after-ms, openai-processing-ms, openai-version, "
    b"retry-after, x-should-retry"
)
"""What browsers may read of an answer."""
CORS: Headers = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", EXPOSED),
)
"""Any origin may call with a key, never with cookies."""

_MICROS_PER_CREDIT = 1_000


def generation_id(name: str) -> bytes:
    """`generations/<hex>` as callers see it: `gen_<hex>`."""
    return b"gen_" + name.removeprefix("generations/").encode("ascii", "replace")


def credits_text(micros: int) -> bytes:
    """Micro-dollars as a decimal number of credits, without needless zeros: `7`, `0.5`."""
    whole, rest = divmod(micros, _MICROS_PER_CREDIT)
    return b"%d.%s" % (whole, (b"%03d" % rest).rstrip(b"0")) if rest else b"%d" % whole


def duration(milliseconds: int) -> bytes:
    """A duration as OpenAI writes it in rate limit headers: `12ms`, `1s`, `1.5s`, `6m0s`."""
    if milliseconds < 1_000:
        return b"%dms" % milliseconds
    seconds, rest = divmod(milliseconds, 1_000)
    fraction = (b".%03d" % rest).rstrip(b"0") if rest else b""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    tail = b"%d%ss" % (seconds, fraction)
    if hours:
        return b"%dh%dm%s" % (hours, minutes, tail)
    return b"%dm%s" % (minutes, tail) if minutes else tail


def rate_limit_headers(
    limit: int | None, remaining: int | None, reset_ms: int | None
) -> list[Header]:
    """The `x-ratelimit-*-requests` headers, as far as the values are known."""
    found = []
    if limit is not None:
        found.append((b"x-ratelimit-limit-requests", b"%d" % limit))
        if remaining is not None:
            found.append((b"x-ratelimit-remaining-requests", b"%d" % remaining))
        if reset_ms is not None:
            found.append((b"x-ratelimit-reset-requests", duration(reset_ms)))
    return found


def headers_of_rate_limit(rate_limit: generation_service_pb2.RateLimit) -> list[Header]:
    """The headers of where a key stands."""
    reset = rate_limit.reset
    return rate_limit_headers(
        rate_limit.limit_requests,
        rate_limit.remaining_requests,
        reset.seconds * 1_000 + -(-reset.nanos // 1_000_000),
    )


def headers_of_generation(
    generation: generation_pb2.Generation, attempt: generation_service_pb2.Attempt | None = None
) -> list[Header]:
    """The `x-reapi-*` headers of a generation; credits only where the charge is known.

    *attempt* is the last one told: of a generation that has not ended, it knows better.
    """
    channel, count = generation.channel, generation.attempt_count
    if attempt is not None and not generation.HasField("end_time"):
        channel, count = attempt.channel or channel, attempt.number or count
    found = [(b"x-reapi-generation", generation_id(generation.name))]
    if channel:
        found.append((b"x-reapi-channel", channel.encode("ascii", "replace")))
    if count:
        found.append((b"x-reapi-attempts", b"%d" % count))
    if generation.HasField("charged_micros"):
        found.append((b"x-reapi-credits", credits_text(generation.charged_micros)))
    if generation.sandbox:
        found.append((b"x-reapi-sandbox", b"true"))
    return found
