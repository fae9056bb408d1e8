"""A headless Chromium, driven through its DevTools protocol: open a page, see what it complained about."""

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.helpers import wait_until

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1500,1000",
    "--remote-debugging-port=0",
)
_LIMIT_SECONDS = 120
_MOST_MESSAGE_BYTES = 50_000_000


class Refused(Exception):
    """The browser could not do what it was asked."""


class Chromium:
    """One browser with one tab. ``complaints`` holds errors of the console, of scripts and of loading."""

    def __init__(self, profile: Path) -> None:
        self.complaints: list[str] = []
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        assert PROGRAM is not None
        self._process = subprocess.Popen(
            [PROGRAM, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._tab = self._run(self._connect(_address_of_tab(profile / "DevToolsActivePort")))
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(_LIMIT_SECONDS)
        self._run(self._disconnect())
        self._loop.close()

    def set_cookie(self, url: str, name: str, value: str) -> None:
        """Give the browser a cookie."""
        self.call("Network.setCookie", url=url, name=name, value=value)

    def open(self, url: str) -> None:
        """Open a page and wait until it has loaded."""
        self.call("Page.navigate", url=url)
        self._run(self._until(lambda message: message.get("method") == "Page.loadEventFired"))

    def evaluate(self, expression: str) -> Any:
        """Return what a script's expression gives, once any promise is kept."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Return as soon as a script's expression holds, on this page or the one that it leads to."""

        def holds() -> bool:
            try:
                return bool(self.evaluate(f"Boolean(document.body && ({expression}))"))
            except Refused:
                # The page went away while it was asked.
                return False

        wait_until(holds, _LIMIT_SECONDS)

    def screenshot(self, path: Path) -> None:
        """Keep a picture of the page."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        number = next(self._numbers)
        self._run(self._send({"id": number, "method": method, "params": parameters}))
        answer = self._run(self._until(lambda message: message.get("id") == number))
        if "error" in answer:
            raise Refused(f"{method}: {answer['error']}")
        return answer["result"]

    def _run(self, coroutine: Any) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(coroutine, _LIMIT_SECONDS))

    async def _connect(self, address: str) -> WebSocketClientConnection:
        return await websocket_connect(address, max_message_size=_MOST_MESSAGE_BYTES)

    async def _disconnect(self) -> None:
        # Within the loop: outside of one, Tornado makes another for it, which nobody closes.
        self._tab.close()

    async def _send(self, message: dict[str, Any]) -> None:
        await self._tab.write_message(json.dumps(message))

    async def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            text = await self._tab.read_message()
            assert text is not None, "the browser closed the connection"
            message: dict[str, Any] = json.loads(text)
            self._note(message)
            if wanted(message):
                return message

    def _note(self, message: dict[str, Any]) -> None:
        method, said = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(said["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and said["type"] in {"error", "assert"}:
            self.complaints.append(json.dumps(said["args"]))
        elif method == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.complaints.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")


def _address_of_tab(port_file: Path) -> str:
    """Wait for the browser to name its port and to have a tab, and return where that listens."""
    wait_until(lambda: port_file.exists() and "\n" in port_file.read_text(), _LIMIT_SECONDS)
    port = port_file.read_text().splitlines()[0]
    addresses: list[str] = []

    def has_a_tab() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=_LIMIT_SECONDS) as answer:
            addresses.extend(tab["webSocketDebuggerUrl"] for tab in json.load(answer) if tab["type"] == "page")
        return bool(addresses)

    wait_until(has_a_tab, _LIMIT_SECONDS)
    return addresses[0]
