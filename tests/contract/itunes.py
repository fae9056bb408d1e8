from musicsync.providers import registry
from musicsync.records import (
    ArtistRecord,
    Credit,
    Gone,
    MergedId,
    Page,
    Permanent,
    RateLimited,
    ReleaseRecord,
    Request,
    TrackRecord,
    Transient,
)
from tests.contract.spec import ListForm, Refused, Said, Scoped, Spec

ARTIST = {"wrapperType": "artist", "artistType": "Artist", "artistName": "Ada & The Lov", "artistId": 11}
ALBUM = {
    "wrapperType": "collection",
    "collectionType": "Album",
    "artistId": 12,
    "collectionId": 21,
    "artistName": "Bén",
    "collectionName": "First Light - EP",
    "collectionPrice": -1.00,
    "collectionExplicitness": "explicit",
    "trackCount": 3,
    "copyright": "℗ 2019 Moss",
    "country": "GBR",
    "releaseDate": "2019-05-17T07:00:00Z",
    "primaryGenreName": "Folk",
}
SONG = {
    "wrapperType": "track",
    "kind": "song",
    "artistId": 12,
    "collectionId": 21,
    "trackId": 31,
    "artistName": "Bén",
    "collectionName": "First Light - EP",
    "trackName": "Dawn (Live)",
    "trackPrice": -1.00,
    "previewUrl": "https://audio.example/x.m4a",
    "releaseDate": "1998-04-27T12:00:00Z",
    "collectionExplicitness": "explicit",
    "trackExplicitness": "cleaned",
    "discCount": 2,
    "discNumber": 2,
    "trackCount": 3,
    "trackNumber": 1,
    "trackTimeMillis": 201500,
    "country": "GBR",
    "isStreamable": True,
}
OTHER = {
    **SONG,
    "trackId": 32,
    "trackName": "Dusk",
    "trackNumber": 2,
    "trackExplicitness": "explicit",
    "artistName": "Bén, Cy & Di",
    "collectionArtistId": 4035426,
    "collectionArtistName": "Various Artists",
}
VIDEO = {**SONG, "kind": "music-video", "trackId": 33, "trackName": "Dawn (Video)", "trackNumber": 3}
BOOKLET = {**SONG, "kind": "interactive-booklet", "trackId": 34, "trackName": "Booklet"}
BEN = ArtistRecord(external_id="12", name="Bén")
EP = ReleaseRecord(
    external_id="21",
    title="First Light",
    type="ep",
    released="2019-05-17",
    explicit=True,
    track_count=3,
    genres=("Folk",),
    territories=("GB",),
    credits=(Credit(name="Bén", artist_id="12"),),
)
DAWN = TrackRecord(
    external_id="31",
    release_id="21",
    disc=2,
    position=1,
    title="Dawn (Live)",
    duration_ms=201_500,
    explicit=False,
    territories=("GB",),
    credits=(Credit(name="Bén", artist_id="12"),),
)
DUSK = TrackRecord(
    external_id="32",
    release_id="21",
    disc=2,
    position=2,
    title="Dusk",
    duration_ms=201_500,
    explicit=True,
    territories=("GB",),
    credits=(Credit(name="Bén, Cy & Di"),),
)


def albums(artist: int) -> Request:
    params = {"id": str(artist), "entity": "album", "limit": "200", "sort": "recent", "country": "gb"}
    return Request(path="lookup", params=params)


def songs(number: str, by: str = "id", *, listed: bool = False) -> Request:
    params = {by: number, "entity": "song", "limit": "200", "country": "gb"}
    return Request(path="lookup", params=params, refreshes=("release", number) if listed else None)


def answer(*results: object) -> dict[str, object]:
    return {"resultCount": len(results), "results": list(results)}


SPEC = Spec(
    adapter=registry.get("itunes").configured({"country": "gb"}),
    scopes=[
        Scoped(
            kind="artist",
            given=" 0909253 ",
            key="909253",
            asks="lookup?country=gb&entity=album&id=909253&limit=200&sort=recent",
        ),
        Scoped(
            kind="release",
            given="255636575",
            key="255636575",
            asks="lookup?country=gb&entity=song&id=255636575&limit=200",
        ),
        Scoped(
            kind="release",
            given="0 36000 29145 2",
            key="036000291452",
            asks="lookup?country=gb&entity=song&limit=200&upc=036000291452",
        ),
        Scoped(kind="recording", given="255636631", key="255636631", asks="lookup?country=gb&id=255636631"),
    ],
    bad_scopes=[
        ("artist", "Ada Lov"),
        ("artist", "1@gb"),
        ("release", "036000291453"),
        ("recording", "GBABC1900001"),
        ("label", "1"),
        ("feed", ""),
    ],
    said=[
        Said(
            name="albums of an artist, who was asked for by another id",
            request=albums(10),
            body=answer(ARTIST, ALBUM),
            page=Page(
                records=(
                    ArtistRecord(external_id="11", name="Ada & The Lov"),
                    BEN,
                    ReleaseRecord(
                        external_id="21",
                        title="First Light",
                        type="ep",
                        released="2019-05-17",
                        explicit=True,
                        track_count=3,
                        genres=("Folk",),
                        territories=("GB",),
                        credits=(Credit(name="Bén", artist_id="12"),),
                    ),
                ),
                follow_ups=(songs("21", listed=True),),
                merged=(MergedId(kind="artist", old="10", new="11"),),
            ),
        ),
        Said(
            name="songs of an album among other things",
            request=songs("20", listed=True),
            body=answer(ALBUM, SONG, VIDEO, OTHER, BOOKLET),
            page=Page(
                records=(BEN, EP, DAWN, DUSK),
                merged=(MergedId(kind="release", old="20", new="21"),),
            ),
        ),
        Said(
            name="the album with a UPC",
            request=songs("036000291452", "upc"),
            body=answer({**ALBUM, "artistName": "Bén & Cy", "collectionName": "First Light"}),
            page=Page(
                records=(
                    ReleaseRecord(
                        external_id="21",
                        title="First Light",
                        gtin="00036000291452",
                        type="album",
                        released="2019-05-17",
                        explicit=True,
                        track_count=3,
                        genres=("Folk",),
                        territories=("GB",),
                        credits=(Credit(name="Bén & Cy"),),
                    ),
                )
            ),
        ),
        Said(
            name="two editions with a UPC, and nothing said of them",
            request=songs("036000291452", "upc"),
            body=answer(
                {"wrapperType": "collection", "collectionId": 21, "collectionName": "First Light"},
                {"wrapperType": "collection", "collectionId": 22, "collectionName": "Second - Single"},
            ),
            page=Page(
                records=(
                    ReleaseRecord(
                        external_id="21",
                        title="First Light",
                        type=None,
                        released=None,
                        track_count=None,
                        genres=(),
                        territories=("GB",),
                    ),
                    ReleaseRecord(
                        external_id="22",
                        title="Second",
                        type="single",
                        released=None,
                        track_count=None,
                        genres=(),
                        territories=("GB",),
                    ),
                )
            ),
        ),
        Said(
            name="song by another id, with the album that it names",
            request=Request(path="lookup", params={"id": "30", "country": "gb"}),
            body=answer(OTHER),
            page=Page(
                records=(
                    ArtistRecord(external_id="4035426", name="Various Artists"),
                    ReleaseRecord(
                        external_id="21",
                        title="First Light",
                        type="ep",
                        explicit=True,
                        territories=("GB",),
                        credits=(Credit(name="Various Artists", artist_id="4035426"),),
                    ),
                    DUSK,
                ),
                merged=(MergedId(kind="track", old="30", new="32"),),
            ),
        ),
        Said(
            name="song on no album, of which little is known",
            request=Request(path="lookup", params={"id": "31", "country": "gb"}),
            body=answer({"wrapperType": "track", "kind": "song", "trackId": 31, "trackName": "Dawn"}),
            page=Page(records=(TrackRecord(external_id="31", title="Dawn", territories=("GB",)),)),
        ),
        Said(
            name="search that finds nothing",
            request=Request(path="search", params={"term": "x", "country": "gb"}),
            body=answer(),
            page=Page(),
        ),
    ],
    refused=[
        Refused(
            name="not found",
            body=b'{"resultCount": 0, "results": []}',
            error=Gone,
            says="the store of GB has no id 10",
        ),
        Refused(
            name="country without a store",
            status=400,
            body=b'{"errorMessage": "Invalid value(s) for key(s): [country]", "queryParameters": {"country": "x"}}',
            error=Permanent,
            says="400 Invalid value(s) for key(s): [country] (the country among the provider's options has",
        ),
        Refused(
            name="an error in an answer",
            body=b'{"errorMessage": "Invalid value(s) for key(s): [limit]", "queryParameters": {}}',
            error=Permanent,
            says="GET /lookup: Invalid value(s) for key(s): [limit]",
        ),
        Refused(name="over the rate", status=403, body=b"", error=RateLimited, says="403"),
        Refused(name="over the rate in words", status=429, body=b"slow down", error=RateLimited, says="429 slow down"),
        Refused(name="another API", body=b'{"data": [{"id": "1", "type": "albums"}]}', error=Permanent, says="results"),
        Refused(name="no such path", status=404, body=b"<html>", error=Gone, says="404 <html>"),
        Refused(name="broken", status=503, body=b'{"resultCount": 0}', error=Transient),
    ],
    items=ListForm(
        request=songs("21"),
        name="results",
        envelope={"resultCount": 9},
        item={"wrapperType": "track", "trackTimeMillis": 201500, **SONG},
        title=("trackName",),
        number=("trackTimeMillis",),
    ),
    start=Scoped(kind="artist", given="11", key="11", asks=""),
    walk={
        "lookup?country=gb&entity=album&id=11&limit=200&sort=recent": answer(ARTIST, ALBUM),
        "lookup?country=gb&entity=song&id=21&limit=200": answer(ALBUM, SONG, OTHER, VIDEO),
    },
    reached=["31", "32"],
)
