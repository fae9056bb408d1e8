"""Options of whatever adapter that cannot be stored are one line at their field, and nothing breaks."""

import io
import json

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from musicsync.admin.show import link_address
from musicsync.models import Budget, PageCheck, Provider, Scope
from musicsync.providers import registry
from musicsync.providers.base import BadOptions


def nested(levels: int) -> str:
    return '{"path": ' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


ODD = (
    '"x"', "null", "[]", "[" * 100_000, nested(51), nested(900), '{"path": "a\\u0000"}', '{"\\ud800": 1}',
    '{"path": 1e999}', '{"path": ' + "9" * 5000 + "}",
)  # fmt: skip


@pytest.mark.parametrize("adapter", ["file-feed", "json-feed", "itunes", "deezer"])
def test_the_admin_refuses_options_that_cannot_be_stored(db: None, client: Client, adapter: str) -> None:
    client.force_login(User.objects.create_superuser("operator"))
    budget = Budget.objects.create(name="odd", rate=1)
    there = Provider.objects.create(slug="odd", adapter=adapter, base_url="https://odd.example", budget=budget)
    given = {"slug": "new", "adapter": adapter, "base_url": "https://odd.example", "trust": 5, "removal_limit": 0.1}
    for options in ODD:
        sent = given | {"options": options, "budget": budget.pk, "check_after_least": 1, "check_after_most": 60}
        pages = [reverse("admin:musicsync_provider_add")] + ([link_address(there)] if adapter != "deezer" else [])
        for page in pages:
            answer = client.post(page, sent)
            line = answer.context["adminform"].form.errors["options"][0]
            assert line.startswith("Enter a JSON object of names and values")
            assert answer.status_code == 200
    assert Provider.objects.get().options == {}


@pytest.mark.parametrize("options", ODD)
def test_the_command_line_refuses_options_that_cannot_be_stored(
    db: None, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    budget = Budget.objects.create(name="odd", rate=1)
    Provider.objects.create(slug="odd", adapter="itunes", base_url="https://odd.example", budget=budget)
    monkeypatch.setattr("sys.stdin", io.StringIO(options))
    with pytest.raises(CommandError, match=r"--options: -"):
        call_command("provider", "set", "odd", "--options", "-")
    assert Provider.objects.get().options == {}


@pytest.fixture
def checked(db: None) -> Provider:
    """A provider of which a page has a time of its own."""
    budget = Budget.objects.create(name="odd", rate=1)
    options = {"country": "FR"}
    itunes = Provider.objects.create(
        slug="odd", adapter="itunes", base_url="https://odd.example", budget=budget, options=options
    )
    scope = Scope.objects.create(provider=itunes, kind="artist", key="1")
    PageCheck.objects.create(provider=itunes, scope=scope, key="lookup", request={})
    return itunes


@pytest.mark.parametrize(("country", "left"), [("FR", 1), ("GB", 0)])
def test_other_options_forget_the_check_times_from_the_admin(
    checked: Provider, client: Client, country: str, left: int
) -> None:
    client.force_login(User.objects.create_superuser("operator"))
    sent = {"base_url": checked.base_url, "budget": checked.budget.pk, "trust": 5, "removal_limit": 0.1}
    sent |= {"check_after_least": 1, "check_after_most": 60, "options": json.dumps({"country": country})}
    assert client.post(link_address(checked), sent).status_code == 302
    assert (Provider.objects.get().options, Provider.objects.get().trust) == ({"country": country}, 5)
    assert PageCheck.objects.count() == left


@pytest.mark.parametrize(("country", "left"), [("FR", 1), ("GB", 0)])
def test_other_options_forget_the_check_times_from_the_command_line(
    checked: Provider, monkeypatch: pytest.MonkeyPatch, country: str, left: int
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"country": country})))
    call_command("provider", "set", "odd", "--trust", "5", "--options", "-")
    assert (Provider.objects.get().options, Provider.objects.get().trust) == ({"country": country}, 5)
    assert PageCheck.objects.count() == left


@pytest.mark.parametrize("adapter", ["file-feed", "json-feed", "itunes", "deezer"])
def test_options_of_another_form_are_an_error_of_the_provider(adapter: str) -> None:
    for options in ("x", None, [], {"path": "a\0"}, {"path": "\ud800"}, json.loads(nested(51))):
        with pytest.raises(BadOptions, match="^options: "):
            registry.adapter_of(Provider(adapter=adapter, options=options))
