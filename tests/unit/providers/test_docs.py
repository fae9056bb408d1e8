import re
from pathlib import Path

from musicsync.providers.base import Adapter, Scope
from musicsync.providers.collect import page_after
from musicsync.records import MergedId, ReleaseRecord, Request, Response, TrackRecord

GUIDE = Path(__file__).parents[3] / "docs" / "adding-a-provider.md"


def test_the_worked_example_in_the_guide_does_what_the_guide_says() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL)
    source = next(block for language, block in blocks if language == "python")
    sample = next(block for _, block in blocks if block.startswith("GET /albums/7/tracks"))
    names: dict[str, type[Adapter]] = {"__name__": "example"}  # type: ignore[dict-item]
    exec(compile(source, str(GUIDE), "exec"), names)
    adapter = names["Example"]()
    [request] = adapter.plan(Scope(kind="release", key="006"), "full")
    body = sample.split("\n", 1)[1].encode()
    page = adapter.parse(request, Response(status=200, headers={}, body=body, url=""))
    assert page.records == (
        ReleaseRecord(external_id="7", title="First Light"),
        TrackRecord(
            external_id="31",
            release_id="7",
            disc=1,
            position=1,
            title="Dawn",
            isrcs=("GBABC1900001",),
            duration_ms=201_000,
        ),
    )
    assert page.merged == (MergedId(kind="release", old="6", new="7"),)
    assert page.follow_ups == (page_after(request, {"page": "2"}, 63),)
    unnumbered = adapter.parse(Request(path="albums/6/tracks"), Response(status=200, headers={}, body=body, url=""))
    assert [following.params for following in unnumbered.follow_ups] == [{"page": "2"}]
