"""Which catalogue row a record speaks of, decided without a database."""

from collections.abc import Iterable, Sequence
from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from musicsync.sync.matching import Claim, Verdict, match

Partition = set[frozenset[int]]


def claim(*isrcs: str, **values: object) -> Claim:
    return Claim(keys=frozenset(isrcs), **values)


def decide(
    *claims: Claim,
    by_key: dict[str, int] | None = None,
    by_provider_key: dict[str, int] | None = None,
    bare: Iterable[int] = (),
) -> Verdict:
    return match(claims, by_key or {}, by_provider_key or {}, set(bare))


def test_a_known_isrc_leads_to_its_recording() -> None:
    assert decide(claim("a"), by_key={"a": 7}).targets == [7]


def test_an_unknown_record_is_new() -> None:
    assert len({*decide(claim("a"), claim(), claim("b")).targets} & {-1, -2, -3}) == 3


def test_claims_that_share_an_isrc_are_one_new_recording() -> None:
    first, second, third = decide(claim("a"), claim("b"), claim("a")).targets
    assert first == third != second


def test_claims_are_tied_through_others() -> None:
    assert len(set(decide(claim("a"), claim("b", "c"), claim("a", "b")).targets)) == 1


def test_a_record_that_names_two_recordings_makes_them_one() -> None:
    assert decide(claim("a", "b"), by_key={"a": 9, "b": 4}) == Verdict([4], {9: 4})


def test_recordings_that_are_absorbed_one_by_another_all_lead_to_the_last() -> None:
    verdict = decide(claim("a", "b"), claim("c", "d"), claim("b", "d"), by_key={"a": 5, "b": 4, "c": 3, "d": 2})
    assert verdict == Verdict([2, 2, 2], {5: 2, 4: 2, 3: 2})


def test_recordings_absorbed_by_claims_apart_all_lead_to_the_last() -> None:
    verdict = decide(claim("a", "b"), claim("c", "d"), by_key={"a": 5, "b": 3, "c": 5, "d": 4})
    assert verdict == Verdict([3, 3], {5: 3, 4: 3})


def test_an_isrc_comes_before_what_was_matched_before() -> None:
    assert decide(claim("a", linked=3), by_key={"a": 7}) == Verdict([7], {})


def test_a_record_takes_its_recording_along_to_another_isrc() -> None:
    assert decide(claim("a", linked=3), bare=[3]).targets == [3]


def test_a_record_leaves_the_recording_that_others_tie_to_another_isrc() -> None:
    assert decide(claim("a", linked=3)).targets == [-1]


def test_two_records_that_part_do_not_take_one_recording_along_both() -> None:
    assert decide(claim("a", linked=3), claim("b", linked=3), bare=[3]).targets == [3, -2]


def test_a_record_that_parts_leaves_the_recording_to_the_one_that_has_its_isrc() -> None:
    assert decide(claim("b", linked=3), claim("a", linked=3), by_key={"a": 3}, bare=[3]).targets == [-1, 3]


def test_a_record_that_has_no_isrc_any_more_stays() -> None:
    assert decide(claim(linked=3)).targets == [3]


def test_tracks_of_one_recording_of_the_provider_are_one() -> None:
    assert decide(claim(provider_key="r"), claim(provider_key="r")).targets == [-1, -1]


def test_the_provider_s_own_recording_is_found_again() -> None:
    assert decide(claim(provider_key="r"), by_provider_key={"r": 7}).targets == [7]


def test_a_track_without_isrc_joins_the_one_of_the_same_recording_that_has_one() -> None:
    assert decide(claim(provider_key="r"), claim("a", provider_key="r"), by_key={"a": 7}).targets == [7, 7]


def test_an_isrc_comes_before_the_provider_s_own_recording() -> None:
    assert decide(claim("a", provider_key="r"), by_provider_key={"r": 7}).targets == [-1]


def test_a_provider_key_is_no_isrc() -> None:
    assert len(set(decide(claim(provider_key="a"), claim("a")).targets)) == 2


def test_a_record_without_isrc_is_the_recording_at_its_place() -> None:
    assert decide(claim(beside=3)).targets == [3]


def test_a_record_with_isrc_is_the_recording_without_one_at_its_place() -> None:
    assert decide(claim("a", beside=3), bare=[3]).targets == [3]


def test_isrcs_that_differ_are_two_recordings_at_one_place() -> None:
    assert decide(claim("a", beside=3)).targets == [-1]


def test_a_recording_without_isrc_at_the_place_of_a_known_one_is_that() -> None:
    assert decide(claim("a", beside=3), by_key={"a": 7}, bare=[3]) == Verdict([7], {3: 7})


class Said(Struct, frozen=True):
    """What one provider says of one track; ``place`` and ``recording`` are true in the made-up world."""

    id: int
    provider: str
    isrcs: frozenset[str]
    recording: str | None
    place: int


class Ledger:
    """What a database would know: which recording each record was linked to, in the order of the batches."""

    def __init__(self) -> None:
        self.linked: dict[int, tuple[Said, int]] = {}
        self._ids = count(1)

    def apply(self, batch: Sequence[Said]) -> None:
        """Apply a batch of one provider as a page of it would be."""
        owners = {isrc: owner for said, owner in self.linked.values() for isrc in said.isrcs}
        of_provider = [found for found in self.linked.values() if found[0].provider == batch[0].provider]
        by_provider_key = {said.recording: owner for said, owner in of_provider if said.recording}
        verdict = match([self._claim(said) for said in batch], owners, by_provider_key, self._bare(batch))
        ids = {target: next(self._ids) for target in sorted(set(verdict.targets)) if target < 0}
        for said, target in zip(batch, verdict.targets, strict=True):
            self.linked[said.id] = (said, ids.get(target, target))
        for id_, (said, owner) in self.linked.items():
            self.linked[id_] = (said, verdict.absorbed.get(owner, owner))

    def partition(self) -> Partition:
        owners: dict[int, set[int]] = {}
        for said, owner in self.linked.values():
            owners.setdefault(owner, set()).add(said.id)
        return {frozenset(members) for members in owners.values()}

    def _claim(self, said: Said) -> Claim:
        linked = self.linked.get(said.id, (said, None))[1]
        beside = next((owner for other, owner in self.linked.values() if other.place == said.place), None)
        return Claim(keys=said.isrcs, provider_key=said.recording, linked=linked, beside=beside)

    def _bare(self, batch: Sequence[Said]) -> set[int]:
        anew = {said.id for said in batch}
        tied = {owner for said, owner in self.linked.values() if said.isrcs and said.id not in anew}
        return {owner for _, owner in self.linked.values()} - tied


def tied(world: Iterable[Said]) -> Partition:
    """Return what belongs together by a shared ISRC, a provider's own recording, or the place."""
    groups: list[tuple[set[object], set[int]]] = []
    for said in world:
        ties: set[object] = {*said.isrcs, ("place", said.place)}
        ties |= {("recording", said.provider, said.recording)} if said.recording else set()
        members = {said.id}
        for group in [group for group in groups if group[0] & ties]:
            groups.remove(group)
            ties |= group[0]
            members |= group[1]
        groups.append((ties, members))
    return {frozenset(members) for _, members in groups}


@st.composite
def worlds(draw: st.DrawFn) -> list[list[Said]]:
    """Draw the pages of two providers, in any order, who speak of the same tracks and each leave out what they like.

    A track is one recording, which has one ISRC; one provider numbers its recordings, as MusicBrainz does.
    """
    recording_at = draw(st.lists(st.integers(0, 3), min_size=1, max_size=6))
    ids = count(1)
    pages: list[list[Said]] = []
    for provider in ("one", "two"):
        records = [
            Said(
                id=next(ids),
                provider=provider,
                isrcs=frozenset(draw(st.sampled_from([(), (f"isrc {recording}",)]))),
                recording=f"recording {recording}" if provider == "one" else None,
                place=place,
            )
            for place, recording in enumerate(recording_at)
            if draw(st.booleans())
        ]
        size = draw(st.integers(1, 3))
        shuffled = draw(st.permutations(records))
        pages += [list(shuffled[start : start + size]) for start in range(0, len(records), size)]
    return draw(st.permutations(pages))


@given(worlds())
def test_any_order_of_two_providers_pages_gives_the_same_recordings(pages: list[list[Said]]) -> None:
    ledger = Ledger()
    for page in pages:
        ledger.apply(page)
    assert ledger.partition() == tied(said for page in pages for said in page)


@given(worlds())
def test_a_page_that_comes_again_changes_nothing(pages: list[list[Said]]) -> None:
    ledger = Ledger()
    for page in pages:
        ledger.apply(page)
    before = dict(ledger.linked)
    for page in pages:
        ledger.apply(page)
    assert ledger.linked == before


@given(st.lists(st.frozensets(st.sampled_from("abcdef"), min_size=1, max_size=3), max_size=8), st.data())
def test_any_order_of_claims_gives_the_same_recordings(isrcs: list[frozenset[str]], data: st.DataObject) -> None:
    world = [
        Said(id=number, provider="one", isrcs=codes, recording=None, place=number)
        for number, codes in enumerate(isrcs, start=1)
    ]
    shuffled = data.draw(st.permutations(world))
    cut = data.draw(st.integers(0, len(world)))
    ledger = Ledger()
    for batch in (shuffled[:cut], shuffled[cut:]):
        if batch:
            ledger.apply(batch)
    assert ledger.partition() == tied(world)
