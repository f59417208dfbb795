"""The gateway with defects: a leak into every sink, or a prompt in every kind of exception.

`python tests/privacy/leaky_gateway.py serve --demo`; the composition is the real one, only the
reading of a request is replaced. `DEFECTS=leaks`: it also gives the prompt away, and the search
for canaries must find that. `DEFECTS=raises`: it breaks with the prompt in its mouth, as libraries
do, and nothing may be found.
"""

import asyncio
import base64
import logging
import os
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3
import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from core import log, metrics
from core.errors import GatewayError, Reason
from core.services import generation, parse
from core.settings import Settings
from core.webhooks import payload, sending
from gateway.cli import main
from storage.s3 import Bucket
from tests.embedded_database import connected_to

KEPT: list[Any] = []
"""What must stay open or alive until the process ends."""
HOME = Path(os.environ.get("REAPI_HOME", "."))


def into_the_log(prompt: str) -> None:
    sys.stderr.write(f"asked for {prompt}\n")
    sys.stderr.flush()


def into_the_log_encoded(prompt: str) -> None:
    print("body", base64.b64encode(b"{" + prompt.encode() + b"}").decode(), flush=True)


def into_a_temporary_file(prompt: str) -> None:
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(prompt)


def into_an_unlinked_file(prompt: str) -> None:
    file = tempfile.TemporaryFile("w")  # noqa: SIM115 - kept open: that is the leak
    file.write(prompt)
    file.flush()
    KEPT.append(file)


def into_a_file_name(prompt: str) -> None:
    (HOME / f"{prompt}.png").touch()


def into_a_command_line(prompt: str) -> None:
    KEPT.append(subprocess.Popen([*WAITING, prompt], stdin=subprocess.PIPE))


def into_an_environment(prompt: str) -> None:
    KEPT.append(subprocess.Popen(WAITING, stdin=subprocess.PIPE, env={"PROMPT": prompt}))


def into_a_row(prompt: str) -> None:
    with database("reapi") as connection:
        connection.execute(
            "INSERT INTO audit_log (account_id, id, actor, action, target)"
            " VALUES (gen_random_uuid(), gen_random_uuid(), 'leak', 'leak', %s)",
            (prompt,),
        )


def into_the_server_log(prompt: str) -> None:
    with database("postgres") as connection:
        connection.execute("SELECT set_config('reapi.leak', %s, false)", (prompt,))
        connection.execute("DO $$ BEGIN RAISE LOG '%', current_setting('reapi.leak'); END $$")


def into_a_metric(prompt: str) -> None:
    for counts in MADE:
        counts._generations[prompt, "", "", ""] += 1


def into_an_event(prompt: str) -> None:
    log.emitter("info")(log.CatalogueRefused(key=prompt))


def into_a_background_job(prompt: str) -> None:
    with database("reapi") as connection:
        connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args)"
            " VALUES ('leak', 'leak', jsonb_build_object('prompt', %s::text))",
            (prompt,),
        )


def into_a_webhook(prompt: str) -> None:
    """A name that nobody sealed."""
    with database("reapi") as connection:
        connection.execute("UPDATE webhook_endpoint SET display_name = %s", (prompt.encode(),))


def into_an_objects_name(prompt: str) -> None:
    put_object(f"outputs/{prompt}.png")


def into_an_objects_metadata(prompt: str) -> None:
    put_object("outputs/named.png", Metadata={"prompt": prompt})


def into_an_objects_type(prompt: str) -> None:
    put_object("outputs/typed.png", ContentType=f"image/png; prompt={prompt}")


LEAKS: Sequence[Callable[[str], None]] = (
    into_the_log,
    into_the_log_encoded,
    into_a_temporary_file,
    into_an_unlinked_file,
    into_a_file_name,
    into_a_command_line,
    into_an_environment,
    into_a_row,
    into_the_server_log,
    into_a_metric,
    into_an_event,
    into_a_background_job,
    into_a_webhook,
    into_an_objects_name,
    into_an_objects_metadata,
    into_an_objects_type,
)


class Unraisable:
    """Raises where nobody can catch it."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt

    def __del__(self) -> None:
        raise ValueError(self._prompt)


async def raising(prompt: str) -> None:
    raise ValueError(prompt)


def raise_everywhere(prompt: str) -> None:
    """Let the prompt be in a record, a warning, and exceptions of all kinds."""
    logging.getLogger("some.library").error("failed for %s", prompt)
    logging.getLogger("aiohttp.client").warning(prompt, exc_info=ValueError(prompt))
    logging.getLogger("psycopg.pool").critical("%(a)s", {"a": prompt}, stack_info=True)
    warnings.warn(prompt, stacklevel=1)
    KEPT.append(asyncio.ensure_future(raising(prompt)))
    KEPT.pop()
    asyncio.get_running_loop().call_soon(int, prompt)
    thread = threading.Thread(target=int, args=(prompt,))
    thread.start()
    thread.join()
    Unraisable(prompt)
    raise LookupError(prompt)


WAITING = [sys.executable, "-c", "import sys; sys.stdin.read()"]
MADE: list[metrics.Metrics] = []


def database(name: str) -> psycopg.Connection[Any]:
    """The embedded database, as its files describe it."""
    return connected_to(HOME / "postgres", name, autocommit=True)


def put_object(name: str, **more: Any) -> None:
    """Store something of ours beside the outputs."""
    bucket = Settings.from_env(os.environ).outputs
    if not isinstance(bucket, Bucket):
        return
    client = boto3.client(
        "s3",
        endpoint_url=bucket.endpoint,
        region_name=bucket.region,
        aws_access_key_id=bucket.access_key_id,
        aws_secret_access_key=bucket.secret_access_key,
    )
    client.put_object(Bucket=bucket.name, Key=bucket.prefix + name, Body=b"", **more)
    client.close()


def tell_the_last(last: list[str]) -> None:
    """Let webhooks and receipts of deletions speak of what was asked for."""
    message, receipt = payload.task, generation.deletion_receipt

    def task(*given: Any) -> dict[str, object]:
        return {**message(*given), "prompt": last[0]}

    def deletion_receipt(*given: Any) -> Any:
        found = receipt(*given)
        found.signed_payload += last[0].encode()
        return found

    sending.task = task
    generation.deletion_receipt = deletion_receipt


def leak(into_all: Callable[[str], None]) -> None:
    """Replace what reads a request, and note the metrics that are made."""
    read, make = parse.order, metrics.Metrics.__init__
    last = ["nothing yet"]
    tell_the_last(last)

    def order(spec: Any, *given: Any, **more: Any) -> Any:
        if spec.parameters.prompt.startswith("tell"):
            raise GatewayError(Reason.INVALID_PARAMETER, f"Somebody else asked for {last[0]}.")
        last[0] = spec.parameters.prompt
        into_all(spec.parameters.prompt)
        return read(spec, *given, **more)

    def made(self: metrics.Metrics) -> None:
        make(self)
        MADE.append(self)

    parse.order = order
    metrics.Metrics.__init__ = made  # type: ignore[method-assign] # the leak


def leak_everywhere(prompt: str) -> None:
    """Let the prompt into every sink."""
    for into in LEAKS:
        into(prompt)


if __name__ == "__main__":
    leak(raise_everywhere if os.environ["DEFECTS"] == "raises" else leak_everywhere)
    main()
