import json

from musicsync.providers import registry
from musicsync.records import (
    ArtistRecord,
    Credit,
    Gone,
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

HEAD = {"status": "success", "code": 0, "error_message": "", "warnings": "", "results_count": 1}
ARTIST = {"id": "11", "name": "Ada Lov", "website": "", "joindate": "2011-12-29", "shareurl": "x"}
ALBUM = {
    "id": "21",
    "name": "First Light",
    "releasedate": "2019-05-17",
    "artist_id": "11",
    "artist_name": "Ada Lov",
    "zip_allowed": True,
}
TAGGED = {**ALBUM, "musicinfo": {"tags": ["rock", "folk", "rock"], "description": {"en": ""}}}
LISTED = {
    "id": "31",
    "name": "Dawn\n        (Live)  ",
    "duration": 201,
    "artist_id": "11",
    "artist_name": "Ada Lov",
    "artist_idstr": "ada_lov",
    "album_name": "First Light",
    "album_id": "21",
    "license_ccurl": "http://creativecommons.org/licenses/by/3.0/",
    "position": 1,
    "releasedate": "2019-05-17",
    "audio": "https://audio.example/?trackid=31&from=signed",
    "waveform": '{\n  "peaks":[0, 1]\n }',
    "musicinfo": {"tags": {"genres": ["rock"], "instruments": [], "vartags": ["happy"]}},
}
OTHER = {**LISTED, "id": "32", "name": "Dusk", "position": 2}
SINGLE = {**LISTED, "id": "33", "name": "Noon", "album_id": "", "album_name": "", "position": 0, "duration": 0}
NESTED = {"count": "1", "id": "31", "position": "10", "name": "Dawn", "duration": "192"}
ADA = ArtistRecord(external_id="11", name="Ada Lov")
BY_ADA = (Credit(name="Ada Lov", artist_id="11"),)
LIGHT = ReleaseRecord(external_id="21", title="First Light", released="2019-05-17", credits=BY_ADA)
STUB = ReleaseRecord(external_id="21", title="First Light", released="2019-05-17")
DAWN = TrackRecord(
    external_id="31",
    title="Dawn (Live)",
    release_id="21",
    disc=1,
    position=1,
    duration_ms=201_000,
    credits=BY_ADA,
)
NOON = TrackRecord(external_id="33", title="Noon", duration_ms=None, credits=BY_ADA)
NEWEST = "releasedate_desc id_desc"


def says(*results: object, **head: object) -> dict[str, object]:
    return {"headers": {**HEAD, **head}, "results": list(results)}


def listed(path: str, offset: int = 0, order: str = "id", **which: str) -> Request:
    params = {"format": "json", "order": order, "limit": "200", "offset": str(offset), **which}
    return Request(path=path, params=params)


def albums(offset: int = 0, order: str = "id", **which: str) -> Request:
    return listed("albums/musicinfo/", offset, order, **which)


def tracks(offset: int = 0, order: str = "id", **which: str) -> Request:
    return listed("tracks/", offset, order, type="single albumtrack", **which)


def by_id(entity: str) -> Request:
    return Request(path=f"{entity}/", params={"format": "json", "id": "11"})


def fault(code: object, error: type[ProviderError], hint: str = "because") -> Refused:
    body = {
        "headers": {"status": "failed", "code": code, "error_message": "because", "results_count": 0},
        "results": [],
    }
    return Refused(name=f"code {code}", body=json.dumps(body).encode(), error=error, says=hint)


SPEC = Spec(
    adapter=registry.get("jamendo"),
    scopes=[
        Scoped(kind="artist", given=" 0011 ", key="11", asks="artists/?format=json&id=11"),
        Scoped(kind="release", given="21", key="21", asks=albums(id="21").key),
        Scoped(kind="recording", given="31", key="31", asks=tracks(id="31").key),
        Scoped(kind="feed", given=" ", key="", asks=albums(order=NEWEST).key),
    ],
    bad_scopes=[
        ("artist", "we are fm"),
        ("artist", "0"),
        ("release", "036000291452"),
        ("recording", "GBABC1900001"),
        ("label", "1"),
        ("feed", "x"),
    ],
    said=[
        Said(
            name="artist",
            request=by_id("artists"),
            body=says(ARTIST),
            page=Page(records=(ADA,), follow_ups=(albums(artist_id="11"), tracks(artist_id="11"))),
        ),
        Said(
            name="album by its id",
            request=albums(id="21"),
            body=says(TAGGED),
            page=Page(
                records=(
                    ADA,
                    ReleaseRecord(
                        external_id="21",
                        title="First Light",
                        released="2019-05-17",
                        genres=("folk", "rock"),
                        credits=BY_ADA,
                    ),
                ),
                follow_ups=(tracks(album_id="21"),),
            ),
        ),
        Said(
            name="albums of an artist, with more to come",
            request=albums(artist_id="11"),
            body=says(
                ALBUM, next="https://api.jamendo.com/v3.0/albums/musicinfo/?client_id=0ff1ce&limit=200&offset=150"
            ),
            page=Page(records=(ADA, LIGHT), following=albums(140, artist_id="11")),
        ),
        Said(
            name="tracks of an album, and one on none",
            request=tracks(album_id="21"),
            body=says(LISTED, SINGLE),
            page=Page(records=(STUB, ADA, DAWN, NOON)),
        ),
        Said(
            name="newest albums",
            request=albums(order=NEWEST, datebetween="2019-05-01_9999-12-31"),
            body=says(ALBUM, {**ALBUM, "id": 22, "releasedate": "2019-05"}, {**ALBUM, "id": 23, "releasedate": None}),
            page=Page(
                records=(
                    ADA,
                    LIGHT,
                    ReleaseRecord(external_id="22", title="First Light", released="2019-05", credits=BY_ADA),
                    ReleaseRecord(external_id="23", title="First Light", released=None, credits=BY_ADA),
                ),
                follow_ups=(tracks(order=NEWEST, datebetween="2019-05-01_9999-12-31"),),
                watermark="2019-05-17",
            ),
        ),
        Said(
            name="full page of tracks",
            request=Request(path="tracks/", params={"limit": "1", "offset": "3"}),
            body=says(LISTED),
            page=Page(
                records=(STUB, ADA, DAWN),
                following=Request(path="tracks/", params={"limit": "1", "offset": "4"}),
            ),
        ),
        Said(
            name="a next that leads nowhere",
            request=tracks(200, artist_id="11"),
            body=says(next="https://api.jamendo.com/v3.0/tracks/?offset=200"),
            page=Page(
                rejected=(
                    RejectedItem(
                        path="$.headers.next",
                        reason="has no offset to go on at",
                        excerpt='"https://api.jamendo.com/v3.0/tracks/?offset=200"',
                    ),
                )
            ),
        ),
        Said(
            name="album with its tracks",
            request=Request(path="albums/tracks", params={"namesearch": "light"}),
            body=says({**ALBUM, "tracks": [NESTED, {**NESTED, "id": "32", "position": "", "duration": ""}]}),
            page=Page(
                records=(
                    ADA,
                    LIGHT,
                    TrackRecord(
                        external_id="31", title="Dawn", release_id="21", disc=1, position=10, duration_ms=192_000
                    ),
                    TrackRecord(external_id="32", title="Dawn", release_id="21", disc=1, duration_ms=None),
                )
            ),
        ),
        Said(
            name="artist with albums and tracks",
            request=Request(path="artists/tracks/", params={}),
            body=says(
                {
                    **ARTIST,
                    "albums": [{"id": "22", "name": "Second", "releasedate": "0000-00-00"}],
                    "tracks": [{"album_id": "21", "album_name": "First Light", "id": "31", "name": "Dawn"}],
                }
            ),
            page=Page(
                records=(
                    ADA,
                    ReleaseRecord(external_id="22", title="Second", released=None, credits=BY_ADA),
                    ReleaseRecord(external_id="21", title="First Light"),
                    TrackRecord(external_id="31", title="Dawn", release_id="21", disc=1, credits=BY_ADA),
                )
            ),
        ),
        Said(
            name="no list",
            request=tracks(artist_id="11"),
            body={"headers": HEAD, "results": None},
            page=Page(),
        ),
    ],
    refused=[
        fault(1, Transient),
        fault(3, Permanent),
        fault(4, Permanent),
        fault(5, CredentialRefused, "because (code 5): the credential was refused"),
        fault(6, RateLimited),
        fault("6", RateLimited),
        fault(7, Permanent, "correct the provider's base URL"),
        fault(11, CredentialRefused),
        fault(101, Permanent),
        fault("many", Transient),
        fault(0, Permanent),
        Refused(name="not there", body=json.dumps(says()).encode(), error=Gone, says="none with the id 11"),
        Refused(name="withdrawn", status=404, body=b"<html></html>", error=Permanent, says="base URL"),
        Refused(
            name="over the limit by its status",
            status=429,
            headers={"retry-after": "9"},
            body=json.dumps({"headers": {"status": "failed", "code": 6, "error_message": "slow"}}).encode(),
            error=RateLimited,
            says="slow",
            retry_after=9.0,
        ),
        Refused(name="forbidden", status=403, body=b"", error=CredentialRefused),
        Refused(name="broken", status=502, body=b"", error=Transient),
    ],
    items=ListForm(
        request=tracks(artist_id="11"),
        name="results",
        envelope={"headers": HEAD},
        item={name: value for name, value in LISTED.items() if name != "musicinfo"},
        title=("name",),
        number=("duration",),
        digits=True,
    ),
    start=Scoped(kind="artist", given="11", key="11", asks=""),
    walk={
        "artists/?format=json&id=11": says(ARTIST),
        albums(artist_id="11").key: says(ALBUM),
        tracks(artist_id="11").key: says(
            LISTED, next="https://api.jamendo.com/v3.0/tracks/?client_id=x&offset=1&limit=1&artist_id=11"
        ),
        tracks(1, artist_id="11").key: says(OTHER, SINGLE),
    },
    reached=["31", "32", "33"],
)
