import json

import msgspec
from msgspec import UNSET

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
    TrackRecord,
    Transient,
)
from musicsync.records import Refused as CredentialRefused
from tests.contract.spec import ListForm, Refused, Said, Scoped, Spec


def sid(number: int) -> str:
    return f"{number:021}x"


ADA_ID, BEN_ID, ALBUM_ID, DAWN_ID, DUSK_ID = sid(11), sid(12), sid(21), sid(31), sid(32)
ADA = {"external_urls": {"spotify": "x"}, "id": ADA_ID, "name": "Ada Lov", "type": "artist", "uri": "x"}
BEN = {**ADA, "id": BEN_ID, "name": "Bén"}
NOBODY = {"external_urls": {}, "href": None, "id": None, "name": "A friend", "type": "artist", "uri": None}
WHOLE_ARTIST = {**ADA, "followers": {"href": None, "total": 7}, "genres": ["folk"], "images": [], "popularity": 40}
LISTED_ALBUM = {
    "album_group": "single",
    "album_type": "SINGLE",
    "artists": [ADA],
    "available_markets": ["US", "DE"],
    "id": ALBUM_ID,
    "images": [],
    "name": "First Light",
    "release_date": "2019-05",
    "release_date_precision": "month",
    "total_tracks": 2,
    "type": "album",
}
DAWN = {
    "duration_ms": 201234,
    "artists": [ADA, BEN],
    "available_markets": [],
    "disc_number": 1,
    "explicit": True,
    "id": DAWN_ID,
    "name": "Dawn - Live",
    "preview_url": "https://p.scdn.example/x?signed=1",
    "track_number": 1,
    "type": "track",
}
DUSK = {**DAWN, "id": DUSK_ID, "name": "Dusk", "duration_ms": 0, "explicit": False, "artists": [ADA], "track_number": 2}
NEXT = f"https://elsewhere.example/v1/albums/{ALBUM_ID}/tracks?offset=1&limit=1&market=DE"
ALBUM = {
    **LISTED_ALBUM,
    "artists": [ADA, BEN],
    "copyrights": [{"text": "x", "type": "C"}],
    "external_ids": {"upc": "36000291452"},
    "genres": [],
    "label": "Moss",
    "popularity": 3,
    "tracks": {"href": "x", "items": [DAWN], "limit": 1, "next": NEXT, "offset": 0, "total": 2},
}
WHOLE_TRACK = {
    **DAWN,
    "album": LISTED_ALBUM,
    "available_markets": ["GB", "DE", "GB"],
    "disc_number": 1.0,
    "duration_ms": 201234.0,
    "external_ids": {"isrc": "gb-abc-19-00001"},
    "popularity": 12.5,
}
ADA_RECORD = ArtistRecord(external_id=ADA_ID, name="Ada Lov")
BEN_RECORD = ArtistRecord(external_id=BEN_ID, name="Bén")
BY_ADA = (Credit(name="Ada Lov", artist_id=ADA_ID),)
BY_BOTH = (Credit(name="Ada Lov", artist_id=ADA_ID, join_phrase=", "), Credit(name="Bén", artist_id=BEN_ID))
STUB_RECORD = ReleaseRecord(
    external_id=ALBUM_ID,
    title="First Light",
    type="single",
    released="2019-05",
    track_count=2,
    territories=("DE", "US"),
    credits=BY_ADA,
)
ALBUM_RECORD = msgspec.structs.replace(STUB_RECORD, gtin="00036000291452", label="Moss", credits=BY_BOTH)
DAWN_RECORD = TrackRecord(
    external_id=DAWN_ID,
    title="Dawn - Live",
    release_id=ALBUM_ID,
    disc=1,
    position=1,
    duration_ms=201234,
    explicit=True,
    territories=(),
    credits=BY_BOTH,
)
DUSK_RECORD = msgspec.structs.replace(
    DAWN_RECORD,
    external_id=DUSK_ID,
    title="Dusk",
    position=2,
    duration_ms=None,
    explicit=False,
    credits=BY_ADA,
)
WHOLE_RECORD = msgspec.structs.replace(DAWN_RECORD, isrcs=("GBABC1900001",), territories=("DE", "GB"))
DETAILS = ("release", ALBUM_ID)


def albums(offset: int = 0) -> Request:
    params = {"include_groups": "album,single,compilation", "limit": "10", "offset": str(offset)}
    return Request(path=f"artists/{ADA_ID}/albums", params=params)


def tracks(offset: int = 0, limit: int = 50, *, details: bool = False) -> Request:
    params = {"limit": str(limit), "offset": str(offset)}
    return Request(path=f"albums/{ALBUM_ID}/tracks", params=params, refreshes=DETAILS if details else None)


def several(*ids: str, details: bool = False) -> Request:
    return Request(path="tracks", params={"ids": ",".join(ids)}, refreshes=DETAILS if details else None)


def search(kind: str, query: str) -> Request:
    return Request(path="search", params={"q": query, "type": kind, "limit": "10", "offset": "0"})


def error(status: int, message: str = "because") -> bytes:
    return json.dumps({"error": {"status": status, "message": message}}).encode()


def paging(*items: object, after: str | None = None) -> dict[str, object]:
    return {"href": "x", "items": list(items), "limit": 50, "next": after, "offset": 0, "total": len(items)}


_UPC = search("album", "upc:036000291452")
_ISRC = search("track", "isrc:GBABC1900001")

TRACKS_AFTER = page_after(
    Request(path=f"albums/{ALBUM_ID}"), {"limit": "1", "offset": "1"}, 2, path=f"albums/{ALBUM_ID}/tracks"
)

SPEC = Spec(
    adapter=registry.get("spotify"),
    scopes=[
        Scoped(kind="artist", given=f" {ADA_ID} ", key=ADA_ID, asks=f"artists/{ADA_ID}"),
        Scoped(kind="release", given=ALBUM_ID, key=ALBUM_ID, asks=f"albums/{ALBUM_ID}"),
        Scoped(kind="release", given="0 36000 29145 2", key="036000291452", asks=_UPC.key),
        Scoped(kind="recording", given=DAWN_ID, key=DAWN_ID, asks=f"tracks/{DAWN_ID}"),
        Scoped(kind="recording", given="gb-abc-19-00001", key="GBABC1900001", asks=_ISRC.key),
        Scoped(kind="feed", given="", key="", asks="browse/new-releases?limit=50&offset=0"),
    ],
    bad_scopes=[
        ("artist", "Daft Punk"),
        ("artist", ""),
        ("artist", "spotify:artist:1"),
        ("release", "036000291453"),
        ("recording", "GBABC19"),
        ("label", "Moss"),
        ("feed", "x"),
    ],
    said=[
        Said(
            name="artist by an id that leads to another",
            request=Request(path=f"artists/{sid(10)}"),
            body=WHOLE_ARTIST,
            page=Page(
                records=(ADA_RECORD,),
                follow_ups=(albums(),),
                merged=(MergedId(kind="artist", old=sid(10), new=ADA_ID),),
            ),
        ),
        Said(
            name="albums of an artist",
            request=albums(),
            body=paging(LISTED_ALBUM, after="https://api.spotify.com/v1/artists/x/albums?offset=5&limit=5"),
            page=Page(
                records=(ADA_RECORD, STUB_RECORD),
                follow_ups=(
                    Request(path=f"albums/{ALBUM_ID}", refreshes=DETAILS),
                    page_after(albums(), {"offset": "5", "limit": "5"}, 1),
                ),
                total=1,
            ),
        ),
        Said(
            name="a next that leads nowhere, and no list",
            request=albums(),
            body={"items": None, "next": "https://api.example/x?offset=soon"},
            page=Page(
                rejected=(
                    RejectedItem(
                        path="$.next", reason="has no offset to go on at", excerpt='"https://api.example/x?offset=soon"'
                    ),
                )
            ),
        ),
        Said(
            name="album",
            request=Request(path=f"albums/{ALBUM_ID}"),
            body=ALBUM,
            page=Page(
                records=(ADA_RECORD, BEN_RECORD, ALBUM_RECORD, DAWN_RECORD),
                follow_ups=(several(DAWN_ID), TRACKS_AFTER),
                total=2,
            ),
        ),
        Said(
            name="details of a listed album, of which one track is wrong",
            request=Request(path=f"albums/{ALBUM_ID}", refreshes=DETAILS),
            body={
                **ALBUM,
                "release_date": "0000",
                "label": "",
                "available_markets": None,
                "external_ids": {"ean": "4006381333931"},
                "tracks": paging({**DAWN, "id": None}, DAWN),
            },
            page=Page(
                records=(
                    ADA_RECORD,
                    BEN_RECORD,
                    msgspec.structs.replace(
                        ALBUM_RECORD, gtin="04006381333931", released=None, label=None, territories=None
                    ),
                    DAWN_RECORD,
                ),
                rejected=(
                    RejectedItem(
                        path="$.tracks.items[0]",
                        reason="Expected `str`, got `null` - at `$.id`",
                        excerpt=json.dumps({**DAWN, "id": None}, ensure_ascii=False)[:300],
                    ),
                ),
                follow_ups=(several(DAWN_ID, details=True),),
                total=2,
            ),
        ),
        Said(
            name="tracks of an album, one of which stands in for another",
            request=tracks(50, details=True),
            body=paging({**DAWN, "id": sid(99), "linked_from": {"id": DAWN_ID, "type": "track"}}, DUSK),
            page=Page(
                records=(
                    ADA_RECORD,
                    BEN_RECORD,
                    DAWN_RECORD,
                    DUSK_RECORD,
                ),
                follow_ups=(several(DAWN_ID, DUSK_ID, details=True),),
                total=2,
            ),
        ),
        Said(
            name="tracks of an album, one of which stands in for another that only its URI names",
            request=tracks(50),
            body=paging(
                {**DAWN, "id": sid(99), "linked_from": {"id": None, "uri": f"spotify:track:{DAWN_ID}"}},
                {**DUSK, "id": sid(98), "linked_from": {"id": None, "uri": "spotify:local:x"}},
                {**DUSK, "linked_from": {}},
            ),
            page=Page(
                records=(
                    ADA_RECORD,
                    BEN_RECORD,
                    DAWN_RECORD,
                    msgspec.structs.replace(DUSK_RECORD, external_id=sid(98)),
                    DUSK_RECORD,
                ),
                follow_ups=(several(DAWN_ID, sid(98), DUSK_ID),),
                total=3,
            ),
        ),
        Said(
            name="several albums, each with its tracks",
            request=Request(path="albums", params={"ids": f"{ALBUM_ID},{sid(22)},{sid(23)}"}),
            body={"albums": [ALBUM, None, {**LISTED_ALBUM, "id": sid(23), "tracks": paging(DUSK, None)}]},
            page=Page(
                records=(
                    ADA_RECORD,
                    BEN_RECORD,
                    ALBUM_RECORD,
                    DAWN_RECORD,
                    msgspec.structs.replace(STUB_RECORD, external_id=sid(23)),
                    msgspec.structs.replace(DUSK_RECORD, release_id=sid(23)),
                ),
                rejected=(
                    RejectedItem(
                        path="$.albums[2].tracks.items[1]", reason="Expected `object`, got `null`", excerpt="null"
                    ),
                ),
                follow_ups=(several(DAWN_ID), TRACKS_AFTER, several(DUSK_ID)),
            ),
        ),
        Said(
            name="several tracks, one of them unknown",
            request=several(DAWN_ID, DUSK_ID),
            body={
                "tracks": [None, WHOLE_TRACK, {**WHOLE_TRACK, "id": sid(33), "external_ids": {}, "artists": [NOBODY]}]
            },
            page=Page(
                records=(
                    ADA_RECORD,
                    STUB_RECORD,
                    BEN_RECORD,
                    WHOLE_RECORD,
                    msgspec.structs.replace(
                        WHOLE_RECORD, external_id=sid(33), isrcs=(), credits=(Credit(name="A friend"),)
                    ),
                )
            ),
        ),
        Said(
            name="track that stands in for the one asked for",
            request=Request(path=f"tracks/{sid(30)}"),
            body={**WHOLE_TRACK, "linked_from": {"id": sid(30)}, "restrictions": {"reason": "market"}},
            page=Page(records=(ADA_RECORD, STUB_RECORD, BEN_RECORD, WHOLE_RECORD)),
        ),
        Said(
            name="search for a barcode",
            request=_UPC,
            body={"albums": paging(LISTED_ALBUM, None)},
            page=Page(
                records=(ADA_RECORD, STUB_RECORD),
                rejected=(
                    RejectedItem(path="$.albums.items[1]", reason="Expected `object`, got `null`", excerpt="null"),
                ),
                follow_ups=(Request(path=f"albums/{ALBUM_ID}", refreshes=DETAILS),),
                total=2,
            ),
        ),
        Said(
            name="search for an ISRC that finds others too",
            request=_ISRC,
            body={
                "tracks": paging({**WHOLE_TRACK, "id": DUSK_ID, "external_ids": {"isrc": "GBABC1900002"}}, WHOLE_TRACK)
            },
            page=Page(records=(ADA_RECORD, STUB_RECORD, BEN_RECORD, WHOLE_RECORD), total=2),
        ),
        Said(
            name="new releases",
            request=Request(path="browse/new-releases", params={"limit": "50", "offset": "0"}),
            body={"albums": paging(LISTED_ALBUM, after="https://api.spotify.com/v1/x?offset=50&limit=50")},
            page=Page(
                records=(ADA_RECORD, STUB_RECORD),
                follow_ups=(
                    Request(path=f"albums/{ALBUM_ID}", refreshes=DETAILS),
                    page_after(
                        Request(path="browse/new-releases", params={"limit": "50", "offset": "0"}), {"offset": "50"}, 1
                    ),
                ),
                total=1,
            ),
        ),
    ],
    refused=[
        Refused(name="old token", status=401, body=error(401, "The access token expired"), error=CredentialRefused),
        Refused(name="forbidden", status=403, body=error(403), error=CredentialRefused, says="because"),
        Refused(name="not found", status=404, body=error(404, "Resource not found"), error=Gone, says="not found"),
        Refused(
            name="over the rate",
            status=429,
            headers={"retry-after": "79892"},
            body=error(429, "API rate limit exceeded"),
            error=RateLimited,
            says="API rate limit exceeded",
            retry_after=79892.0,
        ),
        Refused(name="bad id", status=400, body=error(400, "invalid id"), error=Permanent, says="invalid id"),
        Refused(name="broken", status=502, body=b"Bad gateway.", error=Transient, says="Bad gateway."),
        Refused(name="over the rate inside 200", body=error(429), error=RateLimited, says="429 because"),
        Refused(name="not found inside 200", body=error(404), error=Gone, says="404 because"),
        Refused(name="old token inside 200", body=error(401), error=CredentialRefused, says="credential"),
        Refused(
            name="no client inside 200",
            body=b'{"error": "invalid_client", "error_description": "Invalid client"}',
            error=CredentialRefused,
            says="invalid_client: Invalid client",
        ),
        Refused(name="error in words", body=b'{"error": "Not today"}', error=Permanent, says="Not today"),
    ],
    items=ListForm(
        request=tracks(),
        name="items",
        envelope={"total": 9, "next": None},
        item=DAWN,
        title=("name",),
        number=("duration_ms",),
    ),
    start=Scoped(kind="artist", given=ADA_ID, key=ADA_ID, asks=""),
    walk={
        f"artists/{ADA_ID}": WHOLE_ARTIST,
        albums().key: paging(LISTED_ALBUM),
        f"albums/{ALBUM_ID}": ALBUM,
        several(DAWN_ID).key: {"tracks": [WHOLE_TRACK]},
        tracks(1, 1).key: paging(DUSK),
        several(DUSK_ID).key: {"tracks": [None]},
    },
    reached=[DAWN_ID, DAWN_ID, DUSK_ID],
)


def without(body: dict[str, object]) -> dict[str, object]:
    """Return an album or a track as an app in development mode gets it."""
    return {name: value for name, value in body.items() if name not in ("available_markets", "label", "popularity")}


DEVELOPMENT = msgspec.structs.replace(
    SPEC,
    adapter=registry.get("spotify-development"),
    scopes=[scope for scope in SPEC.scopes if scope.kind != "feed"],
    said=[
        SPEC.said[0],
        Said(
            name="album",
            request=Request(path=f"albums/{ALBUM_ID}", refreshes=DETAILS),
            body=without({**ALBUM, "tracks": paging(without(DAWN), without(DUSK))}),
            page=Page(
                records=(
                    *(ADA_RECORD, BEN_RECORD),
                    msgspec.structs.replace(ALBUM_RECORD, label=UNSET, territories=UNSET),
                    msgspec.structs.replace(DAWN_RECORD, territories=UNSET),
                    msgspec.structs.replace(
                        DAWN_RECORD,
                        external_id=DUSK_ID,
                        title="Dusk",
                        position=2,
                        duration_ms=None,
                        explicit=False,
                        territories=UNSET,
                        credits=BY_ADA,
                    ),
                ),
                follow_ups=(
                    Request(path=f"tracks/{DAWN_ID}", refreshes=DETAILS),
                    Request(path=f"tracks/{DUSK_ID}", refreshes=DETAILS),
                ),
                total=2,
            ),
        ),
    ],
    walk={
        f"artists/{ADA_ID}": WHOLE_ARTIST,
        albums().key: paging(LISTED_ALBUM),
        f"albums/{ALBUM_ID}": {**ALBUM, "tracks": paging(DAWN)},
        f"tracks/{DAWN_ID}": WHOLE_TRACK,
    },
    reached=[DAWN_ID, DAWN_ID],
)
