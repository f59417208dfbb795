"""What a bucket has beyond the contract of stores: parts, rules, and failures of its own."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from storage import s3, s3_upload
from storage.s3 import DAY_SECONDS, OUTPUT_DAYS, S3Store
from storage.s3_errors import BucketError, failure_of
from storage.s3_upload import PART_BYTES, PARTS_IN_FLIGHT

MEBIBYTE = 1 << 20
SECONDS = 20


def pieces(count, size=MEBIBYTE):
    async def chunks():
        for _ in range(count):
            yield bytes(size)

    return chunks()


async def uploads(store):
    found = await store._call("list_multipart_uploads", Prefix=store._bucket.prefix)
    return found.get("Uploads", [])


class Watched:
    """The calls of a store: counted, and where a test says so failing or waiting."""

    def __init__(self, store, monkeypatch):
        self.calls = []
        self.at_once = self.most_at_once = 0
        self.failing = {}
        self.gates = {}
        self.begun = asyncio.Event()
        self._call = store._call
        monkeypatch.setattr(store, "_call", self)

    async def __call__(self, operation, /, **arguments):
        self.calls.append(operation)
        if operation in self.failing:
            raise self.failing[operation]
        self.at_once += operation == "upload_part"
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if operation in self.gates:
                self.begun.set()
                await self.gates[operation].wait()
            return await self._call(operation, **arguments)
        finally:
            self.at_once -= operation == "upload_part"


@pytest.fixture
def watched(s3_store, monkeypatch):
    return Watched(s3_store, monkeypatch)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0.png", "image/png"),
        ("0.jpg", "image/jpeg"),
        ("0.webp", "image/webp"),
        ("0.mp4", "video/mp4"),
        ("0.webm", "video/webm"),
        ("0.mp3", "audio/mpeg"),
        ("0.xyz", "application/octet-stream"),
        ("0", "application/octet-stream"),
    ],
)
def test_an_object_has_the_type_of_its_name(name, expected):
    assert s3._type_of(name) == expected


async def test_types_are_told_to_the_bucket_by_one_put_and_by_parts(s3_store):
    await s3_store.put("a.png", b"x")
    await s3_store.put_stream("b.mp4", pieces(9))
    heads = [await s3_store._call("head_object", Key=s3_store._key(n)) for n in ("a.png", "b.mp4")]

    assert [head["ContentType"] for head in heads] == ["image/png", "video/mp4"]


async def test_a_small_object_is_one_put(s3_store, watched):
    await s3_store.put("a", b"x")
    await s3_store.put_stream("b", pieces(PART_BYTES // MEBIBYTE))

    assert watched.calls == ["put_object", "put_object"]


async def test_few_parts_are_under_way_at_once(s3_store, watched):
    assert await s3_store.put_stream("b", pieces(41)) == 41 * MEBIBYTE

    assert watched.calls.count("upload_part") == 6
    assert watched.most_at_once == PARTS_IN_FLIGHT


async def test_a_source_waits_for_the_bucket(s3_store, watched):
    """What the bucket has not taken yet is not read either."""
    gate = watched.gates["upload_part"] = asyncio.Event()
    read = 0

    async def chunks():
        nonlocal read
        for _ in range(80):
            read += 1
            yield bytes(MEBIBYTE)

    putting = asyncio.create_task(s3_store.put_stream("b", chunks()))
    await asyncio.wait_for(watched.begun.wait(), SECONDS)
    for _ in range(200):
        await asyncio.sleep(0)
    assert read <= (PARTS_IN_FLIGHT + 1) * PART_BYTES // MEBIBYTE + 1
    gate.set()
    await putting

    assert read == 80


@pytest.mark.parametrize(
    "operation", ["create_multipart_upload", "upload_part", "complete_multipart_upload"]
)
async def test_a_bucket_that_fails_halfway_leaves_nothing(s3_store, watched, operation):
    watched.failing[operation] = BucketError(operation, "InternalError", 500)
    with pytest.raises(BucketError):
        await s3_store.put_stream("b", pieces(20))

    assert await s3_store.find("b") is None
    assert await uploads(s3_store) == []


async def test_a_broken_source_leaves_no_parts(s3_store):
    async def chunks():
        for _ in range(20):
            yield bytes(MEBIBYTE)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await s3_store.put_stream("b", chunks())

    assert await s3_store.find("b") is None
    assert await uploads(s3_store) == []


async def test_an_upload_cancelled_while_parts_are_under_way_leaves_none(s3_store, watched):
    watched.gates["upload_part"] = asyncio.Event()
    putting = asyncio.create_task(s3_store.put_stream("b", pieces(20)))
    await asyncio.wait_for(watched.begun.wait(), SECONDS)
    assert len(await uploads(s3_store)) == 1
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert watched.at_once == 0
    assert await s3_store.find("b") is None
    assert await uploads(s3_store) == []


async def test_a_bucket_that_is_away_keeps_nobody_who_gives_up_waiting(
    s3_store, watched, monkeypatch
):
    monkeypatch.setattr(s3_upload, "ABORT_SECONDS", 0.05)
    watched.failing["upload_part"] = BucketError("upload_part", "ReadTimeoutError")
    watched.gates["abort_multipart_upload"] = asyncio.Event()
    with pytest.raises(BucketError):
        await asyncio.wait_for(s3_store.put_stream("b", pieces(20)), SECONDS)


# ---- failures


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "no-such-bucket"}, 404),
        ({"secret_access_key": "wrong"}, 403),
        ({"access_key_id": "unknown"}, 403),
    ],
    ids=["bucket", "secret", "key"],
)
async def test_a_wrong_bucket_is_refused_at_start(bucket, change, status):
    async with S3Store(replace(bucket, **change)) as store:
        with pytest.raises(BucketError) as caught:
            await store.prepare()

    assert (caught.value.status, caught.value.is_refusal) == (status, True)


@pytest.mark.parametrize("way", ["put", "put_stream", "read", "find", "delete"])
async def test_a_server_that_is_away_is_an_error_that_names_nothing(bucket, way):
    away = replace(bucket, endpoint="http://127.0.0.1:9", name="secret-canary")
    calls = {
        "put": lambda store: store.put("tasks/canary", b"x"),
        "put_stream": lambda store: store.put_stream("tasks/canary", pieces(20)),
        "read": lambda store: anext(store.read("tasks/canary")),
        "find": lambda store: store.find("tasks/canary"),
        "delete": lambda store: store.delete("tasks/canary"),
    }
    async with S3Store(away) as store:
        with pytest.raises(BucketError) as caught:
            await calls[way](store)

    error = caught.value
    assert (error.status, error.is_refusal) == (0, False)
    assert "canary" not in f"{error} {error!r}"
    assert error.__context__ is None
    assert error.__cause__ is None


async def test_a_gateway_starts_while_its_bucket_is_away(bucket):
    async with S3Store(replace(bucket, endpoint="http://127.0.0.1:9")) as store:
        (problem,) = await store.prepare()

    assert problem.operation == "put_object"
    assert not problem.is_refusal


async def test_a_gateway_does_not_wait_for_a_bucket_that_hangs(s3_store, watched, monkeypatch):
    monkeypatch.setattr(s3, "START_SECONDS", 0.05)
    watched.gates["put_object"] = asyncio.Event()
    (problem,) = await asyncio.wait_for(s3_store.prepare(), SECONDS)

    assert not problem.is_refusal


async def test_an_object_that_breaks_off_is_an_error(s3_store, monkeypatch):
    await s3_store.put("x", bytes(3 * MEBIBYTE))
    reading = s3_store.read("x")
    assert await anext(reading)

    def cut(_body, _size):
        raise TimeoutError

    monkeypatch.setattr("aiobotocore.response.StreamingBody.read", cut)
    with pytest.raises(BucketError):
        await anext(reading)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, "NoSuchKey", FileNotFoundError),
        (404, "404", FileNotFoundError),
        (404, "NoSuchBucket", BucketError),
        (403, "AccessDenied", BucketError),
        (503, "SlowDown", BucketError),
        (400, "what a user said", BucketError),
    ],
)
def test_an_answer_becomes_an_error_without_its_words(status, code, expected):
    class Answered(Exception):
        def __init__(self):
            super().__init__("canary")
            answer = {"HTTPStatusCode": status}
            error = {"Code": code, "Message": "canary"}
            self.response = {"Error": error, "ResponseMetadata": answer}

    failure = failure_of("get_object", Answered())

    assert type(failure) is expected
    assert "canary" not in str(failure)
    assert "user" not in str(failure)


@pytest.mark.parametrize(
    ("status", "is_refusal"), [(0, False), (500, False), (429, False), (403, True), (404, True)]
)
def test_some_failures_are_for_ever(status, is_refusal):
    assert BucketError("put_object", "Code", status).is_refusal is is_refusal


# ---- the bucket's own rule


async def test_a_bucket_is_told_when_outputs_end_beside_its_other_rules(s3_store):
    other = {
        "ID": "operator",
        "Filter": {"Prefix": "logs/"},
        "Status": "Enabled",
        "Expiration": {"Days": 400},
    }
    await s3_store._call(
        "put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": [other]}
    )
    assert await s3_store.prepare() == []
    assert await s3_store.prepare() == []
    rules = {rule["ID"]: rule for rule in await s3_store._rules()}
    ours = rules.pop(f"reapi-outputs-{s3_store._bucket.prefix}")

    assert rules["operator"]["Expiration"] == {"Days": 400}
    assert ours["Filter"] == {"Prefix": f"{s3_store._bucket.prefix}tasks/"}
    assert ours["Expiration"] == {"Days": OUTPUT_DAYS}
    assert ours["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


async def test_nothing_of_the_check_at_start_stays(s3_store):
    await s3_store.prepare()

    found = await s3_store._call("list_objects_v2", Prefix=s3_store._bucket.prefix)
    assert found.get("Contents", []) == []


@pytest.mark.parametrize("operation", ["get", "put"])
async def test_a_bucket_that_takes_no_rules_will_do(s3_store, watched, operation):
    operation += "_bucket_lifecycle_configuration"
    watched.failing[operation] = BucketError(operation, "AccessDenied", 403)

    assert await s3_store.prepare() == [watched.failing[operation]]


REFUSED = BucketError("put_bucket_lifecycle_configuration", "AccessDenied", 403)


async def test_a_bucket_that_takes_no_rules_is_swept_once_a_day(s3_store, watched):
    watched.failing["put_bucket_lifecycle_configuration"] = REFUSED
    assert await s3_store.prepare() == [REFUSED]
    for name in ("tasks/a", "tasks/b", "other"):
        await s3_store.put(name, b"x")
    now = (datetime.now(UTC) + timedelta(days=31)).timestamp()

    assert await s3_store.sweep(now, 32 * DAY_SECONDS) == 0
    assert await s3_store.sweep(now, 30 * DAY_SECONDS) == 0, "today it was looked through"
    assert await s3_store.sweep(now + DAY_SECONDS, 31 * DAY_SECONDS) == 2
    assert await s3_store.find("tasks/a") is None
    assert await s3_store.find("other") is not None


async def test_a_bucket_that_was_away_at_start_is_told_later(s3_store, watched):
    watched.failing["put_object"] = BucketError("put_object", "EndpointConnectionError")
    assert len(await s3_store.prepare()) == 1
    assert await s3_store.sweep(2 * DAY_SECONDS, 0) == 0
    count = len(watched.calls)
    assert await s3_store.sweep(9 * DAY_SECONDS, 0) == 0

    assert len(watched.calls) == count, "it expires by itself: nobody looks"
    assert any(rule["ID"].endswith(s3_store._bucket.prefix) for rule in await s3_store._rules())


async def test_a_sweep_forgets_uploads_that_a_crash_left(s3_store, watched):
    watched.failing["put_bucket_lifecycle_configuration"] = REFUSED
    key = s3_store._key("tasks/a")
    await s3_store._call("create_multipart_upload", Key=key)
    now = datetime.now(UTC).timestamp()

    await s3_store.sweep(now, 0)
    assert len(await uploads(s3_store)) == 1
    await s3_store.sweep(now + 2 * DAY_SECONDS, 0)

    assert await uploads(s3_store) == []


async def test_pages_of_a_listing_are_followed(s3_store, watched, monkeypatch):
    for number in range(5):
        await s3_store.put(f"tasks/{number}", b"x")
    call = watched._call

    async def paged(operation, /, **arguments):
        if operation == "list_objects_v2":
            arguments["MaxKeys"] = 2
        return await call(operation, **arguments)

    monkeypatch.setattr(watched, "_call", paged)
    watched.failing["put_bucket_lifecycle_configuration"] = REFUSED
    now = datetime.now(UTC).timestamp()

    assert await s3_store.sweep(now + 9 * DAY_SECONDS, DAY_SECONDS) == 5
    assert watched.calls.count("list_objects_v2") == 3
