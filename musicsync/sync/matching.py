"""Which catalogue row a record speaks of. Pure: the keys are read by ``linking``, the decision is here.

Keys that identify across providers (GTIN for a release, ISRC for a recording) always decide: what shares one is one.
Weaker evidence only joins what no key contradicts: what the same record matched before, the provider's own grouping,
the place on a release. A name never matches by itself.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from msgspec import Struct

from musicsync.identifiers import is_gtin, is_isrc


class Claim(Struct, frozen=True):
    """What one source row says of its identity.

    ``keys`` are its valid GTIN or ISRCs, or its place on a release; ``provider_key`` is the provider's own id of the
    recording. ``linked`` is the catalogue row it was linked to, ``beside`` the recording of the track at the same place
    of the same release.
    """

    keys: frozenset[Hashable] = frozenset()
    provider_key: str | None = None
    linked: int | None = None
    beside: int | None = None


class Verdict(Struct, frozen=True):
    """``targets`` has the catalogue row of each claim, or the number of a new one: -1, -2, ...

    ``absorbed`` has the rows that turned out to be another, as {absorbed: kept}.
    """

    targets: list[int]
    absorbed: dict[int, int]


def gtin_of(fields: Mapping[str, Any]) -> str | None:
    """Return the GTIN by which a release with these fields is identified; ``None`` without a valid one."""
    gtin = fields.get("gtin")
    return gtin if gtin and is_gtin(gtin) else None


def isrcs_of(fields: Mapping[str, Any]) -> frozenset[str]:
    """Return the ISRCs by which a recording with these fields is identified: the valid ones."""
    codes = fields.get("isrcs")
    return frozenset([code for code in codes if is_isrc(code)] if codes else ())


def match(
    claims: Sequence[Claim], by_key: Mapping[Any, int], by_provider_key: Mapping[str, int], bare: AbstractSet[int]
) -> Verdict:
    """Return which catalogue row each claim speaks of.

    ``bare`` has those of the rows that the claims lead to whose keys, if any, are told by no other source: with what
    is claimed now, they may become another. Of rows that turn out to be one, the one with a key is kept, and of those
    the one with the lowest id. The answer does not depend on the order in which providers are read.
    """
    groups = _groups(claims)
    owned = {by_key[key] for claim in claims for key in claim.keys if key in by_key}
    free = set(bare) - owned
    absorbed: dict[int, int] = {}
    targets = [0] * len(claims)
    for number, group in enumerate(groups, start=1):
        members = [claims[index] for index in group]
        if not any(_leads_somewhere(claim, by_key, by_provider_key) for claim in members):
            for index in group:
                targets[index] = -number
            continue
        keys = frozenset().union(*(claim.keys for claim in members))
        owners = sorted({_kept(by_key[key], absorbed) for key in keys if key in by_key})
        weak = list(dict.fromkeys(_kept(row, absorbed) for row in _weak_evidence(members, by_provider_key)))
        tied = [row for row in weak if row not in free]
        joined = sorted(free.intersection(weak))
        same = [*owners, *joined] if keys else [*tied[:1], *joined]
        absorbed |= dict.fromkeys(same[1:], same[0] if same else 0)
        if keys:
            free -= set(same)
        for index in group:
            targets[index] = same[0] if same else -number
    return Verdict([_kept(target, absorbed) for target in targets], {old: _kept(old, absorbed) for old in absorbed})


def _leads_somewhere(claim: Claim, by_key: Mapping[Any, int], by_provider_key: Mapping[str, int]) -> bool:
    known = claim.linked or claim.beside or by_provider_key.get(claim.provider_key or "")
    return known is not None or any(key in by_key for key in claim.keys)


def _weak_evidence(group: Sequence[Claim], by_provider_key: Mapping[str, int]) -> list[int]:
    """Return the rows that the group may join, by strength of evidence."""
    linked = {claim.linked for claim in group}
    own = {by_provider_key.get(claim.provider_key or "") for claim in group}
    beside = {claim.beside for claim in group}
    return [row for rows in (linked, own, beside) for row in sorted(filter(None, rows))]


def _kept(row: int, absorbed: Mapping[int, int]) -> int:
    while row in absorbed:
        row = absorbed[row]
    return row


def _groups(claims: Sequence[Claim]) -> list[list[int]]:
    """Return the indices of the claims that speak of the same.

    Those are claims that share keys, directly or through others, and with them the claims without a key that share the
    provider's own.
    """
    groups = _sharing(range(len(claims)), lambda index: claims[index].keys)
    keyed = [group for group in groups if claims[group[0]].keys]
    first_of: dict[str | None, list[int]] = {}
    for group in keyed:
        for index in group:
            first_of.setdefault(claims[index].provider_key, group)
    without = [group[0] for group in groups if not claims[group[0]].keys]
    alone = []
    for group in _sharing(without, lambda index: [claims[index].provider_key] if claims[index].provider_key else []):
        provider_key = claims[group[0]].provider_key
        if provider_key is not None and provider_key in first_of:
            first_of[provider_key].extend(group)
        else:
            alone.append(group)
    return keyed + alone


def _sharing(indices: Iterable[int], keys_of: Callable[[int], Iterable[Hashable]]) -> list[list[int]]:
    """Return the indices in groups that share a key, directly or through others."""
    group_of: dict[Hashable, list[int]] = {}
    groups: dict[int, list[int]] = {}
    for index in indices:
        keys = keys_of(index)
        met = {id(group): group for key in keys if (group := group_of.get(key)) is not None}
        joined = [index]
        if met:
            joined = [member for group in met.values() for member in group] + joined
            for other in met:
                del groups[other]
            group_of.update((key, joined) for member in joined for key in keys_of(member))
        groups[id(joined)] = joined
        for key in keys:
            group_of[key] = joined
    return list(groups.values())
