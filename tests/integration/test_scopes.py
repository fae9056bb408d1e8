"""What is followed: keys that are too long to be kept are one line, and many are taken at once."""

import io

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from musicsync.admin.show import link_address
from musicsync.models import Provider, Release, Run, Scope, SourceRelease
from tests.integration.admin_rows import make_provider
from tests.integration.test_admin import button, said_by, staff

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


def test_many_are_followed_from_the_page_of_a_provider(operator: Client) -> None:
    shop = make_provider("shop", "deezer", "https://api.deezer.com")
    Scope.objects.create(provider=shop, kind="artist", key="27")
    Scope.objects.create(provider=shop, kind="artist", key="28", active=False)
    asked = operator.get(button(shop, "follow_many")).content.decode()
    assert 'name="kind"' in asked
    assert 'name="keys"' in asked
    pasted = "\n# mine\nartist:0027\r\nartist:28\n  feed\nlabel:1\nartist:abc\n\nartist:13\nartist:13\n<b>:1\n"
    answer = operator.post(button(shop, "follow_many"), {"_form_submitted": "on", "kind": "", "keys": pasted})
    assert (answer.status_code, answer.headers["Location"]) == (302, link_address(shop))
    good, bad = said_by(answer)
    assert good == "shop now follows 3 scopes; 1 was followed already"
    assert bad.startswith("3 lines are not followed: line 6: Deezer cannot follow a label")
    assert "line 7: artist:abc is no scope of Deezer: the key of artist is a Deezer id" in bad
    assert "line 11: &#x27;&lt;b&gt;:1&#x27; is no scope: write KIND:KEY" in bad
    followed = Scope.objects.filter(active=True).values_list("kind", "key")
    assert set(followed) == {("artist", "27"), ("artist", "28"), ("artist", "13"), ("feed", "")}


def test_the_kind_of_many_is_chosen_once(operator: Client, lastfm: Provider) -> None:
    keys = f"Nirvana/Nevermind\n{LONG}\nAC%2FDC/Back in Black"
    answer = operator.post(button(lastfm, "follow_many"), {"_form_submitted": "on", "kind": "release", "keys": keys})
    good, bad = said_by(answer)
    assert good == "fm now follows 2 scopes"
    assert bad.startswith("1 line is not followed: line 2: release:aaa")
    assert set(Scope.objects.values_list("kind", "key")) == {
        ("release", "Nirvana/Nevermind"),
        ("release", "AC%2FDC/Back in Black"),
    }


def test_of_many_wrong_lines_the_first_are_said(operator: Client) -> None:
    shop = make_provider("shop", "deezer", "https://api.deezer.com")
    given = {"_form_submitted": "on", "kind": "artist", "keys": "\n".join(["x"] * 5000)}
    [bad] = said_by(operator.post(button(shop, "follow_many"), given))
    assert bad.startswith("5,000 lines are not followed: line 1: ")
    assert "line 20: " in bad
    assert bad.endswith("... and 4,980 lines more")


def test_nothing_to_follow_is_said(operator: Client) -> None:
    shop = make_provider("shop", "deezer", "https://api.deezer.com")
    empty = operator.post(button(shop, "follow_many"), {"_form_submitted": "on", "kind": "", "keys": ""})
    assert "This field is required" in empty.content.decode()
    answer = operator.post(button(shop, "follow_many"), {"_form_submitted": "on", "kind": "", "keys": " \n# mine\n"})
    assert said_by(answer) == ["Nothing is followed: no line names anything."]
    assert not Scope.objects.exists()


def test_who_may_add_scopes_may_follow_many_and_nobody_else(db: None) -> None:
    shop = make_provider("shop", "deezer", "https://api.deezer.com")
    given = {"_form_submitted": "on", "kind": "artist", "keys": "27"}
    looking = staff("view_provider", "change_provider", "view_scope", name="looking")
    assert looking.post(button(shop, "follow_many"), given).status_code == 403
    assert button(shop, "follow_many") not in looking.get(link_address(shop)).content.decode()
    assert not Scope.objects.exists()
    adding = staff("view_provider", "add_scope", name="adding")
    assert button(shop, "follow_many") in adding.get(link_address(shop)).content.decode()
    assert adding.post(button(shop, "follow_many"), given).status_code == 302
    assert Scope.objects.get().key == "27"
