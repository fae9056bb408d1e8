"""The admin as its users see it: pages, searches, actions and what they say."""

import re
from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.db import connection
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from kombu import Connection, pools

from musicsync.admin.show import link_address, list_url
from musicsync.models import (
    Artist,
    Budget,
    Change,
    Circuit,
    Fetch,
    Provider,
    Recording,
    Rejection,
    Release,
    Run,
    Scope,
    SourceArtist,
    SourceRelease,
    SourceTrack,
    Track,
)
from project.celery import app
from tests.integration.admin_rows import HOSTILE, make_provider, make_run, make_world
from tests.integration.paging import provider, release, say

OURS = [model for model in admin.site._registry if model._meta.app_label == "musicsync"]
EDITABLE = {"provider", "budget", "scope"}


@pytest.fixture
def client(db: None) -> Client:
    """A browser in which somebody is logged in who may do everything."""
    return logged_in(User.objects.create_superuser("operator"))


@pytest.fixture
def dead_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that refuses every connection."""
    nobody = Connection("redis://127.0.0.1:1/0", transport_options={"socket_connect_timeout": 1})
    monkeypatch.setattr(app.amqp, "_producer_pool", pools.producers[nobody])


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def staff(*permissions: str, name: str = "colleague") -> Client:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return logged_in(user)


def act(client: Client, action: str, *rows: Model) -> list[str]:
    """Carry out a list's action on rows and return what it said."""
    answer = client.post(
        list_url(type(rows[0])), {"action": action, "index": 0, "_selected_action": [row.pk for row in rows]}
    )
    assert answer.status_code == 302
    return said_by(answer)


def said_by(answer: HttpResponse) -> list[str]:
    """Return the messages that an answer leaves behind, without their markup."""
    return [re.sub("<[^>]+>", "", str(message)) for message in get_messages(answer.wsgi_request)]


def button(row: Model, name: str) -> str:
    return reverse(f"admin:musicsync_{row._meta.model_name}_{name}", args=[row.pk])


def shown(client: Client, model: type[Model], **query: object) -> list[Model]:
    """Return the rows that a list shows."""
    answer = client.get(list_url(model, **query))
    assert answer.status_code == 200, answer.headers
    return list(answer.context["cl"].result_list)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_every_list_and_page_opens(client: Client, model: type[Model]) -> None:
    make_world()
    row = model._default_manager.first()
    assert client.get(list_url(model)).status_code == 200
    assert client.get(link_address(row)).status_code == 200
    may_add = model._meta.model_name in EDITABLE
    assert client.get(f"{list_url(model)}add/").status_code == (200 if may_add else 403)


@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda model: model._meta.model_name)
def test_every_list_opens_empty(client: Client, model: type[Model]) -> None:
    model._default_manager.exclude(pk=User.objects.get().pk if model is User else None).delete()
    assert client.get(list_url(model)).status_code == 200


def test_the_overview_says_how_it_is_going(client: Client) -> None:
    make_world()
    page = client.get(reverse("admin:index")).content.decode()
    assert "Dead fetches" in page
    assert "completed with errors" in page
    assert "Nothing is followed yet" not in page


def test_the_overview_shows_how_far_a_run_is(client: Client) -> None:
    run = make_run(make_provider(), "running", dead=2)
    page = client.get(reverse("admin:index")).content.decode()
    assert "2 of 2 requests" in page
    assert link_address(run) in page


def test_the_list_of_runs_shows_how_far_each_is(client: Client) -> None:
    run = make_run(make_provider(), "running", dead=2)
    run.fetches.filter(key="tracks?cursor=0").update(status="pending")
    (listed,) = shown(client, Run)
    assert (listed.progress.of_all, listed.dead_fetches) == ("1 of 2", 1)


def test_the_overview_of_a_new_set_up_says_what_to_do(client: Client) -> None:
    assert "Nothing is followed yet" in client.get(reverse("admin:index")).content.decode()


def test_nobody_gets_in_without_a_staff_login(db: None) -> None:
    visitor, customer = Client(), logged_in(User.objects.create_user("customer"))
    for client in (visitor, customer):
        for address in (reverse("admin:index"), list_url(Run), list_url(Track)):
            assert client.get(address).headers["Location"].startswith(reverse("admin:login"))


def test_staff_without_permission_see_nothing(db: None) -> None:
    world = make_world()
    client = staff()
    assert client.get(list_url(Track)).status_code == 403
    assert client.get(link_address(world.run)).status_code == 403
    assert "Dead fetches" not in client.get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize(
    ("model", "term", "found"),
    [
        (Track, "blue h", 1),
        (Track, "BLUE", 1),
        (Track, "heart", 0),
        (Track, "blue%", 0),
        (Track, "US-RC1-76-07839", 1),
        (Track, "track-7", 1),
        (Recording, "usrc17607839", 1),
        (Recording, "Blue", 1),
        (Release, "724384960650", 1),
        (Release, "release-7", 1),
        (Release, "blue heart", 1),
        (Artist, "artist-7", 1),
        (Artist, "blue", 1),
        (Artist, "red", 0),
        (SourceTrack, "track-7", 1),
        (SourceTrack, "recording-7", 1),
        (SourceTrack, "track", 0),
        (Fetch, "tracks?cursor=0", 1),
        (Fetch, "tracks", 0),
        (Rejection, "no id", 1),
        (Rejection, "tracks", 1),
        (Scope, "nowhere", 0),
        (Run, "no number", 0),
        (Change, "track", 0),
        (Change, "tracks 1", 0),
        (Change, "99999999999999999999999", 0),
    ],
)
def test_search_finds_by_prefix_and_identifier(client: Client, model: type[Model], term: str, found: int) -> None:
    make_world()
    assert len(shown(client, model, q=term)) == found


def test_a_row_is_found_by_its_number(client: Client) -> None:
    world = make_world()
    assert shown(client, Run, q=world.run.pk) == [world.run]
    assert len(shown(client, Change, q=world.track.pk)) == 1
    assert len(shown(client, Change, q=f"track {world.track.pk}")) == 1
    assert shown(client, Change, q=f"artist {world.track.pk}") == []


@pytest.mark.parametrize("term", ["\x00", "%", "_", "'; --", "é" * 500, "\\"])
def test_odd_search_terms_are_harmless(client: Client, term: str) -> None:
    make_world()
    for model in OURS:
        assert client.get(list_url(model, q=term)).status_code == 200


def test_filters_choose_by_status_run_and_provider(client: Client) -> None:
    world = make_world()
    other = make_run(make_provider("other"), "failed", dead=2)
    assert len(shown(client, Fetch)) == 3
    assert len(shown(client, Fetch, status__exact="dead", run=other.pk)) == 2
    assert len(shown(client, Fetch, provider=world.provider.pk)) == 1
    assert shown(client, Fetch, run="nonsense") == []
    assert shown(client, Run, status__exact="failed") == [other]
    assert len(shown(client, Change, entity__exact="track", run=world.run.pk)) == 1
    assert shown(client, Change, entity__exact="artist") == []


def test_a_long_list_is_paged_from_newest_to_oldest(client: Client) -> None:
    Artist.objects.bulk_create(Artist(name=f"Artist {number}") for number in range(120))
    keys = list(Artist.objects.order_by("-pk").values_list("pk", flat=True))
    first = client.get(list_url(Artist)).context["cl"]
    assert [row.pk for row in first.result_list] == keys[:50]
    assert (first.paginator.first, first.paginator.before) == (None, None)
    second = client.get(list_url(Artist) + first.paginator.after).context["cl"]
    assert [row.pk for row in second.result_list] == keys[50:100]
    last = client.get(list_url(Artist) + second.paginator.after).context["cl"]
    assert [row.pk for row in last.result_list] == keys[100:]
    assert last.paginator.after is None
    back = client.get(list_url(Artist) + last.paginator.before).context["cl"]
    assert [row.pk for row in back.result_list] == keys[50:100]


def test_the_length_of_a_long_list_is_estimated(client: Client) -> None:
    Artist.objects.bulk_create(Artist(name=f"Artist {number}") for number in range(1200))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE musicsync_artist")
    assert "about 1,200 artists" in " ".join(client.get(list_url(Artist)).content.decode().split())
    assert "about" not in client.get(list_url(Artist, q="artist 119")).context["cl"].paginator.total
    assert client.get(list_url(Artist, q="artist 119")).context["cl"].result_count == 11


def test_a_page_that_is_not_there_is_empty(client: Client) -> None:
    make_world()
    for page in (10**30, -(10**30), "x", 0):
        assert client.get(list_url(Artist, p=page)).status_code == 200


def test_a_track_shows_who_said_what_and_what_changed(client: Client) -> None:
    world = make_world()
    page = client.get(link_address(world.track)).content.decode()
    for expected in ("Who said what", "duration_ms", "USRC17607839", "Old", link_address(world.run), "track-7"):
        assert expected in page


def test_a_code_that_nobody_has_right_is_shown_as_the_word_of_its_provider_alone(client: Client) -> None:
    say(provider("one"), release(gtin="123"))
    page = client.get(link_address(Release.objects.get())).content.decode()
    assert "one: 123" in page
    assert ">None<" not in "".join(page.split())


def test_catalogue_rows_cannot_be_edited(client: Client) -> None:
    world = make_world()
    client.post(link_address(world.track), {"title": "Mine"})
    world.track.refresh_from_db()
    assert world.track.title == "Blue Heart"
    assert client.post(f"{list_url(Track)}{world.track.pk}/delete/", {"post": "yes"}).status_code == 403


def test_text_of_providers_is_never_markup(client: Client) -> None:
    make_world(HOSTILE)
    for model in OURS:
        for address in (list_url(model), link_address(model._default_manager.first())):
            assert HOSTILE not in client.get(address).content.decode(), address


def test_only_web_addresses_become_links(client: Client) -> None:
    provider = make_provider(base_url="javascript:alert(1)")
    fetch = make_run(provider, dead=1).fetches.get()
    for address in (list_url(Provider), link_address(fetch)):
        page = client.get(address).content.decode()
        assert "javascript:alert(1)" in page
        assert not re.search(r"href=.javascript:alert", page)


def test_a_credential_is_named_and_never_shown(client: Client, settings: SimpleNamespace) -> None:
    provider = make_provider("shop", adapter="feed")
    settings.MUSICSYNC_CREDENTIALS = {provider.credential_setting: "s3cret-value"}
    page = client.get(link_address(provider)).content.decode()
    assert f"{provider.credential_setting} is set (optional)" in page
    assert "s3cret-value" not in page
    settings.MUSICSYNC_CREDENTIALS = {}
    page = client.get(link_address(provider)).content.decode()
    assert f"not set: neither stored, nor {provider.credential_setting} (optional)" in page


def test_a_provider_shows_its_schedules(client: Client) -> None:
    page = client.get(link_address(make_provider())).content.decode()
    assert "shop: incremental" in page
    assert "shop: full" in page


def provider_form(**given: object) -> dict[str, object]:
    bounds = {"removal_limit": 0.1, "check_after_least": 1, "check_after_most": 60}
    return {"slug": "mb", "adapter": "musicbrainz", "trust": 5, "enabled": "on"} | bounds | given


def test_a_new_provider_takes_address_and_budget_of_its_adapter(client: Client) -> None:
    answer = client.post(reverse("admin:musicsync_provider_add"), provider_form())
    assert answer.status_code == 302
    provider = Provider.objects.select_related("budget").get(slug="mb")
    assert provider.base_url == "https://musicbrainz.org/ws/2"
    assert (provider.budget.name, provider.budget.rate) == ("mb", 1.0)
    assert any("Budget mb: 1/s" in line for line in said_by(answer))


def test_a_chosen_address_and_budget_are_kept(client: Client) -> None:
    budget = Budget.objects.create(name="shared", rate=3)
    client.post(
        reverse("admin:musicsync_provider_add"),
        provider_form(base_url="http://127.0.0.1:8100/ws/2", allow_private="on", budget=budget.pk),
    )
    provider = Provider.objects.get(slug="mb")
    assert (provider.base_url, provider.budget) == ("http://127.0.0.1:8100/ws/2", budget)


def test_a_page_asked_again_later_at_the_soonest_than_at_the_latest_is_refused(client: Client) -> None:
    answer = client.post(reverse("admin:musicsync_provider_add"), provider_form(check_after_least=61))
    assert "swap them" in str(answer.context["adminform"].form.errors["check_after_least"])
    assert not Provider.objects.exists()


def test_an_address_that_is_none_is_refused(client: Client) -> None:
    answer = client.post(reverse("admin:musicsync_provider_add"), provider_form(base_url="javascript:alert(1)"))
    assert "base_url" in answer.context["adminform"].form.errors
    assert not Provider.objects.exists()


def test_a_name_whose_credential_setting_another_provider_has_is_refused(client: Client) -> None:
    make_provider("m-b")
    answer = client.post(reverse("admin:musicsync_provider_add"), provider_form(slug="m_b"))
    assert "MUSICSYNC_CREDENTIAL_M_B is the setting of m-b already" in str(
        answer.context["adminform"].form.errors["slug"]
    )
    assert not Provider.objects.filter(slug="m_b").exists()


def test_an_address_in_a_private_network_takes_leave(client: Client) -> None:
    answer = client.post(reverse("admin:musicsync_provider_add"), provider_form(base_url="http://169.254.169.254"))
    assert "allow private addresses" in str(answer.context["adminform"].form.errors["base_url"])


def test_a_provider_that_ran_is_not_deleted(client: Client) -> None:
    world = make_world()
    assert client.post(f"{list_url(Provider)}{world.provider.pk}/delete/", {"post": "yes"}).status_code == 403
    unused = make_provider("unused")
    assert client.post(f"{list_url(Provider)}{unused.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Provider.objects.filter(slug="unused").exists()


def test_the_key_of_a_scope_is_brought_into_its_one_form(client: Client) -> None:
    provider = make_provider("mb", "musicbrainz", "https://musicbrainz.org/ws/2")
    mbid = "5B11F4CE-A62D-471E-81FC-A69A8278C7DA"
    form = {"provider": provider.pk, "kind": "artist", "key": mbid, "active": "on"}
    assert client.post(reverse("admin:musicsync_scope_add"), form).status_code == 302
    assert Scope.objects.get().key == mbid.lower()


def test_a_scope_that_the_provider_cannot_follow_is_refused(client: Client) -> None:
    provider = make_provider("mb", "musicbrainz", "https://musicbrainz.org/ws/2")
    form = {"provider": provider.pk, "kind": "artist", "key": "Nirvana", "active": "on"}
    answer = client.post(reverse("admin:musicsync_scope_add"), form)
    assert "Nirvana" in str(answer.context["adminform"].form.errors["key"])
    assert not Scope.objects.exists()


@pytest.mark.parametrize(("action", "mode"), [("sync_incremental", "incremental"), ("sync_full", "full")])
def test_sync_now_starts_a_run_and_says_so(transactional_db: None, client: Client, action: str, mode: str) -> None:
    provider = make_provider()
    Scope.objects.create(provider=provider, kind="feed")
    said = act(client, action, provider)
    run = Run.objects.get()
    assert said == [f"Run {run.pk} of shop started ({mode}): 1 request owed"]
    assert (run.mode, run.trigger, run.status) == (mode, "admin", "running")
    assert [fetch.status for fetch in run.fetches.all()] == ["queued"]


def test_sync_now_of_several_providers_says_what_became_of_each(transactional_db: None, client: Client) -> None:
    ready, busy, empty = make_provider("ready"), make_provider("busy"), make_provider("empty")
    Scope.objects.create(provider=ready, kind="feed")
    under_way = make_run(busy, "running")
    needy = make_provider("needy", "musicbrainz", "https://musicbrainz.org/ws/2")
    said = " | ".join(act(client, "sync_full", ready, busy, empty, needy))
    assert "of ready started (full)" in said
    assert f"provider busy has run {under_way.pk} under way" in said
    assert "provider empty follows nothing" in said
    assert "MUSICSYNC_CONTACT is not set" in said
    assert Run.objects.count() == 2


def test_without_a_broker_the_run_is_recorded_and_the_message_says_what_to_start(
    transactional_db: None, client: Client, dead_broker: None
) -> None:
    provider = make_provider()
    Scope.objects.create(provider=provider, kind="feed")
    (said,) = act(client, "sync_full", provider)
    run = Run.objects.get()
    assert said.startswith(
        f"Run {run.pk} of shop is recorded, but CELERY_BROKER_URL cannot be reached: start the broker"
    )
    assert run.status == "running"
    assert run.fetches.count() == 1


def test_cancel_says_how_much_will_not_be_sent(transactional_db: None, client: Client) -> None:
    provider = make_provider()
    run = make_run(provider, "running", dead=2)
    run.fetches.update(status="pending")
    ended = make_run(provider)
    said = act(client, "cancel", run, ended)
    assert f"Run {run.pk} of shop cancelled: 2 requests will not be sent" in said
    assert f"run {ended.pk} has ended already: it is done" in said
    run.refresh_from_db()
    assert run.status == "cancelled"


@pytest.mark.parametrize("by", ["run", "fetch"])
def test_replay_lets_dead_fetches_be_tried_again(transactional_db: None, client: Client, by: str) -> None:
    run = make_run(make_provider(), "errors", dead=3)
    chosen = [run] if by == "run" else list(run.fetches.all())
    assert act(client, "replay", *chosen) == [f"Run {run.pk} of shop goes on: 3 requests replayed"]
    run.refresh_from_db()
    assert run.status == "running"
    assert set(run.fetches.values_list("status", flat=True)) <= {"pending", "queued"}


def test_replay_of_what_is_not_dead_says_so(transactional_db: None, client: Client) -> None:
    said = act(client, "replay", make_run(make_provider()))
    assert said == ["No fetch was replayed: none of the chosen ones is dead."]


def test_replay_waits_for_the_run_that_is_under_way(transactional_db: None, client: Client) -> None:
    provider = make_provider()
    dead, under_way = make_run(provider, "failed", dead=1), make_run(provider, "running")
    said = act(client, "replay", dead)
    assert said == [f"provider shop has run {under_way.pk} under way: wait for it, or cancel it"]
    assert dead.fetches.get().status == "dead"


def test_approve_carries_out_the_removals_of_a_held_run(transactional_db: None, client: Client) -> None:
    world = make_world()
    held, ended = make_run(world.provider, "held"), world.run
    said = act(client, "approve", held, ended)
    assert any(line.startswith(f"Run {held.pk} of shop approved: removed") and "1 track" in line for line in said)
    assert any(f"run {ended.pk} is completed with errors: there is nothing to approve" in line for line in said)
    world.track.refresh_from_db()
    assert world.track.state == "gone"


@pytest.fixture
def known_at_deezer(transactional_db: None) -> SimpleNamespace:
    """A world whose provider, on whose pages the buttons are, is asked in Deezer's dialect."""
    world = make_world()
    Provider.objects.update(adapter="deezer")
    SourceArtist.objects.update(external_id="27")
    SourceRelease.objects.update(external_id="302127")
    SourceTrack.objects.update(release_key="302127")
    Circuit.objects.all().delete()
    Run.objects.create(provider=world.provider, mode="full", trigger="cli")
    return world


@pytest.mark.parametrize(
    ("model", "scope"),
    [
        (Artist, "artist:27"),
        (Release, "release:302127"),
        (SourceArtist, "artist:27"),
        (SourceRelease, "release:302127"),
        (SourceTrack, "release:302127"),
    ],
    ids=lambda value: value if isinstance(value, str) else value._meta.model_name,
)
def test_refresh_now_looks_a_row_up_beside_the_run_and_links_to_it(
    known_at_deezer: SimpleNamespace, client: Client, model: type[Model], scope: str
) -> None:
    row = model._default_manager.get()
    assert button(row, "refresh_now") in client.get(link_address(row)).content.decode()
    for _ in range(2):
        answer = client.post(button(row, "refresh_now"), {"_form_submitted": "on"})
    lookup = Run.objects.get(mode="lookup")
    assert (str(lookup.scope), lookup.trigger, lookup.status) == (scope, "admin", "running")
    need = "this run needs 1 more request: 0 s at today&#x27;s budget"
    assert said_by(answer) == [
        f"Run {lookup.pk} of shop started (lookup of {scope}): {need}",
        f"Run {lookup.pk} of shop looks up {scope} already",
    ]
    assert all(link_address(lookup) in str(message) for message in get_messages(answer.wsgi_request))


def test_refresh_now_says_what_it_waits_for_and_what_cannot_be(
    known_at_deezer: SimpleNamespace, client: Client
) -> None:
    release = known_at_deezer.release
    feed = make_provider("bulk")
    SourceRelease.objects.create(
        provider=feed, external_id="x", release=release, fields={"title": "Blue"}, fingerprint=b"1" * 16
    )
    Circuit.objects.create(provider=known_at_deezer.provider, opened_at=timezone.now(), probe_at=timezone.now())
    said = said_by(client.post(button(release, "refresh_now"), {"_form_submitted": "on"}))
    assert len(said) == 2
    assert any("nothing is asked before shop answers again" in line for line in said)
    assert "bulk: Bulk feed cannot follow a release; it can follow: feed" in said
    SourceRelease.objects.update(state="gone")
    gone = client.post(button(release, "refresh_now"), {"_form_submitted": "on"})
    assert said_by(gone)[-1] == "Nothing was asked: no provider has this any more."


def test_who_may_change_runs_may_refresh_and_who_may_only_look_may_not(known_at_deezer: SimpleNamespace) -> None:
    viewer, operator = staff("view_release"), staff("view_release", "change_run", name="operator")
    address = button(known_at_deezer.release, "refresh_now")
    assert viewer.post(address, {"_form_submitted": "on"}).status_code == 403
    assert address not in viewer.get(link_address(known_at_deezer.release)).content.decode()
    assert not Run.objects.filter(mode="lookup").exists()
    assert operator.post(address, {"_form_submitted": "on"}).status_code == 302
    assert Run.objects.filter(mode="lookup").exists()


def test_who_may_not_see_how_it_is_going_is_shown_the_lists_that_they_may_see(db: None) -> None:
    may, may_not = list_url(Artist), list_url(Track)
    client = staff("view_artist")
    for address in (reverse("admin:index"), reverse("admin:app_list", args=["musicsync"])):
        page = client.get(address).content.decode()
        # Once in the sidebar, and once in the page.
        assert (page.count(f'href="{may}"'), page.count(f'href="{may_not}"')) == (2, 0)
    assert staff(name="nobody").get(reverse("admin:app_list", args=["musicsync"])).status_code == 404


def test_a_page_makes_no_list_of_applications_that_it_does_not_show(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(AdminSite, "_build_app_dict")
    provider = make_provider()
    for address in (reverse("admin:index"), list_url(Provider), link_address(provider)):
        assert client.get(address).status_code == 200


def test_the_last_run_of_a_provider_is_no_lookup(client: Client) -> None:
    run = make_run(make_provider(), "errors")
    Run.objects.create(provider=run.provider, mode="lookup", trigger="admin", status="failed")
    assert f"run {run.pk} (full)" in client.get(reverse("admin:index")).content.decode()
    (listed,) = shown(client, Provider)
    assert listed.latest_run == run.pk


def test_who_may_only_look_cannot_act(transactional_db: None) -> None:
    run = make_run(make_provider(), "running", dead=1)
    client = staff("view_run", "view_provider", "view_fetch")
    assert client.get(list_url(Run)).status_code == 200
    assert client.post(button(run, "cancel_run")).status_code == 403
    assert client.post(button(run.provider, "sync_full_now")).status_code == 403
    client.post(list_url(Run), {"action": "cancel", "index": 0, "_selected_action": [run.pk]})
    run.refresh_from_db()
    assert run.status == "running"
    assert Run.objects.count() == 1


def test_who_may_change_runs_may_act(transactional_db: None) -> None:
    run = make_run(make_provider(), "running")
    act(staff("change_run"), "cancel", run)
    run.refresh_from_db()
    assert run.status == "cancelled"


def test_a_button_asks_first_and_acts_on_post(transactional_db: None, client: Client) -> None:
    provider = make_provider()
    Scope.objects.create(provider=provider, kind="feed")
    asked = client.get(button(provider, "sync_full_now"))
    assert "asks for everything" in asked.content.decode()
    assert not Run.objects.exists()
    answer = client.post(button(provider, "sync_full_now"), {"_form_submitted": "on"}, headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == link_address(provider)
    assert said_by(answer) == [f"Run {Run.objects.get().pk} of shop started (full): 1 request owed"]


def test_a_button_needs_the_token_of_the_form(transactional_db: None) -> None:
    run = make_run(make_provider(), "running")
    careless = Client(enforce_csrf_checks=True)
    careless.force_login(User.objects.create_superuser("operator"))
    assert careless.post(button(run, "cancel_run"), {"_form_submitted": "on"}).status_code == 403


@pytest.mark.parametrize(
    ("status", "dead", "offered"),
    [
        ("running", 0, {"cancel_run"}),
        ("errors", 1, {"replay_run"}),
        ("held", 0, {"approve_run"}),
        ("done", 0, set()),
    ],
)
def test_a_run_offers_what_makes_sense(client: Client, status: str, dead: int, offered: set[str]) -> None:
    run = make_run(make_provider(), status, dead=dead)
    page = client.get(link_address(run)).content.decode()
    assert {name for name in ("cancel_run", "replay_run", "approve_run") if button(run, name) in page} == offered


def test_a_button_on_a_row_that_is_gone_says_so(client: Client) -> None:
    run = Run(pk=12345)
    assert client.post(button(run, "cancel_run"), {"_form_submitted": "on"}).status_code == 404
