"""Debian's Chromium, quiet and cut off from every other host, and what is measured in it."""

import os
import shutil
from collections.abc import Callable

import pytest
from playwright.sync_api import ConsoleMessage, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-background-networking"),
    *("--disable-component-update", "--disable-quic", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)
CONTRAST = """(element) => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  let behind = element;
  const isClear = (at) => channels(getComputedStyle(at).backgroundColor)[3] === 0;
  while (isClear(behind) && behind.parentElement) behind = behind.parentElement;
  const [front, back] = [element, behind].map((at, n) =>
    luminance(channels(n ? getComputedStyle(at).backgroundColor : getComputedStyle(at).color)));
  return (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
}"""
"""WCAG 2.2's contrast ratio of an element's text against the first background behind it that is not transparent."""


def chromium() -> str:
    """The path of Chromium. Without one the calling test is skipped, and where CI is set it fails."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is not None:
        return found
    if os.environ.get("CI"):
        pytest.fail(
            "there is no Chromium on this machine, and CI must not skip what needs one: apt-get install chromium"
        )
    pytest.skip("no Chromium on this machine (Debian's package chromium)")


class Watched:
    """A page, with what it asked for and what broke in it: its scripts' errors, and console lines that are `wrong`."""

    def __init__(self, page: Page, wrong: Callable[[ConsoleMessage], bool]) -> None:
        self.page = page
        self.asked: list[str] = []
        self.broken: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.broken.append(str(error)))
        page.on("console", lambda message: self.broken.append(message.text) if wrong(message) else None)
