"""The commands of manage.py: what they say, what they write, and how they end."""

import io
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from musicsync import tasks
from musicsync.models import (
    Artist,
    Budget,
    Circuit,
    Fetch,
    Provider,
    Release,
    Run,
    Scope,
    SourceArtist,
    SourceRelease,
)
from tests.helpers import ROOT, running, worker_command
from tests.integration.admin_rows import make_world
from tests.integration.driving import follow
from tests.unit.sandbox.serving import serve

NOWHERE = "http://127.0.0.1:9"

pytestmark = pytest.mark.django_db(transaction=True)


def say(*arguments: str) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output, stderr=output)
    return output.getvalue()


def refusal(*arguments: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as caught:
        say(*arguments)
    assert "\n" not in str(caught.value)
    return caught.value.returncode, str(caught.value)


@pytest.fixture
def deezer() -> Provider:
    say(
        "provider",
        "add",
        "dz",
        "--adapter",
        "deezer",
        "--base-url",
        NOWHERE,
        "--allow-private",
        "--rate",
        "50",
        "--burst",
        "3",
    )
    return Provider.objects.get(slug="dz")


@pytest.fixture
def run(deezer: Provider) -> Run:
    say("provider", "follow", "dz", "artist:27")
    say("sync", "dz", "--full")
    return Run.objects.get()


def ended(run: Run, status: str, **values: Any) -> None:
    Run.objects.filter(pk=run.pk).update(status=status, **values)


def test_add_writes_provider_budget_and_defaults_of_the_adapter() -> None:
    assert "before its first run: MUSICSYNC_CONTACT is not set" in say(
        "provider", "add", "mb", "--adapter", "musicbrainz"
    )
    provider = Provider.objects.select_related("budget").get(slug="mb")
    assert (provider.base_url, provider.budget.rate, provider.trust) == ("https://musicbrainz.org/ws/2", 1.0, 100)


def test_add_takes_what_is_given(deezer: Provider) -> None:
    assert (deezer.base_url, deezer.budget.rate, deezer.budget.burst) == (NOWHERE, 50.0, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dz", "--adapter", "deezer"), "there is a provider dz already"),
        (("x", "--adapter", "spotty"), "the known ones are: musicbrainz, deezer, feed"),
        (("a b", "--adapter", "feed"), "SLUG: "),
        (("DZ", "--adapter", "deezer"), "SLUG: MUSICSYNC_CREDENTIAL_DZ is the setting of dz already"),
        (("x", "--adapter", "feed", "--base-url", "ftp://x"), "--base-url: "),
        (("x", "--adapter", "feed", "--base-url", "http://127.1"), r"--base-url: .*127\.0\.0\.1.*--allow-private"),
        (("x", "--adapter", "deezer", "--allowed-host", "http://x"), "--allowed-host: .*no scheme"),
        (("x", "--adapter", "feed", "--rate", "0"), "no number above 0"),
        (("x", "--adapter", "feed", "--burst", "1.5"), "no whole number above 0"),
    ],
)
def test_add_refuses(deezer: Provider, arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        say("provider", "add", *arguments)
    assert Provider.objects.count() == Budget.objects.count() == 1


def test_set_changes_where_a_provider_may_be_and_lead_to(deezer: Provider) -> None:
    assert "may be in a private network; other hosts it may lead to: a.example, b.example" in say(
        "provider", "set", "dz", "--allowed-host", "a.example", "--allowed-host", "b.example"
    )
    deezer.refresh_from_db()
    assert (deezer.allow_private, deezer.allowed_hosts) == (True, ["a.example", "b.example"])
    with pytest.raises(CommandError, match="--base-url: .*--allow-private"):
        say("provider", "set", "dz", "--no-allow-private")
    assert "lead to: none" in say("provider", "set", "dz", "--allowed-host", "")


def test_set_changes_where_a_provider_is_and_how_far_it_is_trusted(deezer: Provider) -> None:
    said = say("provider", "set", "dz", "--base-url", "https://mirror.example/", "--trust", "7")
    assert "provider dz is asked at https://mirror.example/; trust rank 7\n" in said
    deezer.refresh_from_db()
    assert (deezer.base_url, deezer.trust) == ("https://mirror.example/", 7)
    assert "at https://mirror.example/; trust rank 7\n" in say("provider", "set", "dz", "--rate", "9")
    assert "at https://api.deezer.com" in say("provider", "set", "dz", "--base-url", "")


def test_set_changes_where_a_token_is_asked_for_and_says_what_is_missing(deezer: Provider) -> None:
    say("provider", "add", "sp", "--adapter", "spotify", "--token-url", "https://one.example/token")
    said = say("provider", "set", "sp", "--token-url", "https://two.example/token")
    assert "before its next run: " in said
    assert Provider.objects.get(slug="sp").token_url == "https://two.example/token"
    say("provider", "set", "sp", "--token-url", "")
    assert Provider.objects.get(slug="sp").token_url == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--base-url", "ftp://x"), "--base-url: "),
        (("--base-url", "https://me:secret@x.example/"), "--base-url: An address with a login in it"),
        (("--base-url", "http://127.1", "--no-allow-private"), r"--base-url: .*127\.0\.0\.1.*--allow-private"),
        (("--base-url", "file:///srv"), "--base-url: deezer asks a web server"),
        (("--token-url", "https://x.example/token"), "--token-url: deezer sends the credential itself"),
        (("--trust", "0"), "no whole number above 0"),
        (("--trust", "40000"), "--trust: "),
        (("--options", "-"), "--options: "),
    ],
)
def test_set_refuses_what_the_admin_refuses(
    deezer: Provider, arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"country": "GB"}'))
    before = Provider.objects.values().get()
    with pytest.raises(CommandError, match=said):
        say("provider", "set", "dz", "--checks-per-run", "7", *arguments)
    assert Provider.objects.values().get() == before


def test_add_and_set_take_every_limit_of_a_budget_and_leave_what_is_not_named(deezer: Provider) -> None:
    limits = ("--per-day", "10000", "--per-month", "200000", "--concurrency", "4")
    assert "budget x: 5/s, burst 1, 10,000 a day, 200,000 a month, 4 at a time\n" in say(
        "provider", "add", "x", "--adapter", "deezer", "--rate", "5", *limits
    )
    said = say("provider", "set", "x", "--per-day", "none", "--burst", "2")
    assert "budget x: 5/s, burst 2, 200,000 a month, 4 at a time\n" in said
    assert str(Budget.objects.get(name="x")) in said
    assert say("provider", "set", "x") == said


def test_set_writes_over_nothing_that_workers_count_meanwhile(
    deezer: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(*_: Any, **__: Any) -> None:
        Budget.objects.update(used_in_day=7)

    monkeypatch.setattr(Budget, "full_clean", count)
    say("provider", "set", "dz", "--rate", "7")
    assert Budget.objects.values_list("rate", "used_in_day").get() == (7.0, 7)


def test_a_budget_is_shared_and_given_up_again(deezer: Provider) -> None:
    assert "budget dz: 50/s, burst 3; shared with dz\n" in say(
        "provider", "add", "x", "--adapter", "deezer", "--budget", "dz"
    )
    assert "budget dz: 9/s, burst 3; shared with x\n" in say("provider", "set", "dz", "--rate", "9")
    assert "budget x: 10/s, burst 1\n" in say("provider", "set", "x", "--budget", "x")
    assert Budget.objects.get(name="dz").rate == 9
    assert "shared with x" in say("provider", "set", "dz", "--budget", "x")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--budget", "y"), "--budget: there is no budget 'y'; the known ones are: dz"),
        (("--rate", "10001"), "--rate: "),
        (("--per-day", "0"), "no whole number above 0"),
        (("--per-month", "99999999999"), "--per-month: "),
        (("--concurrency", "few"), "no whole number above 0"),
    ],
)
def test_set_refuses_a_budget_that_cannot_be(deezer: Provider, arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        say("provider", "set", "dz", "--allowed-host", "a.example", *arguments)
    deezer.refresh_from_db()
    assert (deezer.budget.rate, deezer.budget.per_day, deezer.allowed_hosts) == (50.0, None, [])


def test_set_changes_when_known_pages_are_asked_again(deezer: Provider) -> None:
    said = say(
        "provider", "set", "dz", "--check-after-least", "0.5", "--check-after-most", "30", "--checks-per-run", "7"
    )
    assert "after 0.5 to 30 days, 7 pages in a run at most" in said
    assert "180,000 pages in a run" in say("provider", "set", "dz", "--checks-per-run", "none", "--rate", "50")
    (shown,) = json.loads(say("provider", "list", "--json"))
    assert (shown["check_after_least"], shown["due"], shown["due_since"]) == (0.5, 0, None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--check-after-least", "61"), "61 days at the soonest, 60 at the latest: swap them"),
        (("--check-after-most", "4000"), "--check-after-most: "),
        (("--checks-per-run", "0"), "no whole number above 0"),
    ],
)
def test_set_refuses_bounds_that_cannot_be(deezer: Provider, arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        say("provider", "set", "dz", *arguments)
    deezer.refresh_from_db()
    assert (deezer.check_after_least, deezer.check_after_most, deezer.checks_per_run) == (1.0, 60.0, None)


def test_list_shows_quotas(deezer: Provider) -> None:
    say("provider", "set", "dz", "--per-day", "5000")
    header, line = say("provider", "list").splitlines()
    assert dict(zip(header.split("\t"), line.split("\t"), strict=True))["quotas"] == "5,000 a day"
    (shown,) = json.loads(say("provider", "list", "--json"))
    assert (shown["budget"], shown["per_day"], shown["per_month"]) == ("dz", 5000, None)


def test_list_shows_providers_as_lines_and_as_json(run: Run) -> None:
    header, line = say("provider", "list").splitlines()
    shown = dict(zip(header.split("\t"), line.split("\t"), strict=True))
    assert (shown["provider"], shown["enabled"], shown["follows"], shown["last_run"]) == (
        "dz",
        "yes",
        "1",
        f"{run.pk} running",
    )
    assert json.loads(say("provider", "list", "--json"))[0]["base_url"] == NOWHERE


@pytest.mark.parametrize("url", ["http://[::1/", "http://8.8.8.8:99999/feed"])
@pytest.mark.django_db
def test_a_base_url_that_cannot_be_is_one_line(url: str) -> None:
    with pytest.raises(CommandError, match="--base-url: .*Not a URL"):
        say("provider", "add", "x", "--adapter", "feed", "--base-url", url)
    assert not Provider.objects.exists()


def test_enable_and_disable(deezer: Provider) -> None:
    assert "disabled" in say("provider", "disable", "dz")
    assert not Provider.objects.get().enabled
    assert "enabled" in say("provider", "enable", "dz")
    assert Provider.objects.get().enabled


def test_follow_normalises_and_counts_what_is_new(deezer: Provider) -> None:
    assert "now follows 2 scopes" in say("provider", "follow", "dz", "artist:0027", "feed")
    assert "now follows 1 scope; 1 was followed already" in say("provider", "follow", "dz", "artist:27", "artist:13")
    assert set(Scope.objects.values_list("kind", "key")) == {("artist", "27"), ("artist", "13"), ("feed", "")}


def test_unfollow_keeps_the_row_and_follow_takes_it_up_again(deezer: Provider) -> None:
    say("provider", "follow", "dz", "artist:27")
    assert "now unfollows 1 scope; 1 was not followed" in say("provider", "unfollow", "dz", "artist:27", "artist:13")
    assert not Scope.objects.get().active
    say("provider", "follow", "dz", "artist:27")
    assert Scope.objects.get().active


@pytest.mark.parametrize("form", ["lines", "json"])
def test_follow_reads_thousands_from_the_standard_input(
    deezer: Provider, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [str(number) for number in range(1, 12_001)]
    text = (
        "# mine\n\n" + "\n".join(f"artist:{key}" for key in keys) if form == "lines" else json.dumps({"artist": keys})
    )
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert "now follows 12,000 scopes" in say("provider", "follow", "dz", "-")


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("artist:abc", "the key of artist is a Deezer id"),
        ("label:1", "Deezer cannot follow a label"),
        ("singer:1", "KIND is one of: feed, artist, release, recording"),
    ],
)
def test_bad_scopes_are_refused_and_nothing_is_followed(deezer: Provider, scope: str, said: str) -> None:
    for command in (("provider", "follow", "dz", "artist:27", scope), ("sync", "dz", "--scope", scope)):
        code, line = refusal(*command)
        assert code == 2
        assert said in line
    assert not Scope.objects.exists()
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "command",
    [("sync", "no"), ("provider", "test", "no"), ("provider", "follow", "no", "feed"), ("runs", "--provider", "no")],
)
def test_an_unknown_provider_lists_the_known_ones(deezer: Provider, command: tuple[str, ...]) -> None:
    assert refusal(*command) == (2, "unknown provider 'no'; the known ones are: dz")


def test_test_of_a_provider_that_does_not_answer_is_one_line(deezer: Provider) -> None:
    code, line = refusal("provider", "test", "dz")
    assert code == 1
    assert line.startswith("dz: Transient: GET /editorial/0/releases: no whole answer from http://127.0.0.1:9")


def test_test_names_the_missing_contact(deezer: Provider) -> None:
    say("provider", "add", "mb", "--adapter", "musicbrainz", "--base-url", NOWHERE, "--allow-private")
    code, line = refusal("provider", "test", "mb")
    assert code == 2
    assert line.startswith("MUSICSYNC_CONTACT is not set")


def test_sync_records_the_run_and_sends_it(run: Run) -> None:
    assert (run.mode, run.trigger, run.status, run.scope) == ("full", "cli", "running", None)
    assert Fetch.objects.get().status == "queued"


def test_sync_of_a_scope_looks_it_up_without_following_it(deezer: Provider) -> None:
    assert "started (lookup): 1 request owed" in say("sync", "dz", "--scope", "recording:USRC17607839")
    assert not Scope.objects.get().active


def test_a_second_sync_is_refused(run: Run) -> None:
    code, line = refusal("sync", "dz")
    assert (code, f"run {run.pk} under way" in line) == (2, True)
    assert Run.objects.count() == 1


def test_a_scope_is_looked_up_beside_a_run_and_once_at_a_time(run: Run) -> None:
    assert "started (lookup)" in say("sync", "dz", "--scope", "artist:13")
    code, line = refusal("sync", "dz", "--scope", "artist:13")
    assert (code, line) == (2, f"artist:13 of dz is being looked up by run {run.pk + 1} already")


def test_sync_of_a_feed_reads_what_is_new_of_it(deezer: Provider) -> None:
    assert "started (incremental)" in say("sync", "dz", "--scope", "feed")


def test_sync_of_a_provider_that_follows_nothing_says_how_to_follow(deezer: Provider) -> None:
    code, line = refusal("sync", "dz")
    assert (code, "manage.py provider follow dz KIND:KEY" in line) == (2, True)


def test_sync_without_a_broker_records_the_run(deezer: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Run) -> None:
        raise BrokerError("Connection refused")

    monkeypatch.setattr(tasks, "begin", refuse)
    code, line = refusal("sync", "dz", "--scope", "artist:27")
    number = Run.objects.get().pk
    assert code == 1
    assert line.startswith("CELERY_BROKER_URL: ")
    assert f"Run {number} is recorded; it starts when a worker and beat run and the broker is back" in line


@pytest.fixture
def world(deezer: Provider) -> SimpleNamespace:
    """One row of everything, which the provider ``shop``, a feed, has; of these ``dz`` has the release."""
    found = make_world()
    said = {"provider": deezer, "fingerprint": b"1" * 16, "fields": {"title": "Blue Heart"}}
    SourceRelease.objects.create(external_id="302127", release=found.release, **said)
    SourceArtist.objects.create(external_id="27", artist=found.artist, state="gone", **said)
    return found


def test_refresh_of_a_providers_id_looks_it_up_beside_its_run(run: Run) -> None:
    said = say("refresh", "release", "dz:302127")
    lookup = Run.objects.get(mode="lookup")
    assert (lookup.pk, lookup.trigger, lookup.scope.active) == (run.pk + 1, "cli", False)
    assert said == (
        f"run {lookup.pk} of dz started (lookup of release:302127): "
        "this run needs 1 more request: 0 s at today's budget\n"
    )
    assert Fetch.objects.get(run=lookup).status == "queued"
    assert say("refresh", "release", "dz:302127") == f"run {lookup.pk} of dz looks up release:302127 already\n"


@pytest.mark.parametrize("named", ["number", "0724384960650", "724384960650"])
def test_refresh_of_a_row_asks_each_provider_that_has_it_and_says_which_cannot(
    world: SimpleNamespace, named: str
) -> None:
    said = say("refresh", "release", str(world.release.pk) if named == "number" else named)
    assert "of dz started (lookup of release:302127): this run needs 1 more request" in said
    assert "\nshop: Bulk feed cannot follow a release; it can follow: feed" in said
    assert Run.objects.get(mode="lookup").provider.slug == "dz"


def test_refresh_finds_a_release_whose_number_is_as_long_as_a_code(world: SimpleNamespace) -> None:
    number = 100_000_000_007
    SourceRelease.objects.update(release=Release.objects.create(pk=number, title="Blue Heart"))
    assert "of dz started (lookup of release:302127)" in say("refresh", "release", str(number))


def test_refresh_says_what_a_lookup_waits_for(deezer: Provider) -> None:
    Circuit.objects.create(provider=deezer, opened_at=timezone.now(), probe_at=timezone.now())
    assert "nothing is asked before dz answers again" in say("refresh", "artist", "dz:27")
    Budget.objects.update(cooldown_until=timezone.now() + timedelta(hours=1))
    assert "the provider asked for a pause" in say("refresh", "artist", "dz:13")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("release", "99999"), "there is no release 99999 in the catalogue: write PROVIDER:ID or PROVIDER:UPC, "),
        (("release", "4006381333931"), "there is no release 4006381333931 in the catalogue: write "),
        (("artist", "Nina"), "there is no artist Nina in the catalogue: write PROVIDER:ID, or its number in the "),
        (("artist", "nobody:1"), "unknown provider 'nobody'; the known ones are: dz, shop"),
        (("artist", "dz:Nina"), "dz: artist:Nina is no scope of Deezer: the key of artist is a Deezer id"),
    ],
)
def test_refresh_refuses(world: SimpleNamespace, arguments: tuple[str, ...], line: str) -> None:
    code, said = refusal("refresh", *arguments)
    assert (code, said[: len(line)]) == (2, line)
    assert not Run.objects.filter(mode="lookup").exists()


def test_refresh_of_what_only_others_had_or_cannot_look_up_is_refused(world: SimpleNamespace) -> None:
    assert refusal("refresh", "artist", str(world.artist.pk)) == (
        2,
        "shop: Bulk feed cannot follow a artist; it can follow: feed",
    )
    SourceArtist.objects.update(state="gone")
    code, line = refusal("refresh", "artist", str(world.artist.pk))
    assert (code, line) == (2, f"no provider has artist {world.artist.pk} any more: name one as PROVIDER:ID")


def test_the_last_run_of_a_provider_is_no_lookup(run: Run) -> None:
    say("refresh", "release", "dz:302127")
    assert f"{run.pk} running" in say("provider", "list")


def test_runs_lists_the_newest_first(run: Run) -> None:
    ended(run, "done")
    say("sync", "dz")
    assert [fact["mode"] for fact in json.loads(say("runs", "--json"))] == ["incremental", "full"]
    assert len(say("runs", "--provider", "dz", "--limit", "1").splitlines()) == 2


def test_run_show_tells_status_and_dead_requests(run: Run) -> None:
    Fetch.objects.update(status="dead", failures=1, error="Traceback\nPermanent: no such page")
    facts = json.loads(say("run", "show", str(run.pk), "--json"))
    assert (facts["status"], facts["requests_dead"]) == ("running", 1)
    assert facts["dead"] == [{"request": "artist/27", "failures": 1, "error": "Permanent: no such page"}]
    assert f"manage.py run replay {run.pk}" in say("run", "show", str(run.pk))


def test_run_cancel_ends_it_once(run: Run) -> None:
    assert "is cancelled: 1 request that" in say("run", "cancel", str(run.pk))
    assert refusal("run", "cancel", str(run.pk))[0] == 2


def test_run_replay_takes_up_the_dead(run: Run) -> None:
    assert "nothing to replay" in say("run", "replay", str(run.pk))
    Fetch.objects.update(status="dead")
    ended(run, "failed")
    assert "1 dead request is tried again" in say("run", "replay", str(run.pk))
    assert (Run.objects.get().status, Fetch.objects.get().status) == ("running", "queued")


def test_run_approve_is_for_held_runs(run: Run) -> None:
    code, line = refusal("run", "approve", str(run.pk))
    assert (code, "there is nothing to approve" in line) == (2, True)
    Fetch.objects.update(status="applied")
    ended(run, "held")
    assert "is done: removed nothing" in say("run", "approve", str(run.pk))


def test_an_unknown_run_says_where_the_runs_are(db: None) -> None:
    assert refusal("run", "show", "999999") == (2, "there is no run 999999: `manage.py runs` lists them")


def manage(env: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=180, check=False)
    return done.returncode, done.stdout, done.stderr


def test_waiting_for_a_failed_run_ends_with_one_line_and_exit_code_1(
    process_env: dict[str, str], deezer: Provider, tmp_path: Path
) -> None:
    say("provider", "follow", "dz", "artist:27")
    # An address that cannot be asked at all: trying again does not help.
    Provider.objects.update(base_url="http://127.0.0.1:none")
    with running(worker_command("--loglevel", "INFO"), process_env, tmp_path / "worker.log", "ready."):
        code, output, errors = manage(process_env, "sync", "dz", "--full", "--wait")
    assert code == 1, output + errors
    assert "status=failed" in output
    assert errors.startswith("CommandError: run ")
    assert len(errors.splitlines()) == 1


def test_waiting_for_lookups_ends_with_all_of_them(process_env: dict[str, str], tmp_path: Path) -> None:
    with serve(100) as base:
        deezer, itunes = follow(base, "deezer"), follow(base, "itunes")
        of_artist = Artist.objects.create(name="Nina")
        for provider in (deezer, itunes):
            SourceArtist.objects.create(
                provider=provider,
                external_id=provider.scopes.order_by("pk")[0].key,
                artist=of_artist,
                fields={"name": "Nina"},
                fingerprint=b"1" * 16,
            )
        with running(worker_command("--loglevel", "INFO"), process_env, tmp_path / "worker.log", "ready."):
            code, output, errors = manage(process_env, "refresh", "artist", str(of_artist.pk), "--wait")
    assert (code, errors) == (0, ""), output
    assert set(Run.objects.values_list("provider__slug", "mode", "status")) == {
        ("deezer", "lookup", "done"),
        ("itunes", "lookup", "done"),
    }
    assert output.count("status=done") == 2
    assert output.count("distinct_tracks=") == 2


def test_an_unreachable_database_is_one_line_and_exit_code_1(process_env: dict[str, str]) -> None:
    env = process_env | {"DATABASE_URL": "postgres://x@127.0.0.1:9/x", "DJANGO_DEBUG": "on"}
    code, _, errors = manage(env, "runs")
    assert code == 1
    assert errors.startswith("DATABASE_URL: cannot reach")
    assert len(errors.splitlines()) == 1


def test_bad_options_end_with_exit_code_2(process_env: dict[str, str]) -> None:
    assert manage(process_env, "sync")[0] == 2
    assert manage(process_env, "run", "explode", "1")[0] == 2
