"""A real Chromium, told what to do by WebDriver, which is JSON over HTTP."""

import shutil
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from embedded import ports
from embedded.supervision.processes import Process, Program
from tests.docker import nginx

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = "chromium is not installed (apt-get install chromium chromium-driver)"
# It looks for nothing but what it is sent to; the sandbox is not for root.
_OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # Scrollbars would take of the width.
    *("--disable-dev-shm-usage", "--hide-scrollbars"),
]
_SECONDS = 30
# What a page does by itself with a key, it does by these numbers. Enter is also a character.
_CODES = {"Tab": 9, "Enter": 13}
_TEXTS = {"Enter": "\r"}
# Those that run, of which screenshots are kept when a test fails.
_running: list["Browser"] = []


class Browser:
    """One window. Selectors are those of CSS."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        _ask("POST", f"{self._session}/url", url=url)

    def run(self, script: str, *arguments: Any) -> Any:
        """What the script returns; of a promise, what it is kept with."""
        return _ask("POST", f"{self._session}/execute/sync", script=script, args=list(arguments))

    def emulate(
        self, *, width: int, dark: bool = False, still: bool = False, on_paper: bool = False
    ) -> None:
        """A window of this width, or paper, for a reader of light or dark pages.

        Nothing moves if it is `still`.
        """
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        motion = {"name": "prefers-reduced-motion", "value": "reduce" if still else ""}
        media = "print" if on_paper else ""
        self._devtools("Emulation.setEmulatedMedia", media=media, features=[scheme, motion])
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", **size)

    def allow_script(self, allowed: bool) -> None:
        self._devtools("Emulation.setScriptExecutionDisabled", value=not allowed)

    def press(self, key: str) -> None:
        """A key, such as `/` or `ArrowLeft`, for what has the focus."""
        text = _TEXTS.get(key, key if len(key) == 1 else "")
        code = {"windowsVirtualKeyCode": _CODES[key]} if key in _CODES else {}
        for kind in ("keyDown", "keyUp"):
            given = {"text": text} if text and kind == "keyDown" else {}
            self._devtools("Input.dispatchKeyEvent", type=kind, key=key, code=key, **code, **given)

    def screenshot(self) -> bytes:
        """A PNG of the whole page as it is now."""
        clip = {**self._devtools("Page.getLayoutMetrics")["cssContentSize"], "scale": 1}
        shot = self._devtools("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return b64decode(shot["data"])

    def _devtools(self, command: str, **parameters: Any) -> Any:
        return _ask("POST", f"{self._session}/goog/cdp/execute", cmd=command, params=parameters)

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])].map(it => it.textContent.trim())",
            selector,
        )
        return found

    def wait_for(self, selector: str) -> str:
        """The text of the first that is there."""
        deadline = time.monotonic() + _SECONDS
        while not (found := self.texts(selector)):
            assert time.monotonic() < deadline, (selector, self.complaints())
            time.sleep(0.1)
        return found[0]

    def click(self, selector: str) -> None:
        self.wait_for(selector)
        self.run("document.querySelector(arguments[0]).click()", selector)

    def fill(self, **values: str) -> None:
        """Fields of a form by name."""
        for name, value in values.items():
            field = f"[name={name}]"
            self.run("document.querySelector(arguments[0]).value = arguments[1]", field, value)

    def complaints(self) -> list[str]:
        """What its console has been told since it was last asked: a refused script, a 404."""
        entries = _ask("POST", f"{self._session}/se/log", type="browser")
        # Other than hints of no consequence, and an icon that browsers ask for by themselves.
        grave = [it["message"] for it in entries if it["level"] in {"SEVERE", "WARNING"}]
        return [message for message in grave if "/favicon.ico " not in message]


@contextmanager
def running(folder: Path) -> Iterator[Browser]:
    assert CHROMIUM
    assert DRIVER
    port = ports.pick_free()
    program = Program(
        name="chromedriver",
        command=[DRIVER, f"--port={port}"],
        ready=lambda: nginx.answers(port, path="/status"),
    )
    options = {"binary": CHROMIUM, "args": [*_OPTIONS, f"--user-data-dir={folder}"]}
    wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    with Process(program):
        sessions = f"http://{ports.HOST}:{port}/session"
        session = _ask("POST", sessions, capabilities={"alwaysMatch": wanted})["sessionId"]
        made = Browser(f"{sessions}/{session}")
        _running.append(made)
        try:
            yield made
        finally:
            _running.remove(made)
            _ask("DELETE", f"{sessions}/{session}")


def kept_screenshots(folder: Path, name: str) -> list[Path]:
    """Files in this folder of what each browser shows now."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, one in enumerate(_running):
        file = folder / f"{name}{f'-{number}' if number else ''}.png"
        file.write_bytes(one.screenshot())
        files.append(file)
    return files


def _ask(method: str, address: str, /, **body: Any) -> Any:
    sent = body if method == "POST" else None
    answer = urllib3.request(method, address, json=sent, timeout=2 * _SECONDS, retries=False)
    value = answer.json()["value"]
    assert not (isinstance(value, dict) and "error" in value), value
    return value
