"""The main pages in a real browser: they render, look like themselves, and nothing complains."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from musicsync.admin.show import link_address, list_url
from musicsync.models import Budget, Change, Circuit, Fetch, Profile, Provider, Rejection, Run, Scope, Track, Worker
from tests.browser.chromium import PROGRAM, Chromium
from tests.integration.admin_rows import make_provider, make_run, make_world

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
    Fetch.objects.update(error="it does not answer " * 100, excerpt="x" * 1000, traceback="Traceback\n  File")
    dead, shut = Fetch.objects.get(), Circuit.objects.get()
    rows = (world.provider, world.run, dead, shut, world.track, world.recording, world.release, world.artist)
    lists = (Provider, Budget, Scope, Run, Fetch, Rejection, Worker, Circuit, Profile, Track, Change)
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


def test_all_dead_fetches_of_a_filter_are_discarded_after_asking(live_server: LiveServer, browser: Chromium) -> None:
    run = make_run(make_provider(), "errors", dead=60)
    browser.open(live_server.url + list_url(Fetch, run=run.pk, status__exact="dead"))
    browser.evaluate("document.querySelector('#action-toggle').click()")
    browser.evaluate("document.querySelector('.question a').click()")
    browser.evaluate("document.querySelector('select[name=action]').value = 'discard'")
    browser.evaluate("document.querySelector('#changelist-form').requestSubmit()")
    browser.wait_for("document.body.textContent.includes('Give up 60 dead requests for good?')")
    browser.evaluate("document.querySelector('input[name=confirmed]').form.requestSubmit()")
    browser.wait_for("document.body.textContent.includes('60 requests discarded.')")
    assert not Fetch.objects.exclude(status="discarded").exists()
    assert browser.complaints == []
