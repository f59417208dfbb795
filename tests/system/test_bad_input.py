"""What nobody should send: always an answer that says why, never a fault, a hang or a charge."""

import json
import re
import socket
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from select import select
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from tests import books
from tests.fix_gateway import running
from tests.malformed import EDITS, GENERATIONS, GOOD, KEY_MARK, malformed, posted, request
from tests.patience import wait_until

pytestmark = pytest.mark.prove

PATIENCE_SECONDS = 30
"""A caller who waits longer has been hung."""
ANSWER_SECONDS = 0.2
"""After so long a request is taken for unfinished, and its caller goes."""
CREDITS = 100_000
MIB = 1024 * 1024


@dataclass
class Answer:
    """What came back; status 0: the connection was closed without an answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def connected(gateway, seconds=PATIENCE_SECONDS):
    url = urlsplit(gateway.rest)
    return socket.create_connection((url.hostname, url.port), seconds)


def exchanged(gateway, data):
    """Send bytes and read until the gateway closes. TimeoutError is a hang.

    What looks like half a request is waited for, and rightly: after a moment, leave.
    """
    received = bytearray()
    with connected(gateway) as sock:
        with suppress(ConnectionError):
            sock.sendall(data)
        if not select([sock], [], [], ANSWER_SECONDS)[0]:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while piece := sock.recv(65536):
                received += piece
                if is_whole(received, has_body=not data.startswith(b"HEAD ")):
                    break
    return parsed(bytes(received))


def is_whole(data, *, has_body):
    """Whether *data* is an answer of a known length, from beginning to end."""
    head, end, body = bytes(data).partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    return bool(end and length) and (not has_body or len(body) >= int(length[1]))


def parsed(data):
    data = data.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) < 2 or not parts[1].isdigit():
        assert data == b"", "the answer is no HTTP"
        return Answer()
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return Answer(int(parts[1]), {name.lower(): value for name, value in headers.items()}, body)


def assert_is_a_good_answer(answer, kind):
    """Typed like every error of the contract, and never the gateway's fault."""
    if answer.status == 503:
        assert answer.headers["retry-after"], kind
        assert json.loads(answer.body)["error"]["code"] in {"overloaded", "server_overloaded"}, kind
        return
    assert answer.status < 500, f"{kind}: {answer}"
    assert b"Traceback" not in answer.body, kind
    if answer.status < 400 or not answer.body:
        return
    assert answer.headers["content-type"] == "application/json", f"{kind}: {answer}"
    assert answer.headers["x-request-id"].startswith("req_")
    assert set(json.loads(answer.body)["error"]) == {"message", "type", "param", "code"}


@dataclass
class Caller:
    """An account of its own, and what came of its requests."""

    id: str
    key: str
    statuses: Counter = field(default_factory=Counter)
    served: set[str] = field(default_factory=set)
    """The generations that were answered with an image: odd requests, but not wrong."""

    def send(self, gateway, wire):
        answer = exchanged(gateway, wire.data.replace(KEY_MARK, self.key.encode()))
        assert_is_a_good_answer(answer, wire.kind)
        self.statuses[wire.kind, answer.status] += 1
        if answer.status == 200 and "x-reapi-generation" in answer.headers:
            self.served.add(answer.headers["x-reapi-generation"].removeprefix("gen_"))

    def count(self, *wanted):
        return sum(count for (_, status), count in self.statuses.items() if status in wanted)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """A gateway whose channels nobody else has made fail: each call upstream is one that was paid."""
    with running(tmp_path_factory.mktemp("bad-input")) as started:
        started.settings(image="tiny")
        yield started
        assert started.stop() == 0
        assert "Traceback" not in started.log


@pytest.fixture
def caller(gateway):
    """An account; in the end it has paid for what was made for it, and for nothing else."""
    with gateway.database() as connection:
        connection.autocommit = True
        # What tests before this one have begun may still ask.
        wait_until(lambda: not books.unfinished(connection), PATIENCE_SECONDS)
    upstream_calls = sum(gateway.calls().values())
    log = len(gateway.log)
    caller = Caller(*gateway.account(str(CREDITS)))
    yield caller
    with gateway.database() as connection:
        connection.autocommit = True
        # Tasks are answered early.
        wait_until(lambda: not books.unfinished(connection), PATIENCE_SECONDS)
        charged = books.charged(connection, caller.id)
        states = books.states(connection, caller.id)
        sql = "SELECT endpoint, reason, created_at FROM generation WHERE account_id = %s AND reason <> ''"
        reasons = books.rows(connection, sql, caller.id)
    # What was made beyond what was served was made for callers who had left.
    assert caller.served <= set(charged)
    assert len(charged) <= len(caller.served) + caller.count(0), caller.statuses
    assert states == ({"succeeded": len(charged)} if charged else {}), reasons
    spent = sum(charged.values()) // 1_000
    assert gateway.balance(caller.key) == {"credits": str(CREDITS - spent), "held": "0"}
    assert sum(gateway.calls().values()) == upstream_calls + len(charged)
    assert '"Defect"' not in gateway.log[log:]
    assert "Traceback" not in gateway.log[log:]
    assert_serves(gateway, caller)


def assert_serves(gateway, caller):
    headers = gateway.headers(caller.key)
    good = httpx.post(f"{gateway.v1}/images/generations", json=GOOD, headers=headers, timeout=20)
    assert good.status_code == 200


LARGE_EXAMPLES = pytest.mark.filterwarnings("ignore:Generating overly large repr")


def bombard(gateway, caller, examples, *, repeatable):
    @settings(
        max_examples=examples,
        derandomize=repeatable,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(malformed)
    def each(wire):
        caller.send(gateway, wire)

    each()
    assert sum(caller.statuses.values()) >= examples
    refused = sum(caller.count(status) for status in range(400, 500))
    assert refused > examples // 2, caller.statuses


@LARGE_EXAMPLES
def test_malformed_requests_are_refused_and_cost_nothing(gateway, caller):
    bombard(gateway, caller, 300, repeatable=True)


@pytest.mark.prove
@LARGE_EXAMPLES
def test_malformed_requests_of_every_run_are_refused_and_cost_nothing(gateway, caller, counts):
    bombard(gateway, caller, counts.reduced(3_000, in_ci=500), repeatable=counts.ci)


OVERSIZED = {
    "json": (GENERATIONS, b"application/json", 2 * MIB, 413),
    "json edit": (EDITS, b"application/json", 100 * MIB, 413),
    "form": (EDITS, b"multipart/form-data; boundary=x", 100 * MIB, 413),
}


@pytest.mark.parametrize("name", OVERSIZED)
def test_a_body_that_is_too_large_is_refused_before_it_is_sent(gateway, caller, name):
    path, kind, size, status = OVERSIZED[name]
    headers = [(b"content-type", kind), (b"content-length", str(size).encode())]
    begin = time.monotonic()
    data = request(b"POST", path, headers, b"").replace(KEY_MARK, caller.key.encode())
    answer = exchanged(gateway, data)

    assert answer.status == status
    assert json.loads(answer.body)["error"]["code"] == "request_too_large"
    assert time.monotonic() - begin < 5


def test_an_endless_chunked_body_is_refused_while_it_comes(gateway, caller):
    headers = [(b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")]
    head = request(b"POST", GENERATIONS, headers, b"").replace(KEY_MARK, caller.key.encode())
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    sent = 0
    with connected(gateway) as sock:
        sock.sendall(head)
        while sent < 64 * MIB and not select([sock], [], [], 0)[0]:
            sock.sendall(chunk)
            sent += len(chunk)
        answer = parsed(sock.recv(65536))

    assert (answer.status, sent < 64 * MIB) == (413, True)


def test_wrong_keys_beat_wrong_bodies(gateway, caller):
    for path, kind in ((GENERATIONS, b"application/json"), (EDITS, b"multipart/form-data")):
        data = posted(path, kind, b"{").replace(KEY_MARK, b"rk_live_wrong")
        assert exchanged(gateway, data).status == 401


FORM = b"multipart/form-data; boundary=x"
FORM_PART = b'--x\r\ncontent-disposition: form-data; name="user"\r\n\r\n'
SLOW = {
    "nothing": b"",
    "half a head": b"POST /v1/images/generations HTTP/1.1\r\nhost: x\r\n",
    "a dripping head": b"POST /v1/images/generations HTTP/1.1\r\nx-drip: ",
    "no body": posted(GENERATIONS, b"application/json", b"x" * 99)[:-99],
    "half a body": posted(GENERATIONS, b"application/json", b"{" + b" " * 99)[:-50],
    "a dripping body": posted(GENERATIONS, b"application/json", b" " * 9_999)[:-9_990],
    "a dripping form": posted(EDITS, FORM, FORM_PART + b"x" * 9_999)[:-9_990],
}


def time_until_refused(gateway, key, data, *, drips):
    """Send *data*, then a byte now and then; seconds until the gateway has had enough."""
    begin = time.monotonic()
    with connected(gateway, 1) as sock:
        sock.sendall(data.replace(KEY_MARK, key.encode()))
        while not select([sock], [], [], 1)[0]:
            if time.monotonic() - begin > 2 * PATIENCE_SECONDS:
                break
            if drips:
                sock.sendall(b" ")
        with suppress(ConnectionError):
            assert parsed(sock.recv(65536)).status in {0, 400, 408}
    return time.monotonic() - begin


def test_slow_callers_are_cut_off_and_hold_up_nobody(gateway, caller, figure):
    lasted = {}

    def be_slow(name, number):
        drips = "dripping" in name
        lasted[name, number] = time_until_refused(gateway, caller.key, SLOW[name], drips=drips)

    threads = [
        threading.Thread(target=be_slow, args=(name, number))
        for name in SLOW
        for number in range(5)
    ]
    for thread in threads:
        thread.start()
    with closing(httpx.Client(timeout=5)) as client:
        while any(thread.is_alive() for thread in threads):
            begin = time.monotonic()
            assert client.get(f"{gateway.rest}/healthz").status_code == 200
            assert time.monotonic() - begin < 2
            threads[-1].join(0.2)
    for thread in threads:
        thread.join()

    for name in SLOW:
        figure(f"s until cut off: {name}", [lasted[name, number] for number in range(5)])
    assert max(lasted.values()) < PATIENCE_SECONDS
