"""Which catalogue row a record speaks of. Pure: the keys are read by ``linking``, the decision is here.

Keys that identify across providers come first (GTIN for a release, ISRC for a recording), then what the same provider
id matched before, then the provider's own grouping. A name never matches by itself.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct


class Claim(Struct, frozen=True):
    """What one source row says of its identity.

    ``keys`` are its valid GTIN or ISRCs, ``provider_key`` the provider's own id of the recording. ``linked`` is the
    catalogue row it was linked to, which has the keys ``linked_keys``; ``alone`` says that no other source row is
    linked there, so that its keys may change with this one. ``beside`` is the recording of the track at the same place
    of the same release, with its keys.
    """

    keys: frozenset[str] = frozenset()
    provider_key: str | None = None
    linked: int | None = None
    linked_keys: frozenset[str] = frozenset()
    alone: bool = False
    beside: int | None = None
    beside_keys: frozenset[str] = frozenset()

    @property
    def joins(self) -> bool:
        """Tell whether it may join what stands beside it: no ISRC contradicts that."""
        return self.beside is not None and (not self.keys or not self.beside_keys)

    @property
    def stays(self) -> bool:
        """Tell whether it may stay where it was linked, with no other row having its keys."""
        return self.linked is not None and (not self.keys or not self.linked_keys or self.alone)


class Verdict(Struct, frozen=True):
    """``targets`` has the catalogue row of each claim, or the number of a new one: -1, -2, ...

    ``absorbed`` has the rows that turned out to be another, as {absorbed: kept}.
    """

    targets: list[int]
    absorbed: dict[int, int]


def match(claims: Sequence[Claim], by_key: Mapping[str, int], by_provider_key: Mapping[str, int]) -> Verdict:
    """Return which catalogue row each claim speaks of.

    Claims that share a key speak of one row, and so do the rows that such claims join: the one with the lowest id
    is kept. The answer does not depend on the order in which providers are read.
    """
    groups = _groups(claims)
    absorbed: dict[int, int] = {}
    for group in groups:
        owners = sorted({_kept(by_key[key], absorbed) for index in group for key in claims[index].keys & by_key.keys()})
        absorbed |= dict.fromkeys(owners[1:], owners[0] if owners else 0)
    targets = [0] * len(claims)
    for number, group in enumerate(groups, start=1):
        members = [claims[index] for index in group]
        target = _target(members, by_key, by_provider_key) or -number
        for index in group:
            targets[index] = _kept(target, absorbed)
    return Verdict(targets, {old: _kept(old, absorbed) for old in absorbed})


def _target(group: Sequence[Claim], by_key: Mapping[str, int], by_provider_key: Mapping[str, int]) -> int | None:
    owners = (by_key[key] for claim in group for key in claim.keys if key in by_key)
    linked = (claim.linked for claim in group if claim.linked is not None and claim.stays)
    same_provider_key = (
        by_provider_key[claim.provider_key]
        for claim in group
        if claim.provider_key is not None and claim.provider_key in by_provider_key
    )
    beside = (claim.beside for claim in group if claim.beside is not None and claim.joins)
    return _lowest(owners) or _lowest(linked) or _lowest(same_provider_key) or _lowest(beside)


def _lowest(ids: Iterable[int]) -> int | None:
    return min(ids, default=None)


def _kept(entity_id: int, absorbed: Mapping[int, int]) -> int:
    while entity_id in absorbed:
        entity_id = absorbed[entity_id]
    return entity_id


def _groups(claims: Sequence[Claim]) -> list[list[int]]:
    """Return the indices of the claims that share keys, directly or through others."""
    group_of_key: dict[str, list[int]] = {}
    group_of: list[list[int]] = []
    for index, claim in enumerate(claims):
        keys = [*claim.keys, *([f"provider:{claim.provider_key}"] if claim.provider_key else [])]
        joined = [index]
        for other in {id(group): group for key in keys if (group := group_of_key.get(key))}.values():
            joined.extend(other)
        group_of.append(joined)
        for member in joined[1:]:
            group_of[member] = joined
        for member in joined:
            for key in claims[member].keys:
                group_of_key[key] = joined
            if claims[member].provider_key:
                group_of_key[f"provider:{claims[member].provider_key}"] = joined
    return list({id(group): group for group in group_of}.values())
