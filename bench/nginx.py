"""nginx as a plain reverse proxy: what a proxy can cost at best, measured beside the gateway."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.http import Connection, NoAnswerError
from bench.processes import end, running_on

START_SECONDS = 10.0
_SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

# Nothing goes to disk, neither log nor large answers; with the default buffers of 8 KB, large
# answers would cost nginx more than need be.
_CONFIGURATION = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    {temporary}
    keepalive_requests 1000000000;
    proxy_max_temp_file_size 0;
    proxy_buffer_size 64k;
    proxy_buffers 16 64k;
    proxy_busy_buffers_size 256k;
    upstream static {{
        server {upstream};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://static;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


class NginxError(Exception):
    """nginx did not start."""


def find_nginx() -> str | None:
    """The path of nginx, if there is one; system folders are often not in PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path=os.pathsep.join(_SYSTEM_FOLDERS))


def configuration(folder: Path, upstream: str, port: int, *, as_root: bool) -> str:
    """A whole nginx.conf. *upstream* is `host:port`."""
    temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in _TEMPORARY)
    return _CONFIGURATION.format(
        folder=folder,
        upstream=upstream,
        port=port,
        temporary=temporary,
        # Workers of a root nginx would become a user who may not read our folder.
        user="user root;" if as_root else "",
    )


@asynccontextmanager
async def proxying(
    nginx: str, upstream: str, folder: Path, core: int | None
) -> AsyncIterator[tuple[str, int]]:
    """Run nginx in front of *upstream*; gives its URL and pid."""
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(configuration(folder, upstream, port, as_root=os.geteuid() == 0))
    with running_on(core):
        process = await asyncio.create_subprocess_exec(
            nginx, "-c", file, "-p", folder, "-e", "stderr", stdin=asyncio.subprocess.DEVNULL
        )
    try:
        url = f"http://127.0.0.1:{port}"
        await _answers(url, process)
        yield url, process.pid
    finally:
        await end(process, START_SECONDS)


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def _answers(url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(START_SECONDS):
        while process.returncode is None:
            try:
                async with Connection(url) as connection:
                    await connection.request("POST", "/v1/images/generations", {})
                return
            except NoAnswerError:
                await asyncio.sleep(0.05)
    raise NginxError("nginx did not start")
