"""What is followed: keys that are too long to be kept are one line, and many are taken at once."""

import io

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from musicsync.models import Provider, Release, Run, Scope, SourceRelease
from tests.integration.admin_rows import make_provider
from tests.integration.test_admin import button, said_by

LONG = "a" * 150 + "/" + "b" * 150
TOO_LONG = "no scope of Last.fm that can be kept: its key is 301 characters long, and 200 are the most"


@pytest.fixture
def lastfm(db: None) -> Provider:
    return make_provider("fm", "lastfm", "https://ws.audioscrobbler.com")


@pytest.fixture
def operator(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("operator"))
    return client


@pytest.mark.parametrize(
    "command",
    [
        ("provider", "follow", "fm", f"release:{LONG}"),
        ("provider", "follow", "fm", "-"),
        ("provider", "unfollow", "fm", f"release:{LONG}"),
        ("sync", "fm", "--scope", f"release:{LONG}"),
        ("refresh", "release", f"fm:{LONG}"),
    ],
    ids=lambda command: " ".join(command)[:20],
)
def test_a_key_that_is_too_long_is_one_line_of_a_command(
    lastfm: Provider, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"artist:Nirvana\nrelease:{LONG}\n"))
    with pytest.raises(CommandError) as refused:
        call_command(*command)
    assert refused.value.returncode == 2
    assert TOO_LONG in str(refused.value)
    assert len(str(refused.value)) < 250
    assert not Scope.objects.exists()


@pytest.mark.parametrize(
    "command", [("provider", "follow", "shop", "artist:" + "x" * 5000), ("sync", "shop", "--scope", "x" * 5000)]
)
def test_what_is_no_scope_is_not_repeated_at_length(db: None, command: tuple[str, ...]) -> None:
    make_provider("shop", "deezer", "https://api.deezer.com")
    with pytest.raises(CommandError, match="no scope") as refused:
        call_command(*command)
    assert len(str(refused.value)) < 250


def test_a_key_that_is_too_long_is_one_line_of_the_form(operator: Client, lastfm: Provider) -> None:
    for key in (LONG, "100%" * 50 + "/b"):  # the latter is as it is kept, with each % written %25
        sent = {"provider": lastfm.pk, "kind": "release", "key": key, "active": "on"}
        answer = operator.post(reverse("admin:musicsync_scope_add"), sent)
        [line] = answer.context["adminform"].form.errors["key"]
        assert "200" in line
    assert not Scope.objects.exists()


def test_an_id_that_is_too_long_for_a_key_is_not_looked_up(operator: Client, lastfm: Provider) -> None:
    release = Release.objects.create(title="b", artist_credit="a")
    run = Run.objects.create(provider=lastfm, mode="full", trigger="cli", status="done")
    said = {"provider": lastfm, "fingerprint": b"1" * 16, "changed_run": run, "fields": {"title": "b"}}
    source = SourceRelease.objects.create(external_id=LONG, release=release, **said)
    for row in (release, source):
        answer = operator.post(button(row, "refresh_now"), {"_form_submitted": "on"})
        assert TOO_LONG in said_by(answer)[-1]
    with pytest.raises(CommandError, match="its key is 301 characters long"):
        call_command("refresh", "release", str(release.pk))
    assert not Scope.objects.exists()
