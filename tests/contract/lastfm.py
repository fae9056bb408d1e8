import json

from musicsync.providers import registry
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

MBID = "ddb3168d-66a9-4b2d-af02-05278da8a23d"
ADA_STUB = {"name": "Ada Lov", "mbid": "", "url": "https://www.last.fm/music/Ada+Lov"}
ARTIST = {**ADA_STUB, "stats": {"listeners": "7", "playcount": "9"}, "tags": {"tag": [{"name": "folk"}]}}
DAWN_STUB = {
    "name": "Dawn",
    "duration": "201",
    "mbid": "",
    "streamable": {"#text": "0", "fulltrack": "0"},
    "artist": ADA_STUB,
    "@attr": {"rank": "1"},
}
DUSK_STUB = {"name": "Dusk/Part 2", "duration": 180, "artist": {"name": "Bén"}, "@attr": {"rank": 2}}
NOON_STUB = {"name": "Noon", "duration": None, "@attr": {"rank": "3"}}
ALBUM = {
    "name": "First Light",
    "artist": "Ada Lov",
    "id": "1934",
    "mbid": MBID,
    "releasedate": "    6 Apr 1999, 00:00",
    "listeners": "509271",
    "playcount": "7341494",
    "tracks": {"track": [DAWN_STUB, DUSK_STUB, NOON_STUB]},
    "toptags": {"tag": [{"name": "Rock"}, {"name": "albums I own"}, {"name": "ada lov"}, {"name": "folk"}]},
}
LISTED = {"name": "First Light", "playcount": 2897274, "mbid": MBID, "artist": ADA_STUB}
PLAYED_ONCE = {"name": "first light [bonus]", "playcount": 1, "artist": ADA_STUB}
TRACK = {"name": "Dawn", "duration": "201", "artist": ADA_STUB, "@attr": {"rank": "1"}}
ADA, BEN = ArtistRecord(external_id="ada lov", name="Ada Lov"), ArtistRecord(external_id="bén", name="Bén")
BY_ADA, BY_BEN = (Credit(name="Ada Lov", artist_id="ada lov"),), (Credit(name="Bén", artist_id="bén"),)
LIGHT = ReleaseRecord(external_id="ada lov/first light", title="First Light", credits=BY_ADA)
ON_LIGHT = tuple(
    TrackRecord(
        external_id=f"ada lov/first light/{position}",
        title=title,
        release_id="ada lov/first light",
        disc=1,
        position=position,
        duration_ms=duration,
        credits=by,
    )
    for position, title, duration, by in (
        (1, "Dawn", 201_000, BY_ADA),
        (2, "Dusk/Part 2", 180_000, BY_BEN),
        (3, "Noon", None, BY_ADA),
    )
)
DAWN = TrackRecord(external_id="ada lov/_/dawn", title="Dawn", duration_ms=201_000, credits=BY_ADA)


def ask(method: str, refreshes: tuple[Kind, str] | None = None, **params: str) -> Request:
    return Request(path="2.0/", params={"method": method, "format": "json", **params}, refreshes=refreshes)


def fault(code: object, error: type[ProviderError], message: str = "because", hint: str = "") -> Refused:
    body = json.dumps({"error": code, "message": message, "links": []}).encode()
    return Refused(name=f"code {code} {message}", body=body, error=error, says=hint or f"{message} (code {code})")


DETAILS = ask("album.getInfo", ("release", "ada lov/first light"), artist="Ada Lov", album="First Light")

SPEC = Spec(
    adapter=registry.get("lastfm"),
    scopes=[
        Scoped(
            kind="artist",
            given="  Ada   Lov ",
            key="Ada Lov",
            asks="2.0/?artist=Ada Lov&format=json&method=artist.getInfo",
        ),
        Scoped(
            kind="artist",
            given="https://www.last.fm/music/AC%2FDC",
            key="AC%2FDC",
            asks="2.0/?artist=AC/DC&format=json&method=artist.getInfo",
        ),
        Scoped(kind="artist", given=MBID.upper(), key=MBID, asks=f"2.0/?format=json&mbid={MBID}&method=artist.getInfo"),
        Scoped(
            kind="release",
            given="https://www.last.fm/music/+noredirect/Ada+Lov/50%25+%2B+1",
            key="Ada Lov/50%25 + 1",
            asks="2.0/?album=50% + 1&artist=Ada Lov&format=json&method=album.getInfo",
        ),
        Scoped(
            kind="recording",
            given="Ada Lov/_/Dawn",
            key="Ada Lov/_/Dawn",
            asks="2.0/?artist=Ada Lov&format=json&method=track.getInfo&track=Dawn",
        ),
    ],
    bad_scopes=[
        ("artist", ""),
        ("artist", "AC/DC"),
        ("release", "First Light"),
        ("release", "Ada Lov/"),
        ("release", "Ada Lov/_/Dawn"),
        ("recording", "Ada Lov/Dawn"),
        ("label", "Moss"),
        ("feed", ""),
    ],
    said=[
        Said(
            name="artist",
            request=ask("artist.getInfo", artist="ada lov"),
            body={"artist": ARTIST},
            page=Page(
                records=(ADA,),
                follow_ups=(ask("artist.getTopAlbums", artist="Ada Lov", page="1"),),
                form="artist.getInfo",
            ),
        ),
        Said(
            name="artist by another name",
            request=ask("artist.getInfo", artist="Ada Love"),
            body={"artist": ARTIST},
            page=Page(
                records=(ADA,),
                follow_ups=(ask("artist.getTopAlbums", artist="Ada Lov", page="1"),),
                merged=(MergedId(kind="artist", old="ada love", new="ada lov"),),
                form="artist.getInfo",
            ),
        ),
        Said(
            name="albums of an artist, with more to come",
            request=ask("artist.getTopAlbums", artist="Ada Lov", page="1"),
            body={"topalbums": {"album": [LISTED, PLAYED_ONCE], "@attr": {"page": "1", "totalPages": "2"}}},
            page=Page(
                records=(ADA, LIGHT),
                follow_ups=(DETAILS,),
                following=ask("artist.getTopAlbums", artist="Ada Lov", page="2"),
                form="artist.getTopAlbums",
            ),
        ),
        Said(
            name="one album of a tag, as an object",
            request=ask("tag.getTopAlbums", tag="folk"),
            body={"topalbums": {"album": LISTED | {"mbid": ""}, "@attr": {"page": "0", "totalPages": "9"}}},
            page=Page(records=(ADA, LIGHT), form="tag.getTopAlbums"),
        ),
        Said(
            name="album",
            request=DETAILS,
            body={"album": ALBUM},
            page=Page(
                records=(
                    ADA,
                    ReleaseRecord(
                        external_id="ada lov/first light",
                        title="First Light",
                        released="1999-04-06",
                        genres=("folk", "rock"),
                        credits=BY_ADA,
                    ),
                    ON_LIGHT[0],
                    BEN,
                    *ON_LIGHT[1:],
                ),
                form="album.getInfo",
            ),
        ),
        Said(
            name="album with one tag and one track, as objects",
            request=ask("album.getInfo", mbid=MBID),
            body={"album": {**LISTED, "tracks": {"track": DAWN_STUB}, "tags": {"tag": {"name": "Folk"}}}},
            page=Page(
                records=(
                    ADA,
                    ReleaseRecord(
                        external_id="ada lov/first light", title="First Light", genres=("folk",), credits=BY_ADA
                    ),
                    ON_LIGHT[0],
                ),
                form="album.getInfo",
            ),
        ),
        Said(
            name="album with neither tags nor tracks",
            request=ask("album.getInfo", mbid=MBID),
            body={"album": {**LISTED, "tracks": "\n", "tags": ""}},
            page=Page(
                records=(
                    ADA,
                    ReleaseRecord(external_id="ada lov/first light", title="First Light", genres=(), credits=BY_ADA),
                ),
                form="album.getInfo",
            ),
        ),
        Said(
            name="album with two tracks at one place",
            request=ask("album.getInfo", mbid=MBID),
            body={"album": {**LISTED, "tracks": {"track": [DAWN_STUB, {**DUSK_STUB, "@attr": {"rank": 1}}]}}},
            page=Page(
                records=(ADA, LIGHT, ON_LIGHT[0]),
                rejected=(
                    RejectedItem(
                        path="$.album.tracks.track[1]",
                        reason="stands at place 1, where another stands",
                        excerpt='"Dusk/Part 2"',
                    ),
                ),
                form="album.getInfo",
            ),
        ),
        Said(
            name="track, in milliseconds",
            request=ask("track.getInfo", artist="Ada Lov", track="Dawn"),
            body={"track": {**TRACK, "duration": "201000", "album": {"artist": "Ada Lov", "title": "First Light"}}},
            page=Page(records=(ADA, DAWN), form="track.getInfo"),
        ),
        Said(
            name="search",
            request=Request(path="2.0/"),
            body={"results": {"opensearch:totalResults": "1", "albummatches": {"album": {**LISTED, "artist": "Bén"}}}},
            page=Page(
                records=(
                    BEN,
                    ReleaseRecord(external_id="bén/first light", title="First Light", credits=BY_BEN),
                )
            ),
        ),
        Said(
            name="search that found nothing",
            request=Request(path="2.0/"),
            body={"results": {"opensearch:totalResults": "0", "albummatches": "\n"}},
            page=Page(),
        ),
        Said(
            name="artists of a tag",
            request=ask("tag.getTopArtists", tag="folk"),
            body={"topartists": {"artist": [ADA_STUB], "@attr": {"tag": "folk"}}},
            page=Page(records=(ADA,), form="tag.getTopArtists"),
        ),
        *(
            Said(
                name=f"{method}, which names its list otherwise",
                request=ask(method),
                body={name: {entity: [item], "@attr": {"page": "1", "total": "9"}}},
                page=Page(records=records, form=method, total=total),
            )
            for method, name, entity, item, records, total in (
                ("chart.getTopTracks", "tracks", "track", TRACK, (ADA, DAWN), None),
                ("track.getSimilar", "similartracks", "track", {**TRACK, "duration": 201}, (ADA, DAWN), None),
                ("tag.getTopAlbums", "albums", "album", LISTED, (ADA, LIGHT), 9),
                ("chart.getTopArtists", "artists", "artist", ADA_STUB, (ADA,), None),
                ("artist.getSimilar", "similarartists", "artist", ADA_STUB, (ADA,), None),
            )
        ),
    ],
    refused=[
        fault(2, Permanent, hint="base URL"),
        fault(3, Permanent, hint="base URL"),
        fault(27, Permanent, hint="base URL"),
        fault(4, CredentialRefused),
        fault(10, CredentialRefused, "Invalid API key", "Invalid API key (code 10): the credential was refused"),
        fault(26, CredentialRefused),
        fault(6, Gone, "Album not found"),
        fault(6, Gone, "The artist you supplied could not be found"),
        fault(6, Permanent, "Your request is missing the [album] parameter"),
        fault(7, Gone),
        fault(8, Transient),
        fault(11, Transient),
        fault(16, Transient),
        fault(29, RateLimited),
        fault("29", RateLimited),
        fault(99, Permanent),
        fault("x", Permanent),
        Refused(name="shouts", body=b'{"shouts": {"shout": []}}', error=Permanent, says="not a form that is synced"),
        Refused(
            name="not found by its status, too",
            status=400,
            body=b'{"error": 6, "message": "Album not found"}',
            error=Gone,
            says="Album not found",
        ),
        Refused(
            name="over the limit by its status",
            status=429,
            headers={"retry-after": "3"},
            body=b'{"error": 29, "message": "slow"}',
            error=RateLimited,
            says="slow",
            retry_after=3.0,
        ),
        Refused(
            name="suspended",
            status=403,
            body=b'{"error": 26, "message": "no"}',
            error=CredentialRefused,
            says="API key",
        ),
        Refused(name="withdrawn", status=404, body=b"<html></html>", error=Permanent, says="base URL"),
        Refused(name="broken", status=500, body=b'{"error": 8, "message": "again"}', error=Transient, says="again"),
        Refused(name="broken wordlessly", status=502, body=b"", error=Transient),
    ],
    items=ListForm(
        request=Request(path="2.0/"),
        name="toptracks.track",
        envelope={"toptracks": {"@attr": {"tag": "folk", "totalPages": "9"}}},
        item=TRACK,
        title=("name",),
        number=("duration",),
        digits=True,
    ),
    start=Scoped(kind="artist", given="Ada Lov", key="Ada Lov", asks=""),
    walk={
        ask("artist.getInfo", artist="Ada Lov").key: {"artist": ARTIST},
        ask("artist.getTopAlbums", artist="Ada Lov", page="1").key: {
            "topalbums": {"album": LISTED, "@attr": {"totalPages": "2"}}
        },
        ask("artist.getTopAlbums", artist="Ada Lov", page="2").key: {
            "topalbums": {"album": [PLAYED_ONCE], "@attr": {"totalPages": "2"}}
        },
        DETAILS.key: {"album": ALBUM},
    },
    reached=[record.external_id for record in ON_LIGHT],
)
