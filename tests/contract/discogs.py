from musicsync.providers import registry
from musicsync.providers.collect import page_after
from musicsync.records import (
    ArtistRecord,
    Credit,
    Gone,
    MergedId,
    Page,
    RateLimited,
    RejectedItem,
    ReleaseRecord,
    Request,
    TrackRecord,
    Transient,
)
from musicsync.records import Refused as CredentialRefused
from tests.contract.spec import ListForm, Refused, Said, Scoped, Spec

ADA = {"id": 11, "name": "Ada Lov (2)", "anv": "", "join": "", "role": "", "tracks": "", "resource_url": "x"}
BEN = {**ADA, "id": 12, "name": "Bén", "anv": "B.", "join": "Meets"}
CY = {**ADA, "id": 13, "name": "Cy", "role": "Producer, Featuring [Rap]"}
TRACK = {"position": "A1", "type_": "track", "title": "Dawn", "duration": "3:21", "artists": [ADA]}
BARE = {"position": "B1", "type_": "track", "title": "Dusk", "duration": "", "extraartists": [CY]}
LONG = {"position": "C1", "title": "Night", "duration": "1:02:03"}
RELEASE = {
    "id": 21,
    "status": "Accepted",
    "year": 2019,
    "title": "First Light",
    "resource_url": "https://api.discogs.com/releases/21",
    "community": {"have": 3, "want": 5},
    "artists": [{**BEN, "join": ","}, ADA],
    "labels": [
        {"id": 41, "name": "Not On Label (Ada Lov)", "catno": "none"},
        {"id": 42, "name": "Moss (3)", "catno": "M 1"},
    ],
    "formats": [{"name": "Vinyl", "qty": "2", "descriptions": ["LP", "Album"]}],
    "identifiers": [
        {"type": "Matrix / Runout", "value": "036000291452"},
        {"type": "Barcode", "value": "036000291453", "description": "scanned wrongly"},
        {"type": "Barcode", "value": "0 36000 29145 2", "description": "printed"},
        {"type": "ISRC", "value": "GB-ABC-19-00001", "description": "Track A1"},
        {"type": "ISRC", "value": "GBABC1900002", "description": "the second"},
    ],
    "genres": ["Rock"],
    "styles": ["Folk", "Rock"],
    "released": "2019-05-00",
    "country": "UK",
    "tracklist": [TRACK, BARE, LONG],
}
ADA_RECORD = ArtistRecord(external_id="11", name="Ada Lov")
BEN_RECORD = ArtistRecord(external_id="12", name="Bén")
CY_RECORD = ArtistRecord(external_id="13", name="Cy")
BY_BOTH = (
    Credit(name="B.", artist_id="12", join_phrase=", "),
    Credit(name="Ada Lov", artist_id="11"),
)
RELEASE_RECORD = ReleaseRecord(
    external_id="21",
    title="First Light",
    gtin="00036000291452",
    type="album",
    released="2019-05",
    label="Moss",
    catalog_number="M 1",
    genres=("Folk", "Rock"),
    credits=BY_BOTH,
)
DAWN = TrackRecord(
    external_id="21:A1",
    release_id="21",
    disc=1,
    position=1,
    number="A1",
    title="Dawn",
    isrcs=("GBABC1900001",),
    duration_ms=201_000,
    credits=(Credit(name="Ada Lov", artist_id="11"),),
)
BARE_RELEASE = ReleaseRecord(
    external_id="22",
    title="Second Light",
    gtin=None,
    type=None,
    released="1987",
    label=None,
    catalog_number=None,
    genres=(),
)


def details(release: int) -> Request:
    return Request(path=f"releases/{release}", refreshes=("release", str(release)))


def listed(path: str, page: int = 1, **params: str) -> Request:
    return Request(path=path, params={**params, "page": str(page), "per_page": "100"})


def placed(number: str, disc: int, position: int, title: str, name: str = "") -> TrackRecord:
    return TrackRecord(
        external_id=f"22:{name or number}",
        release_id="22",
        disc=disc,
        position=position,
        number=number or None,
        title=title,
        duration_ms=None,
    )


SPEC = Spec(
    adapter=registry.get("discogs"),
    scopes=[
        Scoped(kind="artist", given=" 0027 ", key="27", asks="artists/27"),
        Scoped(kind="label", given="5", key="5", asks="labels/5"),
        Scoped(kind="release", given="249504", key="249504", asks="releases/249504"),
        Scoped(kind="release", given=" m04242", key="m4242", asks="masters/4242"),
        Scoped(
            kind="release",
            given="0 36000 29145 2",
            key="036000291452",
            asks="database/search?barcode=036000291452&page=1&per_page=100&type=release",
        ),
    ],
    bad_scopes=[
        ("artist", "Ada Lov"),
        ("artist", "m1"),
        ("label", ""),
        ("release", "m"),
        ("release", "036000291453"),
        ("recording", "GBABC1900001"),
        ("feed", ""),
    ],
    said=[
        Said(
            name="artist asked for by another id",
            request=Request(path="artists/10"),
            body={"id": 11, "name": "Ada Lov (2)", "members": [], "resource_url": "https://api.discogs.com/artists/11"},
            page=Page(
                records=(ADA_RECORD,),
                follow_ups=(listed("artists/11/releases"),),
                merged=(MergedId(kind="artist", old="10", new="11"),),
            ),
        ),
        Said(
            name="label",
            request=Request(path="labels/42"),
            body={"id": 42, "name": "Moss (3)", "sublabels": [], "resource_url": "https://api.discogs.com/labels/42"},
            page=Page(follow_ups=(listed("labels/42/releases"),)),
        ),
        Said(
            name="releases of an artist, with more to come",
            request=listed("artists/11/releases"),
            body={
                "pagination": {"page": 1, "pages": 2, "per_page": 100, "items": 101, "urls": {"next": "x"}},
                "releases": [
                    {"id": 21, "type": "release", "role": "Main", "title": "First Light", "year": 2019},
                    {"id": 31, "type": "master", "role": "Main", "title": "Second Light", "main_release": 22},
                    {"id": 23, "type": "release", "role": "TrackAppearance", "title": "Hits", "year": 0},
                    {"id": 32, "type": "master", "role": "Remix", "title": "More Hits", "main_release": 24},
                ],
            },
            page=Page(
                records=(ReleaseRecord(external_id="21", title="First Light"),),
                follow_ups=(details(21), details(22), page_after(listed("artists/11/releases"), {"page": "2"}, 101)),
                total=101,
            ),
        ),
        Said(
            name="the last page of a label",
            request=listed("labels/42/releases", 2),
            body={
                "pagination": {"page": 2, "pages": 2, "per_page": 100, "items": 101, "urls": {"prev": "x"}},
                "releases": [{"id": 21, "title": "First Light", "catno": "M 1", "artist": "B.*, Ada Lov (2)"}, None],
            },
            page=Page(
                records=(ReleaseRecord(external_id="21", title="First Light"),),
                follow_ups=(details(21),),
                total=101,
                rejected=(RejectedItem(path="$.releases[1]", reason="Expected `object`, got `null`", excerpt="null"),),
            ),
        ),
        Said(
            name="master",
            request=Request(path="masters/31"),
            body={"id": 31, "main_release": 22, "versions_url": "x", "artists": [ADA], "tracklist": [TRACK]},
            page=Page(records=(ADA_RECORD,), follow_ups=(listed("masters/31/versions"),)),
        ),
        Said(
            name="editions of a master",
            request=listed("masters/31/versions"),
            body={
                "pagination": {"page": 1, "pages": 1, "per_page": 100, "items": 1, "urls": {}},
                "versions": [{"id": 22, "title": "Second Light", "released": "1987", "format": "LP"}],
            },
            page=Page(
                records=(ReleaseRecord(external_id="22", title="Second Light"),),
                follow_ups=(details(22),),
                total=1,
            ),
        ),
        Said(
            name="what a barcode finds",
            request=listed("database/search", barcode="036000291452", type="release"),
            body={
                "pagination": {"page": 1, "pages": 1, "per_page": 100, "items": 3, "urls": {}},
                "results": [
                    {"id": 21, "type": "release", "title": "B.* - First Light", "barcode": ["x", "0 36000 29145 2"]},
                    {"id": 29, "type": "release", "title": "Z - Longer", "barcode": ["1036000291452"]},
                    {"id": 31, "type": "master", "title": "Z - Second Light"},
                ],
            },
            page=Page(follow_ups=(details(21),), total=3),
        ),
        Said(
            name="release asked for by another id",
            request=Request(path="releases/20"),
            body=RELEASE,
            page=Page(
                records=(
                    BEN_RECORD,
                    ADA_RECORD,
                    RELEASE_RECORD,
                    DAWN,
                    CY_RECORD,
                    TrackRecord(
                        external_id="21:B1",
                        release_id="21",
                        disc=1,
                        position=2,
                        number="B1",
                        title="Dusk",
                        duration_ms=None,
                        credits=(
                            Credit(name="B.", artist_id="12", join_phrase=", "),
                            Credit(name="Ada Lov", artist_id="11", join_phrase=" feat. "),
                            Credit(name="Cy", artist_id="13"),
                        ),
                    ),
                    TrackRecord(
                        external_id="21:C1",
                        release_id="21",
                        disc=2,
                        position=1,
                        number="C1",
                        title="Night",
                        duration_ms=3_723_000,
                        credits=BY_BOTH,
                    ),
                ),
                merged=(MergedId(kind="release", old="20", new="21"),),
            ),
        ),
        Said(
            name="names in a credit",
            request=Request(path="releases/23"),
            body={
                "id": 23,
                "title": "Duets",
                "released": "",
                "year": 0,
                "artists": [{"id": 194, "name": "Various"}],
                "extraartists": [{**CY, "tracks": "1"}, {**BEN, "role": "Featuring"}],
                "formats": [{"name": "CD", "descriptions": ["Album", "Compilation"]}, {"name": "Box Set"}],
                "tracklist": [
                    {
                        "position": "1",
                        "title": "Dawn",
                        "duration": "3:21",
                        "artists": [BEN, {**ADA, "id": 0, "name": "Nobody", "join": "&"}],
                        "extraartists": [CY, {**ADA, "role": "Featuring"}, {**ADA, "role": "Written-By"}],
                    }
                ],
            },
            page=Page(
                records=(
                    ArtistRecord(external_id="194", name="Various"),
                    BEN_RECORD,
                    ReleaseRecord(
                        external_id="23",
                        title="Duets",
                        gtin=None,
                        type="compilation",
                        released=None,
                        label=None,
                        catalog_number=None,
                        genres=(),
                        credits=(
                            Credit(name="Various", artist_id="194", join_phrase=" feat. "),
                            Credit(name="B.", artist_id="12"),
                        ),
                    ),
                    CY_RECORD,
                    ADA_RECORD,
                    TrackRecord(
                        external_id="23:1",
                        release_id="23",
                        disc=1,
                        position=1,
                        number="1",
                        title="Dawn",
                        duration_ms=201_000,
                        credits=(
                            Credit(name="B.", artist_id="12", join_phrase=" Meets "),
                            Credit(name="Nobody", join_phrase=" feat. "),
                            Credit(name="Cy", artist_id="13", join_phrase=", "),
                            Credit(name="Ada Lov", artist_id="11"),
                        ),
                    ),
                )
            ),
        ),
        Said(
            name="headings, an index and odd positions",
            request=Request(path="releases/22"),
            body={
                "id": 22,
                "title": "Second Light",
                "year": 1987,
                "released": "",
                "tracklist": [
                    {"type_": "heading", "title": "The Concert", "position": ""},
                    {"type_": "track", "title": "One", "position": "CD1-01"},
                    {
                        "type_": "index",
                        "title": "Suite",
                        "position": "",
                        "duration": "9:00",
                        "sub_tracks": [
                            {"type_": "track", "title": "Two", "position": "CD1-2a"},
                            {"type_": "track", "title": "Three", "position": "CD1-2b"},
                            7,
                        ],
                    },
                    {"type_": "track", "title": "Four", "position": "CD2-1"},
                    {"type_": "track", "title": "Five", "position": "CD2-1"},
                    {"type_": "track", "title": "Six", "position": ""},
                    {"type_": "index", "title": "Nothing below", "position": ""},
                ],
            },
            page=Page(
                records=(
                    BARE_RELEASE,
                    placed("CD1-01", 1, 1, "One"),
                    placed("CD1-2a", 1, 2, "Two"),
                    placed("CD1-2b", 1, 3, "Three"),
                    placed("CD2-1", 2, 1, "Four"),
                    placed("CD2-1", 2, 2, "Five", "CD2-1#2"),
                    placed("", 3, 1, "Six", "#1"),
                ),
                rejected=(
                    RejectedItem(
                        path="$.tracklist[2].sub_tracks[2]", reason="Expected `object`, got `int`", excerpt="7"
                    ),
                ),
            ),
        ),
    ],
    refused=[
        Refused(
            name="no token",
            status=401,
            body=b'{"message": "You must authenticate to access this resource."}',
            error=CredentialRefused,
            says="resource. (for this, Discogs wants a token of its own: set MUSICSYNC_CREDENTIAL_",
        ),
        Refused(
            name="wrong token",
            status=401,
            body=b'{"message": "Invalid consumer token. Please register an app before making requests."}',
            error=CredentialRefused,
            says="before making requests. (for this, Discogs wants a token of its own: set MUSICSYNC_CREDENTIAL_",
        ),
        Refused(
            name="over the rate",
            status=429,
            headers={"x-discogs-ratelimit": "25", "x-discogs-ratelimit-remaining": "0"},
            body=b'{"message": "You are making requests too quickly."}',
            error=RateLimited,
            says="You are making requests too quickly.",
            retry_after=2.4,
        ),
        Refused(
            name="not found",
            status=404,
            body=b'{"message": "Release not found."}',
            error=Gone,
            says="404 Release not found.",
        ),
        Refused(name="not found in words", status=404, body=b"<h1>404</h1>", error=Gone, says="404 <h1>404</h1>"),
        Refused(name="broken", status=502, body=b"", error=Transient),
    ],
    items=ListForm(
        request=Request(path="releases/21"),
        name="tracklist",
        envelope={"id": 21, "title": "First Light"},
        item={"position": "A1", "title": "Dawn", "artists": [ADA]},
        number=("artists", "id"),
        around=Page(
            records=(
                ReleaseRecord(
                    external_id="21",
                    title="First Light",
                    gtin=None,
                    type=None,
                    released=None,
                    label=None,
                    catalog_number=None,
                    genres=(),
                ),
            )
        ),
    ),
    start=Scoped(kind="artist", given="11", key="11", asks=""),
    walk={
        "artists/11": {"id": 11, "name": "Ada Lov (2)", "resource_url": "https://api.discogs.com/artists/11"},
        "artists/11/releases?page=1&per_page=100": {
            "pagination": {"page": 1, "pages": 2},
            "releases": [{"id": 21, "type": "release", "role": "Main", "title": "First Light"}],
        },
        "artists/11/releases?page=2&per_page=100": {
            "pagination": {"page": 2, "pages": 2},
            "releases": [{"id": 31, "type": "master", "role": "Main", "title": "Second", "main_release": 22}],
        },
        "releases/21": RELEASE,
        "releases/22": {"id": 22, "title": "Second Light", "tracklist": [{"position": "1", "title": "One"}]},
    },
    reached=["21:A1", "21:B1", "21:C1", "22:1"],
)
