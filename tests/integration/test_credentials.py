"""Credentials: encrypted at rest, bound to their provider, rotated, and which one holds."""

import io
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse

from musicsync import credentials
from musicsync.admin.show import link_address
from musicsync.models import Circuit, Fetch, Provider
from musicsync.records import MusicsyncError
from musicsync.sync import circuit, fetches, runs
from musicsync.sync.asking import probe
from musicsync.sync.work import work
from tests.integration.admin_rows import make_provider
from tests.integration.driving import follow
from tests.integration.test_admin import logged_in, provider_form, staff
from tests.unit.sandbox.serving import serve

PLANTED = "pl4nted-credential-of-tests"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def keys(settings: SimpleNamespace) -> list[str]:
    settings.MUSICSYNC_ENCRYPTION_KEYS = [credentials.new_key()]
    settings.MUSICSYNC_CREDENTIALS = {}
    return settings.MUSICSYNC_ENCRYPTION_KEYS


@pytest.fixture
def shop() -> Provider:
    provider = make_provider("shop", adapter="feed", base_url="https://shop.example/api")
    credentials.store(provider, PLANTED)
    return Provider.objects.get(pk=provider.pk)


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def say(*arguments: str) -> str:
    output = io.StringIO()
    call_command("provider", *arguments, stdout=output, stderr=output)
    return output.getvalue()


def test_what_is_stored_is_encrypted_and_read_again(shop: Provider) -> None:
    assert PLANTED not in shop.sealed_credential
    assert credentials.of(shop) == PLANTED
    assert credentials.source(shop) == "stored"


def test_the_environment_wins(shop: Provider, settings: SimpleNamespace) -> None:
    settings.MUSICSYNC_CREDENTIALS = {shop.credential_setting: "from-the-environment"}
    assert credentials.of(shop) == "from-the-environment"
    assert credentials.source(shop) == "environment"


def test_without_a_key_nothing_is_stored_and_the_environment_still_counts(settings: SimpleNamespace) -> None:
    settings.MUSICSYNC_ENCRYPTION_KEYS = []
    provider = make_provider("other", adapter="feed")
    with pytest.raises(MusicsyncError, match="MUSICSYNC_ENCRYPTION_KEYS is not set.*manage.py provider new-key"):
        credentials.store(provider, PLANTED)
    settings.MUSICSYNC_CREDENTIALS = {provider.credential_setting: PLANTED}
    assert credentials.of(provider) == PLANTED


@pytest.mark.parametrize("text", ["", "short", "two\nlines-of-text", "p\u00e4ssw\u00f6rter"])
def test_what_cannot_be_a_credential_is_refused(text: str) -> None:
    with pytest.raises(MusicsyncError, match="^the credential "):
        credentials.store(make_provider("other", adapter="feed"), text)


def test_a_missing_or_wrong_key_is_said_and_stops_that_provider_alone(
    shop: Provider, settings: SimpleNamespace
) -> None:
    for keys, said in (([], "is not set"), ([Fernet.generate_key()], "no key reads")):
        settings.MUSICSYNC_ENCRYPTION_KEYS = keys
        with pytest.raises(credentials.Unreadable, match=f"MUSICSYNC_ENCRYPTION_KEYS.*{said}.*shop"):
            runs.open_run(shop, "full", "cli")


@pytest.mark.django_db(transaction=True)
def test_work_waits_for_a_key_that_went_missing_and_goes_on_with_it(settings: SimpleNamespace) -> None:
    with serve(20, feed_token=PLANTED) as base:
        provider = follow(base, "feed")
        credentials.store(provider, PLANTED)
        run = runs.open_run(provider, "full", "cli")
        (fetch,) = fetches.fill_window(run.pk, provider.window)
        right, settings.MUSICSYNC_ENCRYPTION_KEYS = settings.MUSICSYNC_ENCRYPTION_KEYS, [credentials.new_key()]
        step = work(fetch)
        assert step.postponed is not None
        assert step.notice is not None
        assert "no key reads the stored credential of feed" in step.notice.body
        assert not probe(provider)
        assert Fetch.objects.get(pk=fetch).status == "waiting"
        settings.MUSICSYNC_ENCRYPTION_KEYS = right
        assert probe(provider)
        assert circuit.close(provider) == [fetch]
        assert work(fetch).run_ended


def test_a_credential_copied_to_another_provider_is_not_used(shop: Provider) -> None:
    thief = make_provider("thief", adapter="feed", base_url=shop.base_url)
    thief.sealed_credential = shop.sealed_credential
    with pytest.raises(credentials.Unreadable, match="was stored for shop"):
        credentials.of(thief)


@pytest.mark.parametrize(
    "url", ["https://elsewhere.example/api", "http://shop.example/api", "https://shop.example:8443/api"]
)
def test_a_credential_is_not_sent_where_a_changed_address_leads(shop: Provider, url: str) -> None:
    shop.base_url = url
    with pytest.raises(credentials.Unreadable, match="is for https://shop.example:443"):
        credentials.of(shop)


def test_a_credential_holds_for_other_paths_of_its_host(shop: Provider) -> None:
    shop.base_url = "https://SHOP.example:443/v2"
    assert credentials.of(shop) == PLANTED


def test_a_new_credential_is_tried_at_once_where_the_old_was_refused(shop: Provider) -> None:
    circuit.open_at_once(shop.pk, "401")
    assert not circuit.take_due()
    credentials.store(shop, "another-credential")
    assert circuit.take_due() == [shop.pk]
    assert Circuit.objects.get().opened_at is not None


def test_keys_are_rotated_and_what_no_key_reads_is_named_and_left(shop: Provider, settings: SimpleNamespace) -> None:
    old, new = settings.MUSICSYNC_ENCRYPTION_KEYS[0], credentials.new_key()
    lost = make_provider("lost", adapter="feed")
    Provider.objects.filter(pk=lost.pk).update(sealed_credential="nonsense")
    settings.MUSICSYNC_ENCRYPTION_KEYS = [new, old]
    with pytest.raises(CommandError, match="no key reads those of lost") as refused:
        say("rotate-keys")
    assert refused.value.returncode == 1
    settings.MUSICSYNC_ENCRYPTION_KEYS = [new]
    assert credentials.of(Provider.objects.get(pk=shop.pk)) == PLANTED
    assert Provider.objects.get(pk=lost.pk).sealed_credential == "nonsense"


def test_the_command_reads_the_credential_from_the_input_and_forgets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = make_provider("other", adapter="feed")
    typed(monkeypatch, f"{PLANTED}\n")
    assert PLANTED not in say("credential", "other")
    provider.refresh_from_db()
    assert credentials.of(provider) == PLANTED
    assert "no credential is stored" in say("credential", "other", "--clear")
    provider.refresh_from_db()
    assert credentials.source(provider) == "none"


def test_the_command_says_where_the_environment_overrides(
    monkeypatch: pytest.MonkeyPatch, settings: SimpleNamespace
) -> None:
    provider = make_provider("other", adapter="feed")
    settings.MUSICSYNC_CREDENTIALS = {provider.credential_setting: "from-the-environment"}
    typed(monkeypatch, PLANTED)
    assert f"{provider.credential_setting} is set in this environment, and wins" in say("credential", "other")


def test_a_new_key_is_one() -> None:
    Fernet(say("new-key").strip())


def test_the_admin_takes_a_credential_and_never_gives_it_back(shop: Provider) -> None:
    client = logged_in_operator()
    given = "pl4nted-by-the-admin"
    address = link_address(shop)
    page = client.get(address).content.decode()
    assert "set: stored encrypted" in page
    assert PLANTED not in page
    answer = client.post(address, form_of(shop, new_credential=given), follow=True)
    assert credentials.of(Provider.objects.get(pk=shop.pk)) == given
    assert given not in answer.content.decode() + client.get(f"{address}history/").content.decode()
    logged = LogEntry.objects.get()
    assert given not in f"{logged.change_message}{logged.object_repr}"


def test_a_form_that_is_refused_does_not_show_what_was_typed(shop: Provider) -> None:
    given = "pl4nted-by-the-admin"
    answer = logged_in_operator().post(link_address(shop), form_of(shop, new_credential=given, trust="none"))
    assert answer.status_code == 200
    assert given not in answer.content.decode()
    assert credentials.of(Provider.objects.get(pk=shop.pk)) == PLANTED


def test_the_admin_forgets_a_credential_and_an_empty_field_keeps_it(shop: Provider) -> None:
    client = logged_in_operator()
    client.post(link_address(shop), form_of(shop, new_credential=""))
    assert credentials.of(Provider.objects.get(pk=shop.pk)) == PLANTED
    client.post(link_address(shop), form_of(shop, forget_credential="on"))
    assert Provider.objects.get(pk=shop.pk).sealed_credential == ""


def test_the_admin_takes_the_credential_of_a_new_provider() -> None:
    form = provider_form(slug="new", adapter="feed", base_url="https://new.example", new_credential=PLANTED)
    answer = logged_in_operator().post(reverse("admin:musicsync_provider_add"), form)
    assert answer.status_code == 302, answer.context["errors"]
    assert credentials.of(Provider.objects.get(slug="new")) == PLANTED


def test_without_a_key_the_admin_says_so_beside_the_field(shop: Provider, settings: SimpleNamespace) -> None:
    settings.MUSICSYNC_ENCRYPTION_KEYS = []
    page = logged_in_operator().post(link_address(shop), form_of(shop, new_credential=PLANTED)).content.decode()
    assert "MUSICSYNC_ENCRYPTION_KEYS is not set" in page
    assert PLANTED not in page


def test_who_may_only_look_is_shown_no_field_and_changes_nothing(shop: Provider) -> None:
    client = staff("view_provider")
    assert "new_credential" not in client.get(link_address(shop)).content.decode()
    assert client.post(link_address(shop), form_of(shop, new_credential="pl4nted-by-nobody")).status_code == 403
    assert credentials.of(Provider.objects.get(pk=shop.pk)) == PLANTED


def logged_in_operator() -> Client:
    return logged_in(User.objects.create_superuser("operator"))


def form_of(provider: Provider, **given: object) -> dict[str, object]:
    same = {"base_url": provider.base_url, "budget": provider.budget_id, "trust": 5, "removal_limit": 0.1}
    same |= {"check_after_least": 1, "check_after_most": 60}
    return same | given
