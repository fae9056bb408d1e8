"""What is too long, too large or too much is refused by itself, and everything beside it goes on."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from musicsync import tasks
from musicsync.models import Alert, Budget, Provider, Rejection, Run, SourceTrack
from musicsync.records import ArtistRecord, Page, Record, ReleaseRecord, Request, TrackRecord
from musicsync.sync import apply, fetches, limits
from tests.integration.paging import lease, open_run, provider

pytestmark = pytest.mark.django_db

GOOD = TrackRecord(external_id="good", title="Good")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (TrackRecord(external_id="t", title="x" * 1_000_000), "its name or title is 1,000,000 bytes long"),
        (TrackRecord(external_id="i" * 20_000, title="Song"), "its id is 20,000 bytes long"),
        (ArtistRecord(external_id="a", name="é" * 2_000), "its name or title is 4,000 bytes long"),
        (ReleaseRecord(external_id="r" * 600, title="Album"), "its id is 600 bytes long"),
    ],
)
def test_a_record_too_long_to_be_indexed_is_rejected_and_its_page_goes_on(wrong: Record, reason: str) -> None:
    run = open_run(provider("one"), ["page"])
    apply.page(lease(run, "page"), limits.sift(Page(records=(wrong, GOOD))), None, 1)
    assert [row.external_id for row in SourceTrack.objects.all()] == ["good"]
    assert reason in Rejection.objects.get().reason
    assert run.fetches.get().counts["rejected"] == 1


def test_a_request_too_long_to_be_indexed_is_rejected_and_its_page_goes_on() -> None:
    run = open_run(provider("one"), ["page"])
    endless = Request(path="page", params={"cursor": "c" * 8_000})
    apply.page(lease(run, "page"), limits.sift(Page(records=(GOOD,), follow_ups=(endless,))), None, 1)
    assert SourceTrack.objects.count() == 1
    assert "its key is" in Rejection.objects.get().reason
    assert not fetches.any_open(run.pk)


def test_a_title_as_long_as_real_ones_is_kept() -> None:
    run = open_run(provider("one"), ["page"])
    apply.page(lease(run, "page"), Page(records=(TrackRecord(external_id="t", title="x" * 865),)), None, 1)
    assert SourceTrack.objects.count() == 1


@pytest.mark.parametrize("values", [{"rate": 1e-15}, {"rate": 1e308}, {"burst": 10**9}, {"burst": 0}])
def test_a_budget_is_within_bounds(values: dict[str, float]) -> None:
    with pytest.raises(IntegrityError, match="budget_"), transaction.atomic():
        Budget.objects.create(**({"name": "odd", "rate": 1.0, "burst": 1} | values))


def test_an_address_holds_no_login() -> None:
    made = provider("one")
    made.base_url = "http://user:secret@127.0.0.1:1/"
    with pytest.raises(ValidationError) as refused:
        made.full_clean()
    assert "MUSICSYNC_CREDENTIAL_" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_one_run_that_cannot_go_on_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, fine = open_run(provider("stuck"), ["a"]), open_run(provider("fine"), ["a"])
    sent: list[int] = []

    def window(run: Provider) -> int:
        if run.slug == "stuck":
            raise OverflowError("no such window")
        return 10

    monkeypatch.setattr(Provider, "window", property(window))
    monkeypatch.setattr(tasks, "send_fetches", sent.extend)
    monkeypatch.setattr(tasks.send_alert, "delay", lambda _: None)
    tasks.sweep()
    assert sent == [fine.fetches.get().pk]
    assert Alert.objects.get().key == f"sweep:{stuck.pk}"
    assert Run.objects.filter(status="running").count() == 2
