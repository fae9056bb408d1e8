"""What a run came to, as plain values, so that one that was disturbed can be held against one that was not."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.test import override_settings

from musicsync.models import Change, Fetch, Rejection, Run, SourceArtist, SourceRelease, SourceTrack
from tests.faults.stack import without_schedules
from tests.integration.cataloguing import catalogue, names_of
from tests.integration.driving import control, follow, sync
from tests.unit.sandbox.serving import serve


class Outcome(NamedTuple):
    """The catalogue row for row, what changed in it, and what was rejected."""

    catalogue: dict[str, Any]
    changes: dict[Any, Any]
    rejections: Counter[tuple[str, ...]]


def outcome() -> Outcome:
    rejections = Rejection.objects.values_list("provider__slug", "page__key", "path", "reason")
    return Outcome(catalogue(), changes(), Counter(rejections))


def assert_as_if_nothing_happened(ended: list[Run], expected: Outcome) -> None:
    """Hold the runs, and all that they left, against what undisturbed ones come to."""
    assert {(run.status, run.error) for run in ended} == {(Run.Status.DONE, "")}
    assert not Fetch.objects.exclude(status=Fetch.Status.APPLIED).exists()
    found = outcome()
    for part, rows in expected.catalogue.items():
        assert found.catalogue[part] == rows, f"{part} differ"
    assert found.rejections == expected.rejections
    assert found.changes == expected.changes


def changes() -> dict[Any, Any]:
    """Return what each catalogue row went through in each round of runs, by the names that the providers call it by.

    Pages come in any order, so a row may reach the same state by other steps; of what a round did to it, the fields are
    given as they were before and after. But each step begins where the one before ended: a change that was lost, or
    said twice, does not.

    Raises:
        AssertionError: the changes of a row do not follow from one another.
    """
    names = {(entity, id_): name for entity, named in _names().items() for id_, name in named.items()}
    rounds = _rounds()
    states: dict[tuple[str, int], dict[str, Any]] = defaultdict(dict)
    found: dict[Any, dict[str, tuple[Any, Any]]] = defaultdict(dict)
    # A row is locked before it is changed, so the numbers of its changes are in their order.
    for change in Change.objects.order_by("id"):
        state = states[change.entity, change.entity_id]
        known = {field: state.get(field) for field in change.before}
        assert change.before == known, f"{change}: it was {known}, and the change says {change.before}"
        assert change.before != change.after, f"{change} changes nothing"
        name = names.get((change.entity, change.entity_id))
        if name is not None:
            fields = found[rounds[change.run_id], change.entity, name]
            for field, value in change.after.items():
                fields[field] = (fields[field][0] if field in fields else state.get(field), value)
        state |= change.after
    shown = {key: _differing(key[1], fields, names) for key, fields in found.items()}
    return {key: fields for key, fields in shown.items() if fields}


def _differing(
    entity: str, fields: dict[str, tuple[Any, Any]], names: dict[tuple[str, int], Any]
) -> dict[str, tuple[Any, ...]]:
    shown = {field: tuple(_named(entity, field, value, names) for value in pair) for field, pair in fields.items()}
    return {field: pair for field, pair in shown.items() if pair[0] != pair[1]}


def _named(entity: str, field: str, value: Any, names: dict[tuple[str, int], Any]) -> Any:
    """Return the value with the names of the rows that it speaks of; the numbers are another database's own."""
    if field in ("release_id", "recording_id"):
        return names.get((field.removesuffix("_id"), value))
    if field == "merged_into":
        return names.get((entity, value))
    if field == "credits" and value is not None:
        return [credit | {"artist_id": names.get(("artist", credit["artist_id"]))} for credit in value]
    return value


def _names() -> dict[str, dict[int, tuple[str, ...]]]:
    return {
        "artist": names_of(SourceArtist, "artist_id"),
        "release": names_of(SourceRelease, "release_id"),
        "recording": names_of(SourceTrack, "recording_id"),
        "track": names_of(SourceTrack, "track_id"),
    }


def _rounds() -> dict[int, int]:
    """Return of each run how many its provider had before."""
    before: Counter[int] = Counter()
    rounds = {}
    for run_id, provider_id in Run.objects.order_by("pk").values_list("pk", "provider_id"):
        rounds[run_id] = before[provider_id]
        before[provider_id] += 1
    return rounds


def undisturbed(adapters: Sequence[str], tracks: int, generations: int) -> Outcome:
    """Run each adapter over a sandbox to its end, one request after the other; again for each further generation.

    From the second generation on, a run that is to come to the same has to keep that order of providers: of what two
    of them do not have any more, the catalogue keeps what the last one said.
    """
    with serve(tracks) as base, override_settings(MUSICSYNC_CONTACT="tests@localhost"):
        providers = [
            without_schedules(follow(base, adapter, trust=trust)) for trust, adapter in enumerate(adapters, start=1)
        ]
        for generation in range(generations + 1):
            if generation:
                control(base, "evolve", json={"expected": False})
            for provider in providers:
                run = sync(provider)
                assert run.status == Run.Status.DONE, run.error
    return outcome()
