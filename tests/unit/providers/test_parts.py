import pytest
from msgspec import UNSET, Struct

from musicsync.providers import registry, wire
from musicsync.providers.base import one_line
from musicsync.providers.collect import PageBuilder, page_after
from musicsync.records import ArtistRecord, MusicsyncError, Request


def test_an_unknown_adapter_is_said_with_the_known_ones() -> None:
    with pytest.raises(MusicsyncError, match="'spotifly'.*musicbrainz, deezer, feed"):
        registry.get("spotifly")


def test_every_adapter_has_a_name_a_label_and_a_form_choice() -> None:
    assert registry.choices() == [(name, adapter.label) for name, adapter in registry.ADAPTERS.items()]
    assert all(registry.get(name).name == name for name in registry.ADAPTERS)


def test_a_page_holds_each_thing_once_with_all_that_was_said_of_it() -> None:
    page = PageBuilder()
    page.add(ArtistRecord(external_id="1", name="Ada"))
    page.add(ArtistRecord(external_id="2", name="Bén"))
    page.add(ArtistRecord(external_id="1", name="ADA", country=None, type="person"))
    page.add(ArtistRecord(external_id="1", name="Ada", country="GB"))
    assert page.page().records == (
        ArtistRecord(external_id="1", name="Ada", country=None, type="person"),
        ArtistRecord(external_id="2", name="Bén"),
    )


def test_an_id_that_answers_for_itself_is_not_merged() -> None:
    page = PageBuilder()
    page.merge("artist", "1", "1")
    assert page.page().merged == ()


def test_of_a_url_of_the_next_page_two_numbers_are_taken() -> None:
    asked = Request(path="list", params={"q": "a", "limit": "50", "offset": "0"})
    for url, numbers in (
        ("https://elsewhere.example/x?offset=010&limit=5&q=b", {"offset": "10", "limit": "5"}),
        ("?offset=50", {"offset": "50"}),
    ):
        page = PageBuilder()
        page.total = 60
        page.go_on_at(url, "offset", asked)
        assert page.follow_ups == [page_after(asked, numbers, 60)]
    page = PageBuilder()
    page.go_on_at(None, "offset", asked)
    assert page.follow_ups == page.rejected == []


@pytest.mark.parametrize("url", ["https://[x", "?limit=5", "?offset=soon", "?offset=5&limit=all"])
def test_a_url_that_leads_nowhere_is_rejected(url: str) -> None:
    page = PageBuilder()
    page.go_on_at(url, "offset", Request(path="list"), "$.albums.next")
    assert page.follow_ups == []
    assert [(item.path, item.reason) for item in page.rejected] == [("$.albums.next", "has no offset to go on at")]


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b'{"name": 5}', b"[" * 10_000])
def test_the_body_of_an_error_may_be_anything(body: bytes) -> None:
    assert wire.try_decode(body, Leaf) is None


def test_words_of_a_provider_are_in_lower_case() -> None:
    assert [wire.optional_lower(text) for text in (" EP ", "", None, UNSET)] == ["ep", None, None, UNSET]


def test_a_duration_is_the_first_that_says_something() -> None:
    assert wire.duration(UNSET) is UNSET
    assert wire.duration(UNSET, None) is None
    assert wire.duration(0) is None
    assert wire.duration(None, 0, 7, 8) == 7
    assert wire.duration(201, unit=1000) == 201_000


def test_texts_of_others_fit_in_one_line() -> None:
    assert one_line("a\r\n\tb\x1b[31m\u202e c" + "d" * 500) == "a b [31m c" + "d" * 190


@pytest.mark.parametrize(
    ("given", "expected"), [(0, 0), (7, 7), ("7", 7), ("007", 7), ("", None), (None, None), (UNSET, UNSET)]
)
def test_a_whole_number_may_come_as_text(given: object, expected: object) -> None:
    assert wire.whole(given) == expected  # type: ignore[arg-type]


class Leaf(Struct):
    name: str


class Branch(Struct):
    leaves: list[Leaf] | str = []


class Tree(Struct):
    branch: Branch | str | None = None


@pytest.mark.parametrize(
    ("body", "names", "paths"),
    [
        (b'{"branch": {"leaves": [{"name": "a"}, 5, {"name": "b"}]}}', ["a", "b"], ["$.branch.leaves[1]"]),
        (b'{"branch": {"leaves": []}}', [], []),
        (b'{"branch": {"leaves": "none", "x": NaN}}', [], []),
        (b'{"branch": "none", "x": NaN}', [], []),
        (b'{"x": NaN}', [], []),
    ],
)
def test_a_list_within_objects_is_named_by_its_way(body: bytes, names: list[str], paths: list[str]) -> None:
    tree, rejected = wire.decode(body, Tree, {"branch.leaves": wire.Each(Leaf)})
    leaves = tree.branch.leaves if isinstance(tree.branch, Branch) else []
    assert [leaf.name for leaf in leaves if isinstance(leaf, Leaf)] == names
    assert [item.path for item in rejected] == paths
