import json

import msgspec

from musicsync.providers import registry
from musicsync.providers.collect import page_after
from musicsync.records import (
    ArtistRecord,
    Credit,
    Gone,
    Kind,
    MergedId,
    Page,
    Permanent,
    ProviderError,
    RateLimited,
    RejectedItem,
    ReleaseRecord,
    Request,
    TrackRecord,
    Transient,
)
from musicsync.records import Refused as CredentialRefused
from tests.contract.spec import ListForm, Refused, Said, Scoped, Spec

ARTIST = {"id": 11, "name": "Ada Lov", "nb_album": 1, "nb_fan": 7, "picture": "x", "type": "artist"}
GUEST = {"id": 12, "name": "Bén", "role": "Featured", "type": "artist"}
STUB = {"id": 21, "title": "First Light", "release_date": "2019-05-17", "cover": "x", "type": "album"}
LISTED_ALBUM = {**STUB, "record_type": "compile", "explicit_lyrics": True, "fans": 3}
ALBUM = {
    **STUB,
    "upc": "036000291452",
    "label": "Moss",
    "nb_tracks": 2,
    "record_type": "ep",
    "genre_id": -1,
    "genres": {"data": [{"id": 2, "name": "Rock", "type": "genre"}, {"id": 1, "name": "Folk", "type": "genre"}]},
    "explicit_lyrics": False,
    "contributors": [{**ARTIST, "role": "Main"}, GUEST],
    "artist": ARTIST,
    "tracks": {"data": [{"id": 31, "title": "not read here", "type": "track"}]},
}
LISTED = {
    "id": 31,
    "readable": False,
    "title": "Dawn (Live)",
    "title_short": "Dawn",
    "title_version": "(Live)",
    "isrc": "gb-abc-19-00001",
    "duration": 201,
    "track_position": 1,
    "disk_number": 1,
    "rank": 99,
    "explicit_lyrics": False,
    "preview": "x",
    "artist": ARTIST,
    "type": "track",
}
OTHER = {
    **LISTED,
    "id": 32,
    "title": "Dusk",
    "title_short": "Dusk",
    "title_version": "",
    "isrc": "",
    "track_position": 2,
}
TRACK = {
    **LISTED,
    "contributors": [{**ARTIST, "role": "Main"}, GUEST, {**GUEST, "id": 13, "name": "Cy"}],
    "available_countries": ["GB", "DE", "FR"],
    "album": STUB,
}
ADA = ArtistRecord(external_id="11", name="Ada Lov")
BEN = ArtistRecord(external_id="12", name="Bén")
LISTED_RECORD = TrackRecord(
    external_id="31",
    title="Dawn",
    version="Live",
    release_id="21",
    disc=1,
    position=1,
    isrcs=("GBABC1900001",),
    duration_ms=201000,
    explicit=False,
    main_artists=(Credit(name="Ada Lov", artist_id="11"),),
)


def tracks(index: int, refreshes: tuple[Kind, str] | None = None) -> Request:
    return Request(path="album/21/tracks", params={"index": str(index), "limit": "100"}, refreshes=refreshes)


def albums(index: int) -> Request:
    return Request(path="artist/11/albums", params={"index": str(index), "limit": "100"})


def fault(code: int | None, error: type[ProviderError], says: str = "", retry_after: float | None = None) -> Refused:
    body = json.dumps({"error": {"type": "DataException", "message": "because", "code": code}}).encode()
    return Refused(name=f"code {code}", body=body, error=error, says=says or "because", retry_after=retry_after)


SPEC = Spec(
    adapter=registry.get("deezer"),
    scopes=[
        Scoped(kind="artist", given=" 0027 ", key="27", asks="artist/27"),
        Scoped(kind="release", given="302127", key="302127", asks="album/302127"),
        Scoped(kind="release", given="0 36000 29145 2", key="036000291452", asks="album/upc:036000291452"),
        Scoped(kind="release", given="04006381333931", key="4006381333931", asks="album/upc:4006381333931"),
        Scoped(kind="recording", given="gb-abc-19-00001", key="GBABC1900001", asks="track/isrc:GBABC1900001"),
        Scoped(kind="recording", given="3135556", key="3135556", asks="track/3135556"),
        Scoped(kind="feed", given="", key="", asks="editorial/0/releases?index=0&limit=100"),
    ],
    bad_scopes=[
        ("artist", "Daft Punk"),
        ("artist", ""),
        ("artist", "0"),
        ("artist", "-1"),
        ("release", "036000291453"),
        ("recording", "GBABC19"),
        ("label", "1"),
        ("feed", "x"),
    ],
    said=[
        Said(
            name="artist",
            request=Request(path="artist/11"),
            body=ARTIST,
            page=Page(records=(ADA,), follow_ups=(albums(0),)),
        ),
        Said(
            name="merged artist",
            request=Request(path="artist/10"),
            body=ARTIST,
            page=Page(records=(ADA,), follow_ups=(albums(0),), merged=(MergedId(kind="artist", old="10", new="11"),)),
        ),
        Said(
            name="albums of an artist",
            request=albums(0),
            body={"data": [LISTED_ALBUM], "total": 2, "next": "https://elsewhere.example/x?limit=1&index=1"},
            page=Page(
                records=(
                    ReleaseRecord(
                        external_id="21", title="First Light", released="2019-05-17", type="compilation", explicit=True
                    ),
                ),
                follow_ups=(
                    Request(path="album/21", refreshes=("release", "21")),
                    page_after(albums(0), {"index": "1", "limit": "1"}, 2),
                ),
                total=2,
            ),
        ),
        Said(
            name="a next that leads nowhere",
            request=albums(0),
            body={"data": [], "next": "https://api.example/x?index=soon"},
            page=Page(
                rejected=(
                    RejectedItem(
                        path="$.next", reason="has no index to go on at", excerpt='"https://api.example/x?index=soon"'
                    ),
                )
            ),
        ),
        Said(
            name="album asked for by another id",
            request=Request(path="album/20"),
            body=ALBUM,
            page=Page(
                records=(
                    ADA,
                    BEN,
                    ReleaseRecord(
                        external_id="21",
                        title="First Light",
                        gtin="00036000291452",
                        type="ep",
                        released="2019-05-17",
                        label="Moss",
                        explicit=False,
                        track_count=2,
                        genres=("Folk", "Rock"),
                        credits=(
                            Credit(name="Ada Lov", artist_id="11", join_phrase=" feat. "),
                            Credit(name="Bén", artist_id="12"),
                        ),
                    ),
                ),
                follow_ups=(tracks(0),),
                merged=(MergedId(kind="release", old="20", new="21"),),
            ),
        ),
        Said(
            name="tracks of an album",
            request=tracks(0),
            body={"data": [LISTED], "total": 1},
            page=Page(records=(ADA, LISTED_RECORD), total=1),
        ),
        Said(
            name="details of a listed album",
            request=Request(path="album/21", refreshes=("release", "21")),
            body=STUB,
            page=Page(
                records=(ReleaseRecord(external_id="21", title="First Light", released="2019-05-17"),),
                follow_ups=(tracks(0, ("release", "21")),),
            ),
        ),
        Said(
            name="tracks of a listed album, with more to come",
            request=tracks(0, ("release", "21")),
            body={"data": [LISTED], "next": "https://api.deezer.com/album/21/tracks?index=1&limit=100"},
            page=Page(
                records=(ADA, LISTED_RECORD),
                follow_ups=(page_after(tracks(0, ("release", "21")), {"index": "1"}, None),),
            ),
        ),
        Said(
            name="track by its ISRC",
            request=Request(path="track/isrc:GBABC1900001"),
            body=TRACK,
            page=Page(
                records=(
                    ReleaseRecord(external_id="21", title="First Light", released="2019-05-17"),
                    ADA,
                    BEN,
                    ArtistRecord(external_id="13", name="Cy"),
                    TrackRecord(
                        external_id="31",
                        title="Dawn",
                        version="Live",
                        release_id="21",
                        disc=1,
                        position=1,
                        isrcs=("GBABC1900001",),
                        duration_ms=201000,
                        explicit=False,
                        territories=("DE", "FR", "GB"),
                        credits=(
                            Credit(name="Ada Lov", artist_id="11", join_phrase=" feat. "),
                            Credit(name="Bén", artist_id="12", join_phrase=", "),
                            Credit(name="Cy", artist_id="13"),
                        ),
                    ),
                )
            ),
        ),
        Said(
            name="track whose numbers are texts, as they were once",
            request=Request(path="track/31"),
            body={
                **LISTED,
                "id": "31",
                "duration": "201",
                "artist": {**ARTIST, "id": "11"},
                "album": {**STUB, "id": "21"},
            },
            page=Page(
                records=(
                    ReleaseRecord(external_id="21", title="First Light", released="2019-05-17"),
                    ADA,
                    msgspec.structs.replace(LISTED_RECORD, release_id="21"),
                )
            ),
        ),
        Said(
            name="chart",
            request=Request(path="chart/0"),
            body={"artists": {"data": [ARTIST]}, "albums": {"data": [5]}, "playlists": {"data": [1]}},
            page=Page(
                records=(ADA,),
                rejected=(RejectedItem(path="$.albums.data[0]", reason="Expected `object`, got `int`", excerpt="5"),),
            ),
        ),
    ],
    refused=[
        fault(4, RateLimited, "because (code 4)", 5.0),
        fault(800, Gone),
        fault(200, CredentialRefused, "credential"),
        fault(300, CredentialRefused, "credential"),
        fault(500, Permanent),
        fault(501, Permanent),
        fault(600, Permanent),
        fault(700, Transient),
        fault(999, Permanent),
        fault(None, Permanent),
        Refused(name="error in words", body=b'{"error": "Not today"}', error=Permanent, says="Not today"),
        Refused(name="playlist", body=b'{"id": 1, "type": "playlist"}', error=Permanent, says="playlist"),
        Refused(name="done", body=b"true", error=Permanent),
        Refused(name="not found", status=404, body=b'{"error":{"code":800}}', error=Gone),
        Refused(name="broken", status=502, body=b"", error=Transient),
    ],
    items=ListForm(
        request=tracks(0),
        name="data",
        envelope={"total": 9},
        item={name: value for name, value in LISTED.items() if name not in ("title_short", "title_version")},
        number=("duration",),
        digits=True,
    ),
    start=Scoped(kind="artist", given="11", key="11", asks=""),
    walk={
        "artist/11": ARTIST,
        "artist/11/albums?index=0&limit=100": {"data": [LISTED_ALBUM], "total": 1},
        "album/21": ALBUM,
        "album/21/tracks?index=0&limit=100": {"data": [LISTED], "next": "https://api.deezer.com/x?index=1&limit=100"},
        "album/21/tracks?index=1&limit=100": {"data": [OTHER], "prev": "https://api.deezer.com/x?index=0"},
    },
    reached=["31", "32"],
)
