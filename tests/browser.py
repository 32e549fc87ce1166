"""Pages in a real browser: opened as people open them, audited for who cannot see them well."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SCREENS = {"wide": {"width": 1100, "height": 900}, "phone": {"width": 390, "height": 800}}


@pytest.fixture(scope="module")
def browser():
    """Chromium, that of the machine or Playwright's own."""
    from playwright.sync_api import Error, sync_playwright

    installed = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        except Error:
            pytest.skip("no Chromium here; one comes with: playwright install chromium")
        yield started
        started.close()


@contextmanager
def opened(browser, address, *, screen="wide", scheme="light", online=True):
    """A page that has loaded; an error in its script fails the test."""
    page = browser.new_page(viewport=SCREENS[screen], color_scheme=scheme)
    page.context.set_offline(not online)
    errors = []
    page.on("pageerror", lambda error: errors.append(error))  # Playwright marks what it is given
    page.goto(address)
    yield page
    page.close()
    assert errors == []


def assert_legible(browser, file):
    """A page of one file: no violation in axe, nothing off the screen, in light and dark, on a phone and on paper."""
    from axe_playwright_python.sync_playwright import Axe

    for screen in SCREENS:
        for scheme in ("light", "dark"):
            with opened(browser, file.as_uri(), screen=screen, scheme=scheme, online=False) as page:
                found = Axe().run(page)
                assert found.violations_count == 0, found.generate_report()
                assert len(found.response["passes"]) > 10
                assert page.evaluate("document.documentElement.scrollWidth") <= SCREENS[screen]["width"]
    with opened(browser, file.as_uri(), scheme="dark") as page:
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.pdf().startswith(b"%PDF")
