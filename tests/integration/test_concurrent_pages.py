"""Two pages with the same news, applied at the same moment."""

import pytest
from django.db import transaction

from musicsync.models import Artist, Budget, Provider, Run, SourceArtist
from musicsync.records import ArtistRecord
from musicsync.sync import sources
from tests.integration.driving import aside


@pytest.fixture
def source(transactional_db: None) -> SourceArtist:
    budget = Budget.objects.create(name="one", rate=1)
    provider = Provider.objects.create(
        slug="one", adapter="feed", base_url="http://127.0.0.1:9", allow_private=True, budget=budget
    )
    artist = Artist.objects.create(name="Old")
    return SourceArtist.objects.create(
        provider=provider, external_id="1", fields={"name": "Old"}, fingerprint=b"old", artist=artist
    )


def test_of_two_pages_with_the_same_news_one_brings_it(source: SourceArtist) -> None:
    news = [ArtistRecord(external_id="1", name="New")]
    run = Run.objects.create(provider_id=source.provider_id, mode="full", trigger="cli")
    found: list[sources.Delta] = []

    def second_page() -> None:
        with transaction.atomic():
            found.append(sources.compare(source.provider_id, "artist", news))

    with transaction.atomic():
        first = sources.compare(source.provider_id, "artist", news)
        sources.write(source.provider_id, run.pk, "artist", first)
        second = aside(second_page)
    second.join(60)

    assert [row.external_id for row in first.changed] == ["1"]
    assert (found[0].changed, found[0].unchanged) == ([], [source.pk])
