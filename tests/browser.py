"""Debian's Chromium, headless, as a person would use the console in it."""

import contextlib
import pathlib
import shutil
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

from neargate import ROOT

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
AXE = ROOT / "console/node_modules/axe-core/axe.min.js"
#: How long a page may take to show what is waited for.
PATIENCE_MILLIS = 90_000


@contextlib.contextmanager
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """One person's browser: what a page asks of other hosts, and what breaks in it, is noted."""

    def __init__(self, browser, gate, width=1440, height=900):
        self.gate = gate
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, permissions=["clipboard-read", "clipboard-write"]
        )
        self.context.set_default_timeout(PATIENCE_MILLIS)
        #: Requests that left for another host, scripts' errors, and what the policy of the page refused.
        self.foreign, self.broken = [], []
        self.page = self.follow(self.context.new_page())

    def follow(self, page):
        page.on("request", self.requested)
        page.on("pageerror", lambda error: self.broken.append(str(error)))
        page.on("console", self.said)
        return page

    def requested(self, request):
        there = urlsplit(request.url)
        if there.scheme in ("http", "https", "ws", "wss") and there.port != self.gate.port:
            self.foreign.append(request.url)

    def said(self, message):
        if "Content Security Policy" in message.text:
            self.broken.append(message.text)

    def open(self, path):
        self.page.goto(f"{self.gate.url}/console{path}")
        return self.page

    def title(self, text):
        """Waits for the page of this title."""
        self.page.get_by_role("heading", name=text, level=1).first.wait_for()
        return self.page

    def settled(self):
        """Waits until nothing on the page says that it loads."""
        self.page.wait_for_function("!document.querySelector('[class*=awsui_spinner]')")

    def shown(self, text, exact=False):
        self.page.get_by_text(text, exact=exact).first.wait_for()

    def filled(self, label, text):
        self.page.get_by_label(label, exact=True).first.fill(text)

    def press(self, name, within=None):
        (within or self.page).get_by_role("button", name=name, exact=True).first.click()

    def serious(self):
        """What axe finds on the page, of those findings that keep somebody from using it."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            (one["id"], one["help"], [node["html"][:160] for node in one["nodes"][:3]])
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]

    def picture(self, directory, name):
        pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=f"{directory}/{name}.png")

    def close(self):
        self.context.close()
