from musicsync.providers import registry
from musicsync.records import (
    ArtistRecord,
    Credit,
    Gone,
    Page,
    RateLimited,
    ReleaseRecord,
    Request,
    TrackRecord,
    Transient,
)
from musicsync.records import Refused as CredentialRefused
from tests.contract.spec import ListForm, Refused, Said, Scoped, Spec

ADA = {"id": "a1", "name": "Ada Lov", "join": " feat. "}
BEN = {"id": "a2", "name": "Bén", "join": ""}
RELEASE = {
    "id": "r1",
    "title": "First Light",
    "gtin": "036000291452",
    "released": "2019-05-00",
    "label": "Moss",
    "type": "album",
    "track_count": 2,
    "artists": [{**ADA, "join": None}],
}
TRACK = {
    "id": "t1",
    "title": "Dawn",
    "version": "Live",
    "isrc": "gb-abc-19-00001",
    "duration_ms": 201500,
    "explicit": False,
    "disc": 1,
    "position": 1,
    "artists": [ADA, BEN],
    "release": RELEASE,
}
NEXT = {**TRACK, "id": "t2", "position": 2, "isrc": None, "version": None, "duration_ms": 0, "explicit": None}
FIRST = Request(path="feed/tracks", params={"limit": "500"})
SECOND = Request(path="feed/tracks", params={"limit": "500", "cursor": "c2"})

SPEC = Spec(
    adapter=registry.get("feed"),
    scopes=[Scoped(kind="feed", given=" ", key="", asks="feed/tracks?limit=1000")],
    bad_scopes=[("feed", "x"), ("artist", "1"), ("label", "")],
    said=[
        Said(
            name="two tracks of one release",
            request=FIRST,
            body={"items": [TRACK, NEXT], "next": "c2", "watermark": "g3"},
            page=Page(
                records=(
                    ArtistRecord(external_id="a1", name="Ada Lov"),
                    ArtistRecord(external_id="a2", name="Bén"),
                    ReleaseRecord(
                        external_id="r1",
                        title="First Light",
                        gtin="00036000291452",
                        released="2019-05",
                        label="Moss",
                        type="album",
                        track_count=2,
                        credits=(Credit(name="Ada Lov", artist_id="a1"),),
                    ),
                    TrackRecord(
                        external_id="t1",
                        title="Dawn",
                        version="Live",
                        release_id="r1",
                        disc=1,
                        position=1,
                        isrcs=("GBABC1900001",),
                        duration_ms=201500,
                        explicit=False,
                        credits=(
                            Credit(name="Ada Lov", artist_id="a1", join_phrase=" feat. "),
                            Credit(name="Bén", artist_id="a2"),
                        ),
                    ),
                    TrackRecord(
                        external_id="t2",
                        title="Dawn",
                        version=None,
                        release_id="r1",
                        disc=1,
                        position=2,
                        isrcs=(),
                        duration_ms=None,
                        explicit=None,
                        credits=(
                            Credit(name="Ada Lov", artist_id="a1", join_phrase=" feat. "),
                            Credit(name="Bén", artist_id="a2"),
                        ),
                    ),
                ),
                following=SECOND,
                watermark="g3",
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
        Refused(name="no token", status=401, body=b"token?", error=CredentialRefused, says="credential was refused"),
        Refused(name="not found", status=404, body=b"", error=Gone),
        Refused(name="broken", status=500, body=b"oops", error=Transient, says="500 oops"),
    ],
    items=ListForm(
        request=FIRST,
        name="items",
        envelope={"next": None, "watermark": None},
        item=TRACK,
        number=("duration_ms",),
    ),
    start=Scoped(kind="feed", given="", key="", asks=""),
    walk={
        "feed/tracks?limit=1000": {"items": [TRACK], "next": "c2", "watermark": "g3"},
        "feed/tracks?cursor=c2&limit=1000": {"items": [NEXT], "next": None, "watermark": "g3"},
    },
    reached=["t1", "t2"],
)
