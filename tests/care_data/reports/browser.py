"""A headless Chromium for tests, spoken to over pipes: what a page asks for, says on its console, and shows."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page. requests: every address it asked for; complaints: errors and warnings of its console."""

    def __init__(self, profile: Path) -> None:
        reading, their_end = os.pipe()
        their_start, writing = os.pipe()
        # The browser reads from its descriptor 3 and writes to its descriptor 4.
        start = 'exec 8<&"$1" 9>&"$2"; exec 3<&8 4>&9; shift 2; exec "$@"'
        words = [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            "--hide-scrollbars",
        ]
        words += [f"--user-data-dir={profile}", "--disable-background-networking", "--no-first-run", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", start, "bash", str(their_start), str(their_end), *words],
            pass_fds=(their_start, their_end),
            stderr=subprocess.DEVNULL,
        )
        os.close(their_start)
        os.close(their_end)
        self._reading, self._writing = os.fdopen(reading, "rb"), os.fdopen(writing, "wb")
        self._number, self._session, self._waiting = 0, "", b""
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._loaded = False
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *exception: object) -> None:
        self._writing.close()
        self._reading.close()
        self._process.terminate()
        self._process.wait(20)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The browser's answer to one command."""
        self._number += 1
        told = {"id": self._number, "method": method, "params": parameters}
        told |= {"sessionId": self._session} if self._session else {}
        self._writing.write(json.dumps(told).encode() + b"\0")
        self._writing.flush()
        while True:
            message = self._read()
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]

    def open(self, address: str) -> None:
        """Load a page, to its end."""
        self._loaded = False
        self.ask("Page.navigate", url=address)
        while not self._loaded:
            self._read()

    def run(self, script: str) -> Any:
        """What a script in the page comes to; the page's policy binds what it does to the page, not the script."""
        done = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def picture(self, path: Path, width: int = 1200, height: int = 1600, top: int = 0, dark: bool = False) -> None:
        """A picture of a part of the page."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = "dark" if dark else "light"
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        data = self.ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            data = os.read(self._reading.fileno(), 1 << 20)
            assert data, "the browser has gone"
            self._waiting += data
        first, _, self._waiting = self._waiting.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        event, told = message.get("method"), message.get("params", {})
        if event == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(told["args"]))
        elif event == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])
        elif event == "Page.loadEventFired":
            self._loaded = True
        return message
