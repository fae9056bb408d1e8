from musicsync.providers import registry
from musicsync.records import ArtistRecord, Credit, Gone, Page, RateLimited, ReleaseRecord, Request, TrackRecord
from musicsync.records import Refused as CredentialRefused
from tests.contract.spec import ListForm, Refused, Said, Scoped, Spec

OPTIONS = {
    "path": "dump.jsonl.gz",
    "track": {
        "id": "id",
        "title": "title",
        "position": "no",
        "isrcs": "isrcs",
        "duration": "duration_ms",
        "artists": "performers",
    },
    "release": {"id": "album.id", "title": "album.title", "released": "album.date"},
    "artist": {"id": "id", "name": "name"},
}
SONG = {
    "id": 31,
    "title": "Dawn",
    "no": 2,
    "isrcs": "gb-abc-19-00001",
    "duration_ms": 201500,
    "performers": [{"id": 7, "name": "Ada Lov"}],
    "album": {"id": "r1", "title": "First Light", "date": "2019-05-00"},
}
BARE = {"id": 32, "title": "Dusk", "album": {"id": "r1", "title": "First Light"}}
FOUND = {"name": "dump.jsonl.gz", "version": "1f-2a", "mark": "c0ffee"}
LOOK = Request(path="dump.jsonl.gz")
FIRST = Request(path="dump.jsonl.gz", params={"page": "1"}, state=FOUND)
SECOND = Request(path="dump.jsonl.gz", params={"page": "2"}, state=FOUND | {"offset": "512", "line": "3"})

ADAPTER = registry.get("file-feed").configured(OPTIONS)

SPEC = Spec(
    adapter=ADAPTER,
    scopes=[Scoped(kind="feed", given=" ", key="", asks="dump.jsonl.gz")],
    bad_scopes=[("feed", "x"), ("artist", "1"), ("label", "")],
    said=[
        Said(
            name="a file to be read",
            request=LOOK,
            body={"found": FOUND, "watermark": "dump.jsonl.gz/c0ffee"},
            page=Page(follow_ups=(FIRST,), watermark=f"{ADAPTER.parser_version}/dump.jsonl.gz/c0ffee"),
        ),
        Said(
            name="two rows of a file",
            request=FIRST,
            body={"items": [SONG, BARE], "skipped": [], "columns": None, "next": {"offset": 512, "line": 3}},
            page=Page(
                records=(
                    ReleaseRecord(external_id="r1", title="First Light", released="2019-05"),
                    ArtistRecord(external_id="7", name="Ada Lov"),
                    TrackRecord(
                        external_id="31",
                        title="Dawn",
                        release_id="r1",
                        disc=1,
                        position=2,
                        isrcs=("GBABC1900001",),
                        duration_ms=201500,
                        credits=(Credit(name="Ada Lov", artist_id="7"),),
                    ),
                    TrackRecord(
                        external_id="32",
                        title="Dusk",
                        release_id="r1",
                        disc=1,
                        isrcs=(),
                        duration_ms=None,
                        credits=(),
                    ),
                ),
                following=SECOND,
            ),
        ),
    ],
    refused=[
        Refused(
            name="over the rate",
            status=429,
            headers={"retry-after": "2"},
            body=b"slow down",
            error=RateLimited,
            says="slow down",
            retry_after=2.0,
        ),
        Refused(name="no key", status=401, body=b"key?", error=CredentialRefused, says="credential was refused"),
        Refused(name="not found", status=404, body=b"", error=Gone),
    ],
    items=ListForm(
        request=FIRST,
        name="items",
        envelope={"next": None},
        item=SONG,
        number=("duration_ms",),
        digits=True,
    ),
    start=Scoped(kind="feed", given="", key="", asks=""),
    walk={
        "dump.jsonl.gz": {"found": FOUND, "watermark": "dump.jsonl.gz/c0ffee"},
        "dump.jsonl.gz?page=1": {"items": [SONG], "next": {"offset": 512, "line": 3}},
        "dump.jsonl.gz?page=2": {"items": [BARE], "next": None},
    },
    reached=["31", "32"],
)
