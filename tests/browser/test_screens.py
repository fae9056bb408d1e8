"""The main pages in a real browser: they render, look like themselves, and nothing complains."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from musicsync.admin.show import link_address, list_url
from musicsync.models import Change, Fetch, Provider, Rejection, Run, Scope, Track
from tests.browser.chromium import PROGRAM, Chromium
from tests.integration.admin_rows import make_provider, make_world

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs a browser: apt-get install chromium")


@pytest.fixture
def browser(live_server: LiveServer, tmp_path: Path) -> Iterator[Chromium]:
    """A browser in which somebody is logged in who may do everything."""
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    browser = Chromium(tmp_path)
    try:
        browser.set_cookie(live_server.url, "sessionid", client.cookies["sessionid"].value)
        yield browser
    finally:
        browser.close()


def test_the_main_pages_render_without_complaint(live_server: LiveServer, browser: Chromium) -> None:
    world = make_world()
    rows = (world.provider, world.run, world.track, world.recording, world.release, world.artist)
    lists = (Provider, Scope, Run, Fetch, Rejection, Track, Change)
    addresses = [reverse("admin:index"), *map(list_url, lists), *map(link_address, rows)]
    for address in addresses:
        browser.open(live_server.url + address)
        assert browser.evaluate("document.querySelector('h1, nav') !== null"), address
        assert browser.evaluate("document.body.scrollWidth <= window.innerWidth"), f"{address} is wider than the window"
        assert browser.complaints == [], address


def test_a_run_is_started_by_two_clicks(live_server: LiveServer, browser: Chromium) -> None:
    provider = make_provider()
    Scope.objects.create(provider=provider, kind="feed")
    browser.open(live_server.url + link_address(provider))
    browser.evaluate("[...document.querySelectorAll('a')].find(a => a.textContent.includes('now (full)')).click()")
    # Settled: before that, the page's script has not taken the form over.
    browser.wait_for("document.querySelector('#dialog button[type=submit]') && !document.querySelector('.htmx-added')")
    browser.evaluate("document.querySelector('#dialog button[type=submit]').click()")
    browser.wait_for("document.body.textContent.includes('of shop started (full): 1 request owed')")
    assert Run.objects.get().trigger == "admin"
    assert browser.complaints == []
