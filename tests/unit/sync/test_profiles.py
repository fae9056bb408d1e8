from itertools import count

import pytest

from musicsync.records import ArtistRecord, Kind, Record, Request, TrackRecord
from musicsync.sync.profiles import History, Tally, collapses, count_lost, form_of, learn, measure, shape_of

_serial = count(1)


def tracks(number: int, *, isrcs: bool = True, form: str = "{:07}") -> list[Record]:
    return [
        TrackRecord(external_id=form.format(serial), title="Song", isrcs=(f"USRC1{serial:07}",) if isrcs else ())
        for serial in (next(_serial) for _ in range(number))
    ]


class Provider:
    """Reads one page after another until one is held."""

    def __init__(self, *, sample: bool = False) -> None:
        self.history = History()
        self.sample = sample
        self.said: list[str] = []

    def reads(self, records: list[Record], *, scope: int = 1, lost: int = 0) -> bool:
        """Read a page, ``lost`` of whose records had ISRCs; tell whether it is believed."""
        page = measure("track", records, {"isrcs": lost} if lost else {}, scope)
        self.said = collapses("track", self.history, page, sample=self.sample)
        if not self.said:
            self.history = learn(self.history, page, sample=self.sample)
        return not self.said


def known(*, sample: bool = False, isrcs: bool = True) -> Provider:
    provider = Provider(sample=sample)
    for scope in range(30):
        assert provider.reads(tracks(50, isrcs=isrcs), scope=scope)
    return provider


def test_a_page_of_a_feed_without_a_field_that_always_was_there_is_held() -> None:
    provider = known(sample=True)
    assert not provider.reads(tracks(50, isrcs=False))
    assert provider.said == ["isrcs filled in 0 of 50 tracks, 100% before"]


@pytest.mark.parametrize("filled", [0, 10, 14])
def test_so_is_one_with_a_few_left(filled: int) -> None:
    assert not known(sample=True).reads(tracks(filled) + tracks(50 - filled, isrcs=False))


@pytest.mark.parametrize(("filled", "size"), [(15, 50), (25, 50), (0, 8)])
def test_a_page_that_is_half_as_good_or_small_is_believed(filled: int, size: int) -> None:
    assert known(sample=True).reads(tracks(filled) + tracks(size - filled, isrcs=False))


def test_an_artist_without_isrcs_is_believed_however_many_tracks_there_are() -> None:
    provider = known()
    assert all(provider.reads(tracks(500, isrcs=False), scope=100) for _ in range(20))


def test_three_artists_in_a_row_without_isrcs_are_not() -> None:
    provider = known()
    assert provider.reads(tracks(50, isrcs=False), scope=100)
    assert provider.reads(tracks(50, isrcs=False), scope=101)
    assert not provider.reads(tracks(50, isrcs=False), scope=102)


def test_three_artists_without_isrcs_among_others_are() -> None:
    provider = known()
    for scope in range(100, 130):
        assert provider.reads(tracks(50, isrcs=scope % 3 > 0), scope=scope)


def test_tracks_that_lose_what_they_had_are_held_whoever_they_are_of() -> None:
    provider = known()
    assert not provider.reads(tracks(20, isrcs=False), scope=1, lost=20)


def test_an_album_that_loses_its_isrcs_is_believed_and_the_next_is_held() -> None:
    provider = known()
    assert provider.reads(tracks(12, isrcs=False), lost=12)
    assert not provider.reads(tracks(12, isrcs=False), lost=12)


def test_a_loss_is_seen_also_where_but_half_of_all_tracks_had_it() -> None:
    provider = known()
    for scope in range(30):
        assert provider.reads(tracks(50, isrcs=False) + tracks(50), scope=scope)
    assert not provider.reads(tracks(50, isrcs=False), lost=25)


def test_pages_of_one_record_each_are_held_once_they_are_too_many() -> None:
    provider = known()
    believed = 0
    while provider.reads(tracks(1, isrcs=False), scope=1000 + believed):
        believed += 1
    assert 20 <= believed <= 60


def test_pages_of_one_record_that_lost_a_value_are_held_after_twenty() -> None:
    provider = known()
    believed = 0
    while provider.reads(tracks(1, isrcs=False), lost=1):
        believed += 1
    assert 19 <= believed <= 40


def test_nothing_is_held_before_there_is_a_past() -> None:
    provider = Provider(sample=True)
    assert provider.reads(tracks(60))
    assert provider.reads(tracks(60, isrcs=False), lost=30)


def test_a_field_that_was_accepted_as_gone_is_not_missed() -> None:
    provider = known(isrcs=False)
    assert provider.reads(tracks(500, isrcs=False), lost=500)


def test_invalid_codes_are_as_good_as_none() -> None:
    provider = known(sample=True)
    assert not provider.reads([TrackRecord(external_id=f"{n}", title="Song", isrcs=("?",)) for n in range(50)])


def test_ids_of_another_form_are_held_from_the_first_page_on() -> None:
    provider = known()
    assert not provider.reads(tracks(5, form="spotify:track:{}"))
    assert provider.said == ["external_id of tracks is of the form a:a:9, digits before"]


def test_ids_of_another_form_one_a_page_are_held_from_the_fifth_on() -> None:
    provider = known()
    assert [provider.reads(tracks(1, form="t{}")) for _ in range(5)] == [True] * 4 + [False]


def test_an_odd_id_now_and_then_is_believed() -> None:
    provider = known()
    assert provider.reads(tracks(50) + tracks(20, form="-{}"))


def test_ids_that_grow_by_a_digit_keep_their_form() -> None:
    provider = Provider()
    assert provider.reads(tracks(900, form="t{:03}"))
    assert provider.reads(tracks(900, form="t{:05}"))


def test_a_past_that_fades_learns_what_becomes_usual() -> None:
    provider = known()
    for scope in range(300):
        assert provider.reads(tracks(10) + tracks(10, isrcs=False), scope=scope)
    assert provider.history.past.share("isrcs") < 0.7
    assert provider.history.past.seen <= 4000


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("3135556", "digits"),
        ("9b58672a-e68e-4972-956e-a8985a165a1f", "uuid"),
        ("4uLU6hMCjMI75M1A2tKUQC", "alnum-22"),
        ("4f9k2", "alnum"),
        ("r512", "a9"),
        ("TRA-12", "a-9"),
        ("ünï-7", "a-9"),
        ("", ""),
    ],
)
def test_forms_of_ids(text: str, form: str) -> None:
    assert form_of(text) == form


@pytest.mark.parametrize(
    ("request_", "shape"),
    [
        (Request(path="feed/tracks", params={"limit": "500", "cursor": "x"}), "feed/tracks?cursor&limit v1"),
        (Request(path="artist/27"), "artist/* v1"),
        (Request(path="album/upc:724384960650"), "album/upc:* v1"),
        (Request(path="artist/9b58672a-e68e-4972-956e-a8985a165a1f"), "artist/* v1"),
        (Request(path="artists/kQwErTyUiOpAsDfGhJkLzX/albums"), "artists/*/albums v1"),
    ],
)
def test_shapes_leave_ids_out(request_: Request, shape: str) -> None:
    assert shape_of(request_, 1) == shape


def test_answers_that_only_a_parameter_tells_apart_are_of_different_shapes() -> None:
    request = Request(path="2.0/", params={"method": "album.getInfo", "artist": "x", "format": "json"})
    assert shape_of(request, 1, "album.getInfo") == "*/?artist&format&method album.getInfo v1"


def test_what_an_answer_does_not_carry_is_not_lost() -> None:
    before = {"title": "Song", "isrcs": ["USRC17607839"], "duration_ms": 1000, "explicit": False, "version": None}
    now = {"title": "Song", "isrcs": [], "duration_ms": 1000, "explicit": None, "version": None}
    assert count_lost("track", [(before, now)] * 3) == {"isrcs": 3, "explicit": 3}
    assert count_lost("track", [(before, before), (before, before | {"isrcs": ["?"]})]) == {"isrcs": 1}


def test_a_value_is_what_is_neither_unset_nor_none_nor_empty() -> None:
    kind: Kind = "artist"
    records = [
        ArtistRecord(external_id="1", name="A", country="FR", type=None),
        ArtistRecord(external_id="2", name="B", country="", type="person"),
        ArtistRecord(external_id="3", name="C"),
    ]
    tally = measure(kind, records, {}, 7)
    assert (tally.filled["country"], tally.filled["type"], tally.filled["sort_name"]) == (1, 1, 0)
    assert tally.bare["sort_name"] == [7]
    assert tally.share("country") == pytest.approx(1 / 3)
    assert Tally().share("country") == 0
