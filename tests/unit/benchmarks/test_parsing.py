from benchmarks.parsing import forget, speeds
from musicsync import identifiers
from musicsync.providers import registry


def test_the_pages_of_every_adapter_are_measured() -> None:
    found = list(speeds(tracks=100, rounds=1))
    assert {speed.adapter for speed in found} == set(registry.ADAPTERS) - {"file-feed"}
    tracks = {speed.adapter: speed.tracks for speed in found}
    assert tracks["json-feed"] == tracks["feed"] == 100


def test_nothing_is_remembered_of_the_round_before() -> None:
    identifiers.normalise_date("1987-07-00")
    assert identifiers.normalise_date.cache_info().currsize > 0
    forget()
    assert identifiers.normalise_date.cache_info().currsize == 0
