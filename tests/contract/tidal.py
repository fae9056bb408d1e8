import json

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
    TrackRecord,
    Transient,
)
from musicsync.records import Refused as CredentialRefused
from tests.contract.spec import ListForm, Refused, Said, Scoped, Spec


def ref(kind: str, number: int, **meta: object) -> dict[str, object]:
    return {"id": str(number), "type": kind} | ({"meta": meta} if meta else {})


def related(*references: object, after: str = "", kind: str = "artists") -> dict[str, object]:
    links = {"self": f"/x/relationships/{kind}"} | ({"next": after} if after else {})
    return {"data": list(references), "links": links}


def resource(kind: str, number: int, attributes: object, **relationships: object) -> dict[str, object]:
    return {"id": str(number), "type": kind, "attributes": attributes, "relationships": relationships}


def attributes(title: str, **others: object) -> dict[str, object]:
    said = {"title": title, "duration": "PT3M21S", "explicit": False, "popularity": 0.5, "mediaTags": ["LOSSLESS"]}
    return {**said, "availability": ["STREAM", "DJ"], "copyright": {"text": "2019 Moss"}} | others


ADA = resource("artists", 11, {"name": "Ada Lov", "popularity": 0.3})
BEN = resource("artists", 12, {"name": "Bén"})
MOSS = resource("providers", 350, {"name": "Moss"})
COVER = resource("artworks", 9, {"mediaType": "IMAGE", "files": [{"href": "x", "meta": {"width": 1}}]})
BY_BOTH = related(ref("artists", 11), ref("artists", 12))
DAWN = resource("tracks", 31, attributes("Dawn", version="Live", isrc="gb-abc-19-00001"), artists=BY_BOTH)
DUSK_SAID = attributes("Dusk", version=None, isrc="", duration="PT1H2M3.5S", explicit=True, copyright="2019 Moss")
DUSK = resource("tracks", 32, DUSK_SAID, artists=related(ref("artists", 11)))
FILM = resource("videos", 41, attributes("Dawn (Video)", isrc="GBABC1900009"), artists=BY_BOTH)
ALBUM_SAID = attributes(
    "First Light", barcodeId="00036000291452", numberOfItems=2, numberOfVolumes=1, releaseDate="2019-05-17", type="EP"
)
ITEMS = (
    ref("tracks", 31, volumeNumber=1, trackNumber=1),
    ref("videos", 41, volumeNumber=1, trackNumber=2),
)
NEXT = "/albums/21/relationships/items?countryCode=US&page%5Bcursor%5D=3nI1Esi%3D"
ALBUM = resource(
    "albums",
    21,
    ALBUM_SAID,
    artists=BY_BOTH,
    items=related(*ITEMS, after=NEXT, kind="items"),
    providers=related(ref("providers", 350), kind="providers"),
)
STUB = resource("albums", 21, ALBUM_SAID, artists={"links": {"self": "/x"}})

ADA_RECORD = ArtistRecord(external_id="11", name="Ada Lov")
BEN_RECORD = ArtistRecord(external_id="12", name="Bén")
CREDITS = (Credit(name="Ada Lov", artist_id="11", join_phrase=", "), Credit(name="Bén", artist_id="12"))
STUB_RECORD = ReleaseRecord(
    external_id="21",
    title="First Light",
    gtin="00036000291452",
    type="ep",
    released="2019-05-17",
    explicit=False,
    track_count=2,
)
ALBUM_RECORD = msgspec.structs.replace(STUB_RECORD, label="Moss", credits=CREDITS)
DAWN_ALONE = TrackRecord(
    external_id="31",
    title="Dawn",
    version="Live",
    isrcs=("GBABC1900001",),
    duration_ms=201000,
    explicit=False,
    credits=CREDITS,
)
DAWN_RECORD = msgspec.structs.replace(DAWN_ALONE, release_id="21", disc=1, position=1)
DUSK_RECORD = TrackRecord(
    external_id="32",
    title="Dusk",
    version=None,
    release_id="21",
    disc=2,
    position=1,
    isrcs=(),
    duration_ms=3723500,
    explicit=True,
    credits=(Credit(name="Ada Lov", artist_id="11"),),
)
DETAILS = ("release", "21")


def get(path: str, include: str = "", *, details: bool = False, **params: str) -> Request:
    asked = {"countryCode": "US", **({"include": include} if include else {}), **params}
    return Request(path=path, params=asked, refreshes=DETAILS if details else None)


def album(number: int = 21, *, details: bool = False) -> Request:
    return get(f"albums/{number}", "artists,items.artists,providers", details=details)


def items(cursor: str = "", *, details: bool = False) -> Request:
    at = {"page[cursor]": cursor} if cursor else {}
    return get("albums/21/relationships/items", "items.artists", details=details, **at)


def items_after(before: Request, cursor: str) -> Request:
    return page_after(before, {"page[cursor]": cursor}, None)


def by_isrc() -> Request:
    return get("tracks", "artists,albums", **{"filter[isrc]": "GBABC1900001"})


def albums_of(**params: str) -> Request:
    return get("artists/11/relationships/albums", "albums", **params)


def errors(status: object, code: str = "SOME_CODE", detail: str = "because") -> bytes:
    return json.dumps({"errors": [{"id": "x", "status": status, "code": code, "detail": detail}]}).encode()


_BARCODE = get("albums", "artists,items.artists,providers", **{"filter[barcodeId]": "036000291452"})

SPEC = Spec(
    adapter=registry.get("tidal"),
    scopes=[
        Scoped(kind="artist", given=" 0027 ", key="27", asks="artists/27?countryCode=US"),
        Scoped(kind="release", given="302127", key="302127", asks=album(302127).key),
        Scoped(kind="release", given="0 36000 29145 2", key="036000291452", asks=_BARCODE.key),
        Scoped(kind="recording", given="gb-abc-19-00001", key="GBABC1900001", asks=by_isrc().key),
        Scoped(kind="recording", given="31", key="31", asks=get("tracks/31", "artists,albums").key),
    ],
    bad_scopes=[
        ("artist", "Daft Punk"),
        ("artist", "0"),
        ("release", "036000291453"),
        ("recording", "GBABC19"),
        ("label", "350"),
        ("feed", ""),
    ],
    said=[
        Said(
            name="artist by an id that leads to another",
            request=get("artists/10"),
            body={"data": ADA, "links": {"self": "/artists/10"}},
            page=Page(
                records=(ADA_RECORD,),
                follow_ups=(albums_of(),),
                merged=(MergedId(kind="artist", old="10", new="11"),),
            ),
        ),
        Said(
            name="albums of an artist",
            request=albums_of(),
            body={
                "data": [ref("albums", 21)],
                "links": {"next": "https://elsewhere.example/x?page%5Bcursor%5D=abc&include=covers"},
                "included": [STUB],
            },
            page=Page(
                records=(STUB_RECORD,),
                follow_ups=(album(details=True), albums_of(**{"page[cursor]": "abc"})),
            ),
        ),
        Said(
            name="a next that leads nowhere, and nothing else",
            request=albums_of(),
            body={"data": None, "links": {"next": "/x?page=2"}},
            page=Page(
                rejected=(RejectedItem(path="$.links.next", reason="has no cursor to go on at", excerpt='"/x?page=2"'),)
            ),
        ),
        Said(
            name="album with a video among its tracks",
            request=album(20),
            body={"data": ALBUM, "included": [ADA, BEN, MOSS, COVER, DAWN, FILM]},
            page=Page(
                records=(ALBUM_RECORD, DAWN_RECORD, ADA_RECORD, BEN_RECORD),
                follow_ups=(items("3nI1Esi="),),
                merged=(MergedId(kind="release", old="20", new="21"),),
            ),
        ),
        Said(
            name="album by its barcode, of another form, without artists",
            request=_BARCODE,
            body={
                "data": [
                    resource(
                        "albums",
                        21,
                        attributes(
                            "First Light", barcodeId="", albumType="COMPILATION", releaseDate="2019", version=" "
                        ),
                        artists=related(ref("artists", 11)),
                        items={"data": None},
                        providers=related(kind="providers"),
                    )
                ],
                "included": None,
            },
            page=Page(
                records=(
                    ReleaseRecord(
                        external_id="21",
                        title="First Light",
                        version=None,
                        gtin=None,
                        type="compilation",
                        released="2019",
                        label=None,
                        explicit=False,
                    ),
                )
            ),
        ),
        Said(
            name="details of a listed album, one of whose tracks is not there",
            request=album(details=True),
            body={
                "data": {**ALBUM, "relationships": {"items": related(ref("tracks", 33), *ITEMS, after=NEXT)}},
                "included": [DAWN, ADA, BEN],
            },
            page=Page(
                records=(STUB_RECORD, DAWN_RECORD, ADA_RECORD, BEN_RECORD),
                rejected=(
                    RejectedItem(
                        path="$.included[tracks]",
                        reason="is named without a title",
                        excerpt='{"type": "tracks", "id": "33"}',
                    ),
                ),
                follow_ups=(items_after(items(details=True), "3nI1Esi="),),
            ),
        ),
        Said(
            name="further items of an album",
            request=items("3nI1Esi=", details=True),
            body={
                "data": [ref("tracks", 32, volumeNumber=2, trackNumber=1)],
                "links": {"next": "/albums/21/relationships/items?page%5Bcursor%5D=more"},
                "included": [DUSK, ADA],
            },
            page=Page(
                records=(DUSK_RECORD, ADA_RECORD), follow_ups=(items_after(items("3nI1Esi=", details=True), "more"),)
            ),
        ),
        Said(
            name="tracks by their ISRC",
            request=by_isrc(),
            body={"data": [DAWN], "links": {"self": "/tracks"}, "included": [STUB, ADA, BEN]},
            page=Page(records=(DAWN_ALONE, STUB_RECORD, ADA_RECORD, BEN_RECORD)),
        ),
        Said(
            name="track of which one artist is not named, that lasts nothing",
            request=get("tracks/31", "artists,albums"),
            body={
                "data": resource("tracks", 31, attributes("Dawn", duration="PT0S", explicit=None), artists=BY_BOTH),
                "included": [BEN],
            },
            page=Page(
                records=(
                    TrackRecord(
                        external_id="31",
                        title="Dawn",
                        duration_ms=None,
                        explicit=None,
                        main_artists=(Credit(name="Bén", artist_id="12"),),
                    ),
                    BEN_RECORD,
                )
            ),
        ),
        Said(
            name="video",
            request=get("videos/41", "artists"),
            body={"data": [FILM], "included": [ADA]},
            page=Page(records=(ADA_RECORD,)),
        ),
    ],
    refused=[
        Refused(name="old token", status=401, body=errors("401"), error=CredentialRefused, says="SOME_CODE: because"),
        Refused(name="forbidden", status=403, body=errors("403"), error=CredentialRefused),
        Refused(name="not found", status=404, body=errors("404", "NOT_FOUND"), error=Gone, says="NOT_FOUND: because"),
        Refused(name="too much included", status=400, body=errors("400"), error=Permanent, says="because"),
        Refused(
            name="over the rate",
            status=429,
            headers={"retry-after": "4"},
            body=b"",
            error=RateLimited,
            retry_after=4.0,
        ),
        Refused(name="not in this country", status=451, body=errors("451"), error=Permanent, says="451"),
        Refused(name="broken", status=502, body=b"<html>", error=Transient, says="<html>"),
        Refused(name="old token inside 200", body=errors(401), error=CredentialRefused, says="401 SOME_CODE: because"),
        Refused(name="not found inside 200", body=errors("404"), error=Gone),
        Refused(name="over the rate inside 200", body=errors("429"), error=RateLimited),
        Refused(name="no status", body=errors(None), error=Permanent, says="because"),
        Refused(name="no number", body=errors("soon"), error=Permanent, says="because"),
        Refused(
            name="errors in words", body=b'{"data": null, "errors": ["Not today"]}', error=Permanent, says="Not today"
        ),
    ],
    items=ListForm(
        request=by_isrc(),
        name="data",
        envelope={"links": {"self": "/tracks"}},
        item=DAWN,
        title=("attributes", "title"),
        number=("attributes", "duration"),
    ),
    start=Scoped(kind="artist", given="11", key="11", asks=""),
    walk={
        get("artists/11").key: {"data": ADA},
        albums_of().key: {"data": [ref("albums", 21)], "included": [STUB]},
        album().key: {"data": ALBUM, "included": [ADA, BEN, DAWN]},
        items("3nI1Esi=").key: {"data": [ref("tracks", 32)], "included": [DUSK]},
    },
    reached=["31", "32"],
)
