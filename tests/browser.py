"""A real browser, driven over its DevTools protocol: Chromium, headless, where it is installed."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.patience import wait_until

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
SECONDS = 30
# It must look for nothing outside: tests speak to loopback only.
_OPTIONS = (
    "--headless",
    "--no-sandbox",  # as root it starts no other way
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--remote-debugging-port=0",
)


class Tab:
    """One page. Texts are what a person would see and type."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._last = 0
        self.messages: list[str] = []
        """What the browser complained of: refused by a policy, or by a script."""

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser, and wait for its answer."""
        self._last += 1
        number = self._last
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._next()
            if message.get("id") == number:
                assert "error" not in message, message
                found: dict[str, Any] = message["result"]
                return found

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            message = await self._socket.receive_json()
        if message.get("method") == "Log.entryAdded":
            self.messages.append(message["params"]["entry"]["text"])
        found: dict[str, Any] = message
        return found

    async def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def go(self, url: str) -> None:
        """Open an address and wait until the page is there."""
        await self._leave()
        await self.call("Page.navigate", url=url)
        await self._arrive()

    async def press(self, words: str) -> None:
        """Press the button or the link with these words, and wait for the next page."""
        await self._leave()
        pressed = await self.run(
            "(() => { const found = [...document.querySelectorAll('button, a')]"
            f".find(item => item.textContent.trim() === {json.dumps(words)});"
            " found?.click(); return found !== undefined; })()"
        )
        assert pressed, f"no {words!r} on: {await self.text()}"
        await self._arrive()

    async def fill(self, name: str, value: str) -> None:
        """Fill in a field; the value of a checkbox is `yes`."""
        await self.run(
            f"(() => {{ const field = document.querySelector('[name=' + {json.dumps(name)} + ']');"
            f" if (field.type === 'checkbox') field.checked = true;"
            f" else field.value = {json.dumps(value)}; }})()"
        )

    async def fill_in_form(self, button: str, **values: str) -> None:
        """Fill in fields of the form with this button, where several forms have such fields."""
        await self.run(
            "(() => { const button = [...document.querySelectorAll('button')]"
            f".find(item => item.textContent.trim() === {json.dumps(button)});"
            f" for (const [name, value] of Object.entries({json.dumps(values)})) {{"
            " const field = button.form.elements[name];"
            " if (field.type === 'checkbox') field.checked = true; else field.value = value; } })()"
        )

    async def text(self) -> str:
        """What the page shows."""
        found: str = await self.run("document.body.innerText")
        return found

    async def path(self) -> str:
        """Where the browser is: the path of its address."""
        found: str = await self.run("location.pathname")
        return found

    async def cookies(self) -> dict[str, dict[str, Any]]:
        """Every cookie by its name, those that no script sees too."""
        found = await self.call("Network.getCookies")
        return {cookie["name"]: cookie for cookie in found["cookies"]}

    async def _leave(self) -> None:
        await self.run("window.isOldPage = true")

    async def _arrive(self) -> None:
        """Wait for another page than the one that was marked, whole."""
        async with asyncio.timeout(SECONDS):
            while not await self._is_there():
                await asyncio.sleep(0.05)

    async def _is_there(self) -> bool:
        found = await self.call(
            "Runtime.evaluate",
            expression="!window.isOldPage && document.readyState === 'complete' "
            "&& !document.querySelector('meta[http-equiv=refresh]')",
            returnByValue=True,
        )
        return found["result"].get("value") is True


@asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[Tab]:
    """A browser with nothing in it, and one tab; *folder* is its profile."""
    command = [PROGRAM, *_OPTIONS, f"--user-data-dir={folder}", "about:blank"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        port = await asyncio.to_thread(_port, folder / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                pages = [item for item in await answer.json() if item["type"] == "page"]
            url = pages[0]["webSocketDebuggerUrl"]
            async with session.ws_connect(url, max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Page", "Runtime", "Network", "Log"):
                    await tab.call(f"{domain}.enable")
                yield tab
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), SECONDS)


def _port(file: Path) -> str:
    """The port that the browser has written down."""
    wait_until(lambda: file.exists() and file.read_text().strip(), SECONDS)
    return file.read_text().splitlines()[0]
