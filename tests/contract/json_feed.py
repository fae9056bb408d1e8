from musicsync.providers import registry
from musicsync.records import ArtistRecord, Credit, Page, Permanent, RateLimited, ReleaseRecord, Request, TrackRecord
from musicsync.records import Refused as CredentialRefused
from tests.contract.spec import ListForm, Refused, Said, Scoped, Spec

OPTIONS = {
    "path": "v2/catalogue",
    "params": {"per_page": "50"},
    "auth": {"in": "header", "name": "X-Api-Key", "scheme": ""},
    "paging": {"style": "cursor", "param": "after", "next": "meta.next"},
    "incremental": {"param": "changed_since", "watermark": "meta.now"},
    "items": "songs",
    "duration": "ms",
    "track": {
        "id": "id",
        "title": "title",
        "version": "mix",
        "disc": "disc",
        "position": "no",
        "isrcs": "isrc",
        "duration": "duration_ms",
        "explicit": "rating == 'explicit'",
        "artists": "performers",
    },
    "release": {
        "id": "album.id",
        "title": "album.title",
        "gtin": "album.barcode",
        "released": "album.date",
        "label": "album.labels[0].name",
        "genres": "album.genres",
        "territories": "album.sold_in",
    },
    "artist": {"id": "id", "name": "name", "join_phrase": "join"},
}
SONG = {
    "id": 31,
    "title": "Dawn",
    "mix": "Live",
    "disc": 1,
    "no": "2",
    "isrc": "gb-abc-19-00001",
    "duration_ms": 201500,
    "rating": "explicit",
    "performers": [{"id": 7, "name": "Ada Lov", "join": " feat. "}, {"id": None, "name": "Bén", "join": None}],
    "album": {
        "id": "r1",
        "title": "First Light",
        "barcode": 36000291452,
        "date": "2019-05-00",
        "labels": [{"name": "Moss"}],
        "genres": ["Pop", None, "Folk", "Pop"],
        "sold_in": ["gb", "DE"],
    },
}
BARE = {"id": 32, "title": "Dusk", "album": {"id": "r1", "title": "First Light"}}
FIRST = Request(path="v2/catalogue", params={"per_page": "50"})
SECOND = Request(path="v2/catalogue", params={"per_page": "50", "after": "c2"})

SPEC = Spec(
    adapter=registry.get("json-feed").configured(OPTIONS),
    scopes=[Scoped(kind="feed", given=" ", key="", asks="v2/catalogue?per_page=50")],
    bad_scopes=[("feed", "x"), ("artist", "1"), ("label", "")],
    said=[
        Said(
            name="two tracks of one release",
            request=FIRST,
            body={"songs": [SONG, BARE], "meta": {"next": "c2", "now": 77}},
            page=Page(
                records=(
                    ReleaseRecord(
                        external_id="r1",
                        title="First Light",
                        gtin="00036000291452",
                        released="2019-05",
                        label="Moss",
                        genres=("Folk", "Pop"),
                        territories=("DE", "GB"),
                    ),
                    ArtistRecord(external_id="7", name="Ada Lov"),
                    TrackRecord(
                        external_id="31",
                        title="Dawn",
                        version="Live",
                        release_id="r1",
                        disc=1,
                        position=2,
                        isrcs=("GBABC1900001",),
                        duration_ms=201500,
                        explicit=True,
                        credits=(Credit(name="Ada Lov", artist_id="7", join_phrase=" feat. "), Credit(name="Bén")),
                    ),
                    TrackRecord(
                        external_id="32",
                        title="Dusk",
                        version=None,
                        release_id="r1",
                        disc=1,
                        isrcs=(),
                        duration_ms=None,
                        explicit=False,
                        credits=(),
                    ),
                ),
                following=SECOND,
                watermark="77",
            ),
        )
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
        Refused(name="not found", status=404, body=b"", error=Permanent, says="the option path"),
    ],
    items=ListForm(
        request=FIRST,
        name="songs",
        envelope={"meta": {"next": None}},
        item=SONG,
        number=("duration_ms",),
        digits=True,
    ),
    start=Scoped(kind="feed", given="", key="", asks=""),
    walk={
        "v2/catalogue?per_page=50": {"songs": [SONG], "meta": {"next": "c2"}},
        "v2/catalogue?after=c2&per_page=50": {"songs": [BARE], "meta": {"next": ""}},
    },
    reached=["31", "32"],
)
