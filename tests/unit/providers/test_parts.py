import pytest
from msgspec import UNSET, Struct

from musicsync.providers import registry, wire
from musicsync.providers.base import one_line
from musicsync.providers.collect import PageBuilder
from musicsync.records import ArtistRecord, MusicsyncError


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
