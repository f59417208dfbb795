"""Outputs in a bucket: Amazon S3, Cloudflare R2, or anything else that speaks S3's protocol.

The same contract as the folder's. Uploads are our own multipart, of parts that all have the same
size (R2 asks for that) and of which few are in memory at a time; an object appears under its name
only when it is complete. Whatever the library or the network raises becomes a BucketError, which
is an OSError and holds no message: those may quote keys and links.
"""

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final, Self

from storage.folder import PIECE, Found, is_name
from storage.s3_errors import BucketError, failure_of
from storage.s3_upload import PART_BYTES, Upload

CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 30.0
"""Between two reads, and for a part from its first byte to the answer."""
START_SECONDS: Final = 10.0
"""For the first look at the bucket: a gateway starts without it if need be."""
ATTEMPTS: Final = 2
"""Of the library for each call; whoever stores outputs tries again for longer."""
CALL_SECONDS: Final = 80.0
"""A call with all its attempts, and the wait for a connection, which the library does not limit."""
CONNECTIONS: Final = 64
READS: Final = 40
"""Objects that are read at once: who reads slowly leaves connections to store outputs by."""
OUTPUT_DAYS: Final = 31
"""Of the bucket's own rule: a day more than what the rows say, for objects without a row."""
UPLOAD_DAYS: Final = 1
DAY_SECONDS: Final = 86_400.0
OUTPUTS: Final = "tasks/"
_CHECK: Final = "start-check"

_TYPES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "aac": "audio/aac",
}
_NOT_SATISFIABLE: Final = 416


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where outputs go. `prefix` is empty or ends in a slash; no `endpoint` means Amazon's."""

    name: str
    prefix: str
    endpoint: str
    region: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


class S3Store:
    """Objects by name. Open it with `async with`. All methods, and that, may raise BucketError."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._expires_by_itself = False
        self._swept_at = 0.0
        self._reading = asyncio.Semaphore(READS)

    async def __aenter__(self) -> Self:
        # The import costs most of a second and 30 MB: only who has a bucket pays for it.
        session = import_module("aioboto3").Session(
            aws_access_key_id=self._bucket.access_key_id,
            aws_secret_access_key=self._bucket.secret_access_key,
            aws_session_token=self._bucket.session_token or None,
            region_name=self._bucket.region,
        )
        endpoint = self._bucket.endpoint or None
        try:
            client = session.client("s3", endpoint_url=endpoint, config=_config())
            self._client = await self._stack.enter_async_context(client)
            return self
        except self._failures as error:
            failure = failure_of("open", error)
        raise failure

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def prepare(self) -> list[BucketError]:
        """Try the bucket, and make it forget outputs by itself; call it once, at start.

        Raises BucketError when the bucket does not exist or the credential is not good for it.
        Returns what else went wrong: a bucket that is away may come back, and one that takes no
        rules is swept by `sweep`.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._call("put_object", Key=self._key(_CHECK), Body=b"")
                await self._call("delete_object", Key=self._key(_CHECK))
                await self.find(_CHECK)  # refused to who may not list: 403 instead of 404
                await self._make_rule()
        except BucketError as error:
            if error.is_refusal and not error.operation.endswith("lifecycle_configuration"):
                raise
            return [error]
        except TimeoutError:
            return [BucketError("put_object", "TimeoutError")]
        return []

    async def put(self, name: str, data: bytes) -> None:
        """Store *data* under *name*; an object of that name is replaced."""
        if len(data) > PART_BYTES:
            await self.put_stream(name, _slices(data))
        else:
            await self._put_whole(name, io.BytesIO(data))

    async def put_stream(self, name: str, chunks: AsyncIterator[bytes]) -> int:
        """Store under *name* what *chunks* yield, and return how many bytes.

        Nothing appears under the name before the last one; whatever *chunks* raise, or a
        cancellation, leaves nothing behind. No more than a few parts are in memory.
        """
        upload = Upload(self._call, self._key(name), _type_of(name))
        size, part = 0, io.BytesIO()
        try:
            async for chunk in chunks:
                size += len(chunk)
                rest = memoryview(chunk)
                while len(rest) > (room := PART_BYTES - part.tell()):
                    part.write(rest[:room])
                    rest = rest[room:]
                    await upload.send(part)
                    part = io.BytesIO()
                part.write(rest)
            if upload.has_begun:
                await upload.send(part)
                await upload.complete()
            else:
                await self._put_whole(name, part)
        except BaseException:
            await upload.abort()
            raise
        return size

    async def find(self, name: str) -> Found | None:
        """Look an object up; None when there is none of that name."""
        if not is_name(name):
            return None
        try:
            head = await self._call("head_object", Key=self._key(name))
        except FileNotFoundError:
            return None
        return Found(int(head["ContentLength"]), head["LastModified"].timestamp())

    async def read(self, name: str, offset: int = 0, limit: int = 0) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from *offset*, at most *limit* (0: to the end), in pieces ≤ 1 MiB.

        Raises FileNotFoundError. Only so many are read at once; others wait for their turn,
        and raise BucketError when that does not come.
        """
        if not is_name(name):
            raise FileNotFoundError
        await self._turn()
        try:
            async with aclosing(self._pieces(name, offset, limit)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._reading.release()

    async def delete(self, name: str) -> bool:
        """Remove an object; False when there was none."""
        if await self.find(name) is None:
            return False
        await self._call("delete_object", Key=self._key(name))
        return True

    async def sweep(self, now: float, keep_seconds: float) -> int:
        """Delete outputs stored more than *keep_seconds* before *now* (seconds since 1970).

        A bucket that has our rule does that by itself; any other is looked through once a day,
        and is asked each time to take the rule. Returns how many objects went.
        """
        if self._expires_by_itself or now - self._swept_at < DAY_SECONDS:
            return 0
        try:
            await self._make_rule()
        except BucketError:
            swept = await self._sweep_outputs(_moment(now - keep_seconds))
            await self._sweep_uploads(_moment(now - UPLOAD_DAYS * DAY_SECONDS))
            self._swept_at = now
            return swept
        return 0

    async def _put_whole(self, name: str, data: io.BytesIO) -> None:
        data.seek(0)
        await self._call("put_object", Key=self._key(name), Body=data, ContentType=_type_of(name))

    async def _turn(self) -> None:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._reading.acquire()
        except TimeoutError:
            raise BucketError("get_object", "TimeoutError") from None

    async def _pieces(self, name: str, offset: int, limit: int) -> AsyncGenerator[bytes, None]:
        last = str(offset + limit - 1) if limit else ""
        span = {"Range": f"bytes={offset}-{last}"} if offset or limit else {}
        try:
            answer = await self._call("get_object", Key=self._key(name), **span)
        except BucketError as error:
            if error.status == _NOT_SATISFIABLE:
                return
            raise
        body = answer["Body"]
        async with body:  # closes the connection of who stops before the end
            while piece := await self._piece(body):
                yield piece

    async def _piece(self, body: Any) -> bytes:
        try:
            return bytes(await body.read(PIECE))
        except self._failures as error:
            failure = failure_of("get_object", error)
        raise failure

    async def _make_rule(self) -> None:
        """Add our rule to those that the bucket has."""
        rules = await self._rules()
        rule = _rule(self._bucket.prefix)
        if rule not in rules:
            others = [other for other in rules if other.get("ID") != rule["ID"]]
            await self._call(
                "put_bucket_lifecycle_configuration",
                LifecycleConfiguration={"Rules": [*others, rule]},
            )
        self._expires_by_itself = True

    async def _rules(self) -> Sequence[dict[str, Any]]:
        try:
            answer = await self._call("get_bucket_lifecycle_configuration")
        except FileNotFoundError:
            return []
        return list(answer.get("Rules", []))

    async def _sweep_outputs(self, before: datetime) -> int:
        swept = 0
        token: dict[str, str] = {}
        while True:
            page = await self._call("list_objects_v2", Prefix=self._key(OUTPUTS), **token)
            for item in page.get("Contents", []):
                if item["LastModified"] < before:
                    await self._call("delete_object", Key=item["Key"])
                    swept += 1
            if not page.get("IsTruncated"):
                return swept
            token = {"ContinuationToken": page["NextContinuationToken"]}

    async def _sweep_uploads(self, before: datetime) -> None:
        """Forget uploads that a crash left half done: a thousand at a time."""
        page = await self._call("list_multipart_uploads", Prefix=self._key(OUTPUTS))
        for item in page.get("Uploads", []):
            if item["Initiated"] < before:
                await self._call(
                    "abort_multipart_upload", Key=item["Key"], UploadId=item["UploadId"]
                )

    def _key(self, name: str) -> str:
        return self._bucket.prefix + name

    async def _call(self, operation: str, /, **arguments: Any) -> dict[str, Any]:
        """One call of S3's API; raises BucketError, or FileNotFoundError."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer: dict[str, Any] = await getattr(self._client, operation)(
                    Bucket=self._bucket.name, **arguments
                )
            return answer
        except self._failures as error:
            failure = failure_of(operation, error)
        # Not from within the handler: the library's error names the link.
        raise failure

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        library = import_module("botocore.exceptions")
        client = import_module("aiohttp").ClientError
        return (library.ClientError, library.BotoCoreError, client, OSError)


def _config() -> Any:
    """For R2 and others: path addressing, no checksums that they do not know."""
    return import_module("botocore.config").Config(
        signature_version="s3v4",
        s3={"addressing_style": "path", "payload_signing_enabled": False},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        ignore_configured_endpoint_urls=True,  # the settings say where
    )


def _rule(prefix: str) -> dict[str, Any]:
    return {
        "ID": f"reapi-outputs-{prefix}",
        "Filter": {"Prefix": prefix + OUTPUTS},
        "Status": "Enabled",
        "Expiration": {"Days": OUTPUT_DAYS},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOAD_DAYS},
    }


def _type_of(name: str) -> str:
    return _TYPES.get(name.rpartition(".")[2], "application/octet-stream")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def _slices(data: bytes) -> AsyncIterator[bytes]:
    view = memoryview(data)
    for start in range(0, len(data), PIECE):
        yield bytes(view[start : start + PIECE])
