import msgspec

from musicsync.providers import registry
from musicsync.providers.collect import page_after
from musicsync.records import (
    ArtistRecord,
    Credit,
    Gone,
    MergedId,
    Page,
    Permanent,
    RateLimited,
    RejectedItem,
    ReleaseRecord,
    Request,
    Shed,
    TrackRecord,
    Transient,
)
from tests.contract.spec import ListForm, Refused, Said, Scoped, Spec


def mbid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


ARTIST, GUEST, RELEASE, SECOND, TRACK, HIDDEN, DATA, RECORDING, OTHER, LABEL = map(mbid, range(1, 11))
BROWSE_INC = "artist-credits isrcs labels media recordings release-groups"
RELEASE_INC = f"{BROWSE_INC} genres"
RECORDING_INC = "artist-credits isrcs releases"
STUB_INC = "artist-credits"

ADA = {
    "id": ARTIST,
    "name": "Ada Lov",
    "sort-name": "Lov, Ada",
    "disambiguation": "",
    "type": "Person",
    "type-id": mbid(99),
    "country": "GB",
}
BEN = {"id": GUEST, "name": "Bén", "sort-name": "Bén", "disambiguation": "the other one", "country": None}
CREDIT = [
    {"name": "Ada", "joinphrase": " ♥ ", "artist": ADA},
    {"name": "Bén", "joinphrase": "", "artist": BEN},
]
SOUND = {
    "id": RECORDING,
    "title": "Dawn",
    "length": 201000,
    "isrcs": ["gb-abc-19-00001", "GBABC1900001", "odd"],
    "disambiguation": "live",
    "video": False,
    "artist-credit": [{"name": "Ada Lov", "joinphrase": "", "artist": ADA}],
}
PLACED = {"id": TRACK, "title": "Dawn", "number": "A1", "position": 1, "length": 201500, "recording": SOUND}
PREGAP = {
    "id": HIDDEN,
    "title": "Night",
    "number": "0",
    "position": 0,
    "length": None,
    "recording": {"id": OTHER, "title": "Night (hidden)", "length": None},
}
VIDEO = {**PREGAP, "id": DATA, "title": "Clip", "number": "2", "position": 2, "artist-credit": CREDIT}
FULL = {
    "id": RELEASE,
    "title": "First Light",
    "disambiguation": "box",
    "barcode": "036000291452",
    "date": "2019-05",
    "country": "GB",
    "artist-credit": CREDIT,
    "label-info": [
        {"catalog-number": "[none]", "label": None},
        {"catalog-number": "M 1", "label": {"id": LABEL, "name": "Moss"}},
    ],
    "release-group": {"id": mbid(50), "primary-type": "Album", "secondary-types": ["Live", "Compilation"]},
    "genres": [{"name": "rock", "count": 1}, {"name": "folk", "count": 3}],
    "media": [{"position": 2, "track-count": 2, "pregap": PREGAP, "tracks": [PLACED], "data-tracks": [VIDEO]}],
}
SMALL: dict[str, object] = {
    "id": SECOND,
    "title": "Second Light",
    "barcode": "",
    "artist-credit": [],
    "release-group": {"primary-type": "EP", "secondary-types": []},
    "media": [{"track-count": 1, "tracks": [{**PLACED, "id": mbid(60)}]}],
}

ADA_RECORD = ArtistRecord(
    external_id=ARTIST, name="Ada Lov", sort_name="Lov, Ada", disambiguation=None, type="person", country="GB"
)
BEN_RECORD = ArtistRecord(external_id=GUEST, name="Bén", sort_name="Bén", disambiguation="the other one", country=None)
CREDITS = (
    Credit(name="Ada", artist_id=ARTIST, join_phrase=" ♥ "),
    Credit(name="Bén", artist_id=GUEST),
)
FULL_RECORDS = (
    ADA_RECORD,
    BEN_RECORD,
    ReleaseRecord(
        external_id=RELEASE,
        title="First Light",
        gtin="00036000291452",
        type="compilation",
        released="2019-05",
        label="Moss",
        catalog_number="M 1",
        track_count=2,
        genres=("folk", "rock"),
        credits=CREDITS,
    ),
    TrackRecord(
        external_id=HIDDEN,
        recording_id=OTHER,
        release_id=RELEASE,
        disc=2,
        position=0,
        number="0",
        title="Night",
        duration_ms=None,
    ),
    TrackRecord(
        external_id=TRACK,
        recording_id=RECORDING,
        release_id=RELEASE,
        disc=2,
        position=1,
        number="A1",
        title="Dawn",
        isrcs=("GBABC1900001", "odd"),
        duration_ms=201500,
        credits=(Credit(name="Ada Lov", artist_id=ARTIST),),
    ),
    TrackRecord(
        external_id=DATA,
        recording_id=OTHER,
        release_id=RELEASE,
        disc=2,
        position=2,
        number="2",
        title="Clip",
        duration_ms=None,
        credits=CREDITS,
    ),
)
SOUND_RECORD = TrackRecord(
    external_id=RECORDING,
    recording_id=RECORDING,
    title="Dawn",
    isrcs=("GBABC1900001", "odd"),
    duration_ms=201000,
    credits=(Credit(name="Ada Lov", artist_id=ARTIST),),
)


STUBS: list[dict[str, object]] = [{"id": mbid(100 + at), "title": "First Light"} for at in range(25)]


def browse(by: str, number: str, offset: int, inc: str = BROWSE_INC) -> Request:
    params = {by: number, "inc": inc, "limit": "100", "offset": str(offset), "fmt": "json"}
    return Request(path="release", params=params)


def lookup(path: str, inc: str | None = None) -> Request:
    return Request(path=path, params={"fmt": "json"} | ({"inc": inc} if inc else {}))


SPEC = Spec(
    adapter=registry.get("musicbrainz"),
    scopes=[
        Scoped(kind="artist", given=f" {ARTIST.upper()}", key=ARTIST, asks=f"artist/{ARTIST}?fmt=json"),
        Scoped(kind="label", given=LABEL, key=LABEL, asks=f"label/{LABEL}?fmt=json"),
        Scoped(kind="release", given=RELEASE, key=RELEASE, asks=f"release/{RELEASE}?fmt=json&inc={RELEASE_INC}"),
        Scoped(
            kind="release",
            given="0-36000-29145-2",
            key="036000291452",
            asks="release?fmt=json&query=barcode:036000291452",
        ),
        Scoped(
            kind="recording",
            given="gb-abc-19-00001",
            key="GBABC1900001",
            asks=f"isrc/GBABC1900001?fmt=json&inc={RECORDING_INC}",
        ),
        Scoped(
            kind="recording", given=RECORDING, key=RECORDING, asks=f"recording/{RECORDING}?fmt=json&inc={RECORDING_INC}"
        ),
    ],
    bad_scopes=[
        ("artist", "Ada Lov"),
        ("artist", "036000291452"),
        ("label", ""),
        ("release", "036000291453"),
        ("release", "724"),
        ("recording", "GBABC19"),
        ("feed", ""),
    ],
    said=[
        Said(
            name="artist",
            request=lookup(f"artist/{ARTIST}"),
            body=ADA,
            page=Page(records=(ADA_RECORD,), follow_ups=(browse("artist", ARTIST, 0),)),
        ),
        Said(
            name="merged artist",
            request=lookup(f"artist/{GUEST}"),
            body=ADA,
            page=Page(
                records=(ADA_RECORD,),
                follow_ups=(browse("artist", ARTIST, 0),),
                merged=(MergedId(kind="artist", old=GUEST, new=ARTIST),),
            ),
        ),
        Said(
            name="label",
            request=lookup(f"label/{mbid(98)}"),
            body={"id": LABEL, "name": "Moss", "label-code": 5},
            page=Page(follow_ups=(browse("label", LABEL, 0),)),
        ),
        Said(
            name="artist with releases and recordings, as others ask for it",
            request=lookup(f"artist/{ARTIST}", "releases recordings"),
            body={**ADA, "releases": [FULL, {"id": SECOND}], "recordings": [{**SOUND, "id": OTHER}]},
            page=Page(
                records=(
                    *FULL_RECORDS,
                    msgspec.structs.replace(SOUND_RECORD, external_id=OTHER, recording_id=OTHER),
                ),
                rejected=(
                    RejectedItem(
                        path="$.releases[1]",
                        reason="Object missing required field `title`",
                        excerpt=f'{{"id": "{SECOND}"}}',
                    ),
                ),
                follow_ups=(browse("artist", ARTIST, 0),),
            ),
        ),
        Said(
            name="label with releases, as others ask for it",
            request=lookup(f"label/{LABEL}", "releases"),
            body={"id": LABEL, "name": "Moss", "label-code": 5, "releases": [FULL]},
            page=Page(records=FULL_RECORDS, follow_ups=(browse("label", LABEL, 0),)),
        ),
        Said(
            name="recording with its places, as others ask for it",
            request=lookup(f"recording/{RECORDING}", "releases media"),
            body={
                **SOUND,
                "releases": [
                    {
                        "id": RELEASE,
                        "title": "First Light",
                        "media": [
                            {
                                "position": 2,
                                "track-count": 19,
                                "tracks": [{"id": TRACK, "title": "Dawn", "number": "A1", "position": 3}],
                            }
                        ],
                    }
                ],
            },
            page=Page(
                records=(
                    ADA_RECORD,
                    SOUND_RECORD,
                    ReleaseRecord(external_id=RELEASE, title="First Light"),
                    msgspec.structs.replace(
                        SOUND_RECORD, external_id=TRACK, release_id=RELEASE, disc=2, position=3, number="A1"
                    ),
                )
            ),
        ),
        Said(
            name="release",
            request=lookup(f"release/{RELEASE}", RELEASE_INC),
            body=FULL,
            page=Page(records=FULL_RECORDS),
        ),
        Said(
            name="browse with more to come",
            request=browse("artist", ARTIST, 100),
            body={"releases": [FULL, {"id": SECOND}], "release-count": 103, "release-offset": 100},
            page=Page(
                records=FULL_RECORDS,
                rejected=(
                    RejectedItem(
                        path="$.releases[1]",
                        reason="Object missing required field `title`",
                        excerpt=f'{{"id": "{SECOND}"}}',
                    ),
                ),
                follow_ups=(
                    page_after(
                        browse("artist", ARTIST, 100), {"offset": "102"}, 103, seam={"offset": "101", "limit": "1"}
                    ),
                ),
                total=103,
            ),
        ),
        Said(
            name="search by barcode",
            request=Request(path="release", params={"query": "barcode:036000291452", "fmt": "json"}),
            body={"count": 1, "offset": 0, "releases": [{"id": RELEASE, "score": 100, "title": "First Light"}]},
            page=Page(
                follow_ups=(
                    Request(
                        path=f"release/{RELEASE}",
                        params={"inc": RELEASE_INC, "fmt": "json"},
                        refreshes=("release", RELEASE),
                    ),
                )
            ),
        ),
        Said(
            name="search of some years ago: numbers as texts, credited names only where they differ",
            request=Request(path="recording", params={"query": "dawn", "fmt": "json"}),
            body={"recordings": [{**SOUND, "length": "201000", "artist-credit": [{"artist": ADA}]}]},
            page=Page(records=(ADA_RECORD, SOUND_RECORD)),
        ),
        Said(
            name="release of some years ago: no positions",
            request=lookup(f"release/{RELEASE}", RELEASE_INC),
            body={
                "id": RELEASE,
                "title": "First Light",
                "media": [
                    {"position": 2, "tracks": [{"id": TRACK, "title": "Dawn", "number": "A1", "recording": SOUND}]}
                ],
            },
            page=Page(
                records=(
                    ReleaseRecord(external_id=RELEASE, title="First Light"),
                    ADA_RECORD,
                    msgspec.structs.replace(SOUND_RECORD, external_id=TRACK, release_id=RELEASE, disc=2, number="A1"),
                )
            ),
        ),
        Said(
            name="recordings of an ISRC",
            request=lookup("isrc/GBABC1900001", RECORDING_INC),
            body={
                "isrc": "GBABC1900001",
                "recordings": [
                    {
                        "id": RECORDING,
                        "title": "Dawn",
                        "length": 201000,
                        "releases": [{"id": RELEASE, "title": "First Light", "date": "", "barcode": None}],
                    }
                ],
            },
            page=Page(
                records=(
                    TrackRecord(
                        external_id=RECORDING,
                        recording_id=RECORDING,
                        title="Dawn",
                        isrcs=("GBABC1900001",),
                        duration_ms=201000,
                    ),
                    ReleaseRecord(external_id=RELEASE, title="First Light", released=None, gtin=None),
                )
            ),
        ),
        Said(
            name="recording on as many releases as are embedded at most",
            request=lookup(f"recording/{RECORDING}", RECORDING_INC),
            body={"id": RECORDING, "title": "Dawn", "releases": [*STUBS[:24], {"id": SECOND}]},
            page=Page(
                records=(
                    TrackRecord(external_id=RECORDING, recording_id=RECORDING, title="Dawn"),
                    *(ReleaseRecord(external_id=str(stub["id"]), title="First Light") for stub in STUBS[:24]),
                ),
                rejected=(
                    RejectedItem(
                        path="$.releases[24]",
                        reason="Object missing required field `title`",
                        excerpt=f'{{"id": "{SECOND}"}}',
                    ),
                ),
                follow_ups=(browse("recording", RECORDING, 0, STUB_INC),),
            ),
        ),
        Said(
            name="releases of a recording",
            request=browse("recording", RECORDING, 0, STUB_INC),
            body={
                "releases": [{"id": RELEASE, "title": "First Light", "artist-credit": CREDIT}],
                "release-count": 2,
                "release-offset": 0,
            },
            page=Page(
                records=(
                    ADA_RECORD,
                    BEN_RECORD,
                    ReleaseRecord(external_id=RELEASE, title="First Light", credits=CREDITS),
                ),
                follow_ups=(
                    page_after(browse("recording", RECORDING, 0, STUB_INC), {"offset": "1"}, 2, seam={"limit": "1"}),
                ),
                total=2,
            ),
        ),
        Said(
            name="merged recording",
            request=lookup(f"recording/{OTHER}", RECORDING_INC),
            body=SOUND,
            page=Page(
                records=(
                    ADA_RECORD,
                    TrackRecord(
                        external_id=RECORDING,
                        recording_id=RECORDING,
                        title="Dawn",
                        isrcs=("GBABC1900001", "odd"),
                        duration_ms=201000,
                        credits=(Credit(name="Ada Lov", artist_id=ARTIST),),
                    ),
                ),
                merged=(MergedId(kind="track", old=OTHER, new=RECORDING),),
            ),
        ),
    ],
    refused=[
        Refused(
            name="over the rate",
            status=503,
            body=b'{"error":"Your requests are exceeding the allowable rate limit.","help":"see"}',
            error=RateLimited,
            says="503 Your requests are exceeding the allowable rate limit.",
        ),
        Refused(
            name="shed load",
            status=503,
            headers={"retry-after": "0", "x-ratelimit-who": "search-shed"},
            body=b"busy",
            error=Shed,
        ),
        Refused(name="not found", status=404, body=b'{"error":"Not Found","help":"see"}', error=Gone, says="Not Found"),
        Refused(
            name="bad request", status=400, body=b'{"error":"Invalid mbid."}', error=Permanent, says="Invalid mbid"
        ),
        Refused(name="broken", status=502, body=b"<html>", error=Transient, says="<html>"),
    ],
    items=ListForm(
        request=browse("artist", ARTIST, 0),
        name="releases",
        envelope={"release-count": 0, "release-offset": 0},
        item=SMALL,
        title=("media", "tracks", "title"),
        number=("media", "tracks", "length"),
        digits=True,
    ),
    start=Scoped(kind="artist", given=ARTIST, key=ARTIST, asks=""),
    walk={
        f"artist/{ARTIST}?fmt=json": ADA,
        browse("artist", ARTIST, 0).key: {"releases": [FULL], "release-count": 2, "release-offset": 0},
        browse("artist", ARTIST, 1).key: {"releases": [SMALL], "release-count": 2, "release-offset": 1},
    },
    reached=[HIDDEN, TRACK, DATA, mbid(60)],
)
