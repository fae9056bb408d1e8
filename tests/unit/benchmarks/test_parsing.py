from benchmarks.parsing import speeds
from musicsync.providers import registry


def test_the_pages_of_every_adapter_are_measured() -> None:
    found = list(speeds(tracks=100, rounds=1))
    assert {speed.adapter for speed in found} == set(registry.ADAPTERS) - {"file-feed"}
    tracks = {speed.adapter: speed.tracks for speed in found}
    assert tracks["json-feed"] == tracks["feed"] == 100
