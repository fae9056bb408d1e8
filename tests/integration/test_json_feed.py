"""A provider without code: set up, tested and followed by its options alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from musicsync.admin.show import link_address
from musicsync.models import KnownPage, Provider, Scope
from tests.integration.cataloguing import catalogue, forget_all_but_providers
from tests.integration.driving import follow, sync
from tests.integration.test_admin import button, said_by

OPTIONS: dict[str, Any] = {
    "path": "feed/tracks",
    "params": {"limit": "40"},
    "paging": {"style": "cursor", "param": "cursor", "next": "next"},
    "incremental": {"param": "since", "watermark": "watermark"},
    "items": "items",
    "duration": "ms",
    "track": {
        "id": "id",
        "title": "title",
        "version": "version",
        "disc": "disc",
        "position": "position",
        "isrcs": "isrc",
        "duration": "duration_ms",
        "explicit": "explicit",
        "artists": "artists",
    },
    "release": {
        "id": "release.id",
        "title": "release.title",
        "gtin": "release.gtin",
        "released": "release.released",
        "label": "release.label",
        "type": "release.type",
        "track_count": "release.track_count",
        "artists": "release.artists",
    },
    "artist": {"id": "id", "name": "name", "join_phrase": "join"},
}


def mapped(base: str) -> Provider:
    provider = follow(base, "feed")
    Provider.objects.filter(pk=provider.pk).update(adapter="json-feed", options=OPTIONS)
    provider.refresh_from_db()
    return provider


@pytest.fixture
def client(db: None) -> Client:
    logged_in = Client()
    logged_in.force_login(User.objects.create_superuser("operator"))
    return logged_in


def test_a_mapped_feed_gives_the_catalogue_that_its_own_adapter_gives(base: str) -> None:
    provider = follow(base, "feed")
    assert sync(provider).status == "done"
    by_code = catalogue()
    forget_all_but_providers()
    Scope.objects.update(watermark=None)
    Provider.objects.update(adapter="json-feed", options=OPTIONS)
    run = sync(Provider.objects.get())
    assert (run.status, run.summary["distinct_tracks"], KnownPage.objects.count()) == ("done", 300, 8)
    assert catalogue() == by_code
    assert Scope.objects.get().watermark == "g0"


def test_other_options_read_the_same_answers_anew(base: str) -> None:
    provider = mapped(base)
    sync(provider)
    before = catalogue()
    assert sync(provider).summary.get("track.updated", 0) == 0
    Provider.objects.update(options=OPTIONS | {"track": OPTIONS["track"] | {"version": "'Remix'"}})
    sync(Provider.objects.get())
    assert all(track["version"] == "Remix" for track in catalogue()["recordings"].values())
    assert catalogue() != before


def test_the_command_line_takes_options_and_shows_the_first_records(
    base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "options.json"
    file.write_text(json.dumps(OPTIONS))
    add = ("provider", "add", "shop", "--adapter", "json-feed", "--base-url", base, "--allow-private")
    with pytest.raises(CommandError, match=r"--options: path: is missing\. items: is missing\. track: is missing\."):
        call_command(*add)
    call_command(*add, "--options", str(file))
    capsys.readouterr()
    call_command("provider", "test", "shop")
    lines = capsys.readouterr().out.splitlines()
    assert "40 tracks, 0 rejected" in lines[0]
    assert lines[1] == "Kind\tId\tTitle or name\tSays"
    assert [line.split("\t")[0] for line in lines[2:7]] == ["track"] * 5
    assert lines[-1].startswith("leads to GET /")
    file.write_text(json.dumps(OPTIONS | {"track": OPTIONS["track"] | {"title": "version"}}))
    call_command("provider", "set", "shop", "--options", str(file))
    capsys.readouterr()
    call_command("provider", "test", "shop")
    assert "\ttrack.title (`version`): Expected `str`, got `null`" in capsys.readouterr().out


def test_the_admin_shows_each_mistake_in_options(client: Client) -> None:
    wrong = {"path": "x", "items": "[", "track": {"id": "id", "name": "n"}, "paging": {"style": "odd"}}
    given = {"slug": "shop", "adapter": "json-feed", "base_url": "https://shop.example", "trust": 5}
    answer = client.post(
        reverse("admin:musicsync_provider_add"), given | {"removal_limit": 0.1, "options": json.dumps(wrong)}
    )
    errors = answer.context["adminform"].form.errors["options"]
    assert [str(line).partition(":")[0] for line in errors] == ["items", "track.name", "track.title", "paging.style"]
    assert not Provider.objects.exists()


def test_the_test_button_shows_the_first_records_once(base: str, client: Client) -> None:
    provider = mapped(base)
    page = client.get(link_address(provider)).content.decode()
    assert "JMESPath" in page
    assert "First records" not in page
    answer = client.post(button(provider, "test_now"), {"_form_submitted": "on"}, headers={"HX-Request": "true"})
    assert "0 rejected, leads to GET /" in said_by(answer)[0]
    page = client.get(link_address(provider)).content.decode()
    assert page.index('href="#panels"') < page.index('id="panels"') < page.index("First records of the test")
    assert "isrcs: " in page
    assert "First records" not in client.get(link_address(provider)).content.decode()


def test_a_test_without_a_record_is_no_success(base: str, client: Client) -> None:
    provider = mapped(base)
    Provider.objects.filter(pk=provider.pk).update(options=OPTIONS | {"track": OPTIONS["track"] | {"title": "nothing"}})
    answer = client.post(button(provider, "test_now"), {"_form_submitted": "on"}, headers={"HX-Request": "true"})
    (message,) = get_messages(answer.wsgi_request)
    assert message.level_tag == "warning"
    assert "0 records, 40 rejected" in str(message)


def test_options_are_shown_a_name_a_line(base: str, client: Client) -> None:
    provider = mapped(base)
    Provider.objects.filter(pk=provider.pk).update(options=OPTIONS | {"params": {"words": "Dämmerung"}})
    shown = client.get(link_address(provider)).context["adminform"].form["options"].value()
    assert '\n  "params": {\n    "words": "Dämmerung"\n  },\n' in shown


def test_a_provider_whose_adapter_takes_none_is_offered_no_options(base: str, client: Client) -> None:
    assert "JMESPath" not in client.get(link_address(follow(base, "feed"))).content.decode()
