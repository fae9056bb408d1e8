import json
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec
import pytest

from musicsync.providers import registry
from musicsync.providers.base import BadScope, Scope
from musicsync.providers.outcomes import error_of
from musicsync.records import (
    Page,
    Permanent,
    ProviderError,
    RateLimited,
    Request,
    Response,
    ScopeKind,
    TrackRecord,
    Transient,
)
from tests.contract import (
    deezer,
    discogs,
    feed,
    file_feed,
    itunes,
    jamendo,
    json_feed,
    lastfm,
    musicbrainz,
    spotify,
    tidal,
)
from tests.contract.spec import Refused, Said, Scoped, Spec
from tests.contract.storable import unstorable

SPECS = [
    musicbrainz.SPEC,
    deezer.SPEC,
    feed.SPEC,
    spotify.SPEC,
    spotify.DEVELOPMENT,
    tidal.SPEC,
    discogs.SPEC,
    itunes.SPEC,
    jamendo.SPEC,
    lastfm.SPEC,
    json_feed.SPEC,
    file_feed.SPEC,
]
ODD = ["null", "true", "[]", "{}", '""', '"\\u0000"', '"\\ud800x"', '"x"', "-1", "0", "1.5", "NaN", "1e400", "9" * 40]
DEEP = 10_000
FILL_IN = {
    "bad_scopes": "a kind that cannot be followed, and for each other one a key that has not its form",
    "said": "a small body of your own for each form of answer, and exactly what is to be read from it",
    "refused": "each answer that stands for an error, and its type",
    "walk": "a body for each request on the way from `start` to the last track",
    "reached": "the ids of the tracks that the walk reaches, in order",
}

every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.adapter.name)


def each(field: str) -> pytest.MarkDecorator:
    rows = [(spec, case) for spec in SPECS for case in getattr(spec, field)]
    names = [f"{spec.adapter.name}-{getattr(case, 'name', case)}" for spec, case in rows]
    return pytest.mark.parametrize(("spec", "case"), rows, ids=names)


def parse(spec: Spec, request: Request, body: bytes | object) -> Page:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return spec.adapter.parse(request, Response(status=200, headers={}, body=raw, url=""))


def outcome(spec: Spec, request: Request, body: bytes) -> Page | ProviderError:
    try:
        return parse(spec, request, body)
    except ProviderError as error:
        return error


def test_every_adapter_is_held_to_the_contract() -> None:
    assert [spec.adapter.name for spec in SPECS] == list(registry.ADAPTERS)


@every_spec
@pytest.mark.parametrize("field", FILL_IN)
def test_nothing_of_a_spec_is_left_empty(spec: Spec, field: str) -> None:
    assert getattr(spec, field), f"the SPEC of {spec.adapter.name} has no `{field}`: fill in {FILL_IN[field]}"


@every_spec
def test_the_base_url_is_that_of_the_provider(spec: Spec) -> None:
    host = str(urlsplit(spec.adapter.base_url).hostname)
    assert not host.endswith(".example"), f"the adapter {spec.adapter.name} has no base_url: fill in the provider's"


@each("scopes")
def test_a_scope_has_one_canonical_key_and_a_first_request(spec: Spec, case: Scoped) -> None:
    key = spec.adapter.normalise_key(case.kind, case.given)
    assert key == case.key
    assert spec.adapter.normalise_key(case.kind, key) == key
    assert [request.key for request in spec.adapter.plan(Scope(kind=case.kind, key=key), "full")] == [case.asks]


@each("bad_scopes")
def test_a_scope_that_cannot_be_followed_is_said_in_one_line(spec: Spec, case: tuple[ScopeKind, str]) -> None:
    kind, key = case
    with pytest.raises(BadScope) as raised:
        spec.adapter.normalise_key(kind, key)
    assert spec.adapter.label in str(raised.value)
    assert kind in str(raised.value)


@every_spec
def test_the_scope_kinds_are_those_that_have_a_scope(spec: Spec) -> None:
    assert {case.kind for case in spec.scopes} == set(spec.adapter.scope_kinds)
    assert spec.adapter.probe().path


@each("said")
def test_a_body_says_exactly_this(spec: Spec, case: Said) -> None:
    assert parse(spec, case.request, case.body) == case.page


@each("said")
def test_a_parameter_that_the_adapter_never_sends_is_no_surprise(spec: Spec, case: Said) -> None:
    """As in the address of an answer that somebody else recorded."""
    body = case.body if isinstance(case.body, bytes) else json.dumps(case.body).encode()
    for name in case.request.params:
        odd = msgspec.structs.replace(case.request, params={**case.request.params, name: "x"})
        assert isinstance(outcome(spec, odd, body), Page | ProviderError)


@each("said")
def test_parsing_is_the_same_each_time(spec: Spec, case: Said) -> None:
    assert parse(spec, case.request, case.body) == parse(spec, case.request, case.body)


@each("refused")
def test_an_error_answer_is_a_typed_error(spec: Spec, case: Refused) -> None:
    request = spec.said[0].request
    if case.status == 200:
        found = outcome(spec, request, case.body)
    else:
        now = datetime.now(UTC)
        found = error_of(spec.adapter, f"GET /{request.path}", case.status, case.headers, case.body, now=now)
    assert type(found) is case.error
    assert case.says in str(found)
    assert request.path in str(found)
    if isinstance(found, RateLimited):
        assert found.retry_after == case.retry_after


@every_spec
def test_a_walk_reaches_every_track_and_ends(spec: Spec) -> None:
    pending = spec.adapter.plan(Scope(kind=spec.start.kind, key=spec.start.key), "full")
    asked: list[str] = []
    tracks: list[str] = []
    while pending:
        request = pending.pop(0)
        asked.append(request.key)
        assert request.key in spec.walk, f"the walk of {spec.adapter.name} has no body for {request.key}: fill it in"
        page = parse(spec, request, spec.walk[request.key])
        tracks += [record.external_id for record in page.records if record.kind == "track"]
        pending += page.requests
    assert sorted(asked) == sorted(spec.walk)
    assert tracks == spec.reached


def listing(spec: Spec, items: list[object]) -> dict[str, object]:
    *way, last = spec.items.name.split(".")
    body = json.loads(json.dumps(spec.items.envelope))
    holder = body
    for name in way:
        holder = holder[name]
    holder[last] = items
    return body


def changed(item: dict[str, object], path: tuple[str, ...], value: object) -> dict[str, object]:
    name, *rest = path
    inner = item[name]
    if not rest:
        return {**item, name: value}
    first = inner[0] if isinstance(inner, list) else inner
    assert isinstance(first, dict)
    replaced = changed(first, tuple(rest), value)
    return {**item, name: [replaced] if isinstance(inner, list) else replaced}


def titles(page: Page) -> list[str]:
    return [record.title for record in page.records if isinstance(record, TrackRecord)]


@every_spec
def test_an_empty_list_says_nothing(spec: Spec) -> None:
    page = parse(spec, spec.items.request, listing(spec, []))
    assert msgspec.structs.replace(page, total=None) == spec.items.around


@every_spec
@pytest.mark.parametrize("wrong", [None, 5, "x", [], {}, {"id": {}}])
def test_one_wrong_item_is_rejected_and_its_page_goes_on(spec: Spec, wrong: object) -> None:
    alone = parse(spec, spec.items.request, listing(spec, [spec.items.item]))
    page = parse(spec, spec.items.request, listing(spec, [wrong, spec.items.item, wrong]))
    assert page.records == alone.records
    assert [item.path for item in page.rejected] == [f"$.{spec.items.name}[{index}]" for index in (0, 2)]
    assert all(item.reason for item in page.rejected)
    assert page.rejected[0].excerpt == json.dumps(wrong)


@every_spec
@pytest.mark.parametrize("value", ["12", -1, 1.5, 2**31, float("nan"), float("inf"), [], {}])
def test_a_number_that_is_none_costs_its_item_only(spec: Spec, value: object) -> None:
    wrong = changed(spec.items.item, spec.items.number, value)
    page = parse(spec, spec.items.request, listing(spec, [wrong, spec.items.item]))
    if value == "12" and spec.items.digits:
        assert page.rejected == ()
        return
    assert len(page.rejected) == 1
    assert spec.items.number[-1] in page.rejected[0].reason
    assert len(titles(page)) == 1


@every_spec
def test_a_title_in_any_script_is_kept(spec: Spec) -> None:
    title = "紅蓮の弓矢 / Ночь, שלום, สวัสดี, 안녕 ♥ e\u0301 𝄞"
    page = parse(spec, spec.items.request, listing(spec, [changed(spec.items.item, spec.items.title, title)]))
    assert titles(page) == [title]


@every_spec
@pytest.mark.parametrize("title", ["  A\x00 title ", "A\ud800 title", "\udfffA title"])
def test_what_the_database_refuses_is_taken_out_of_a_title(spec: Spec, title: str) -> None:
    page = parse(spec, spec.items.request, listing(spec, [changed(spec.items.item, spec.items.title, title)]))
    assert titles(page) == ["A title"]
    assert page.rejected == ()


@every_spec
@pytest.mark.parametrize("title", ["", "  ", "\x00", "\ud800", None, 7])
def test_an_item_without_a_title_is_rejected(spec: Spec, title: object) -> None:
    wrong = changed(spec.items.item, spec.items.title, title)
    page = parse(spec, spec.items.request, listing(spec, [wrong, spec.items.item]))
    assert len(page.rejected) == 1
    assert len(titles(page)) == 1
    assert unstorable(page) == []


@every_spec
def test_an_excerpt_is_at_most_300_characters_and_readable(spec: Spec) -> None:
    page = parse(spec, spec.items.request, listing(spec, [{"名": "語" * 1000}]))
    assert len(page.rejected[0].excerpt) == 300
    assert page.rejected[0].excerpt.startswith('{"名": "語語')


@every_spec
@pytest.mark.parametrize("body", [b"", b" ", b"<html>busy</html>", b"\xff\xfe", b'{"a":"\xff"', b"{" + b"9" * 5000])
def test_what_is_not_json_may_be_whole_next_time(spec: Spec, body: bytes) -> None:
    assert isinstance(outcome(spec, spec.items.request, body), Transient)


@each("said")
def test_a_body_that_was_cut_off_anywhere_may_be_whole_next_time(spec: Spec, case: Said) -> None:
    body = json.dumps(case.body).encode()
    for length in range(len(body)):
        assert isinstance(outcome(spec, case.request, body[:length]), Transient)


@every_spec
@pytest.mark.parametrize("body", [b"null", b"5", b'"x"', b"[]", b"{}", b'[{"id": 1}]', b'{"unknown": []}'])
def test_json_of_another_form_is_permanent(spec: Spec, body: bytes) -> None:
    assert isinstance(outcome(spec, spec.items.request, body), Permanent)


TWICE = "states a key twice"


def twice(item: dict[str, object], path: tuple[str, ...]) -> bytes:
    """Return the item as JSON in which the field at the path is stated a second time, with another value."""
    mark = '"\\u0001marked\\u0001"'
    text = json.dumps(changed(item, path, "\x01marked\x01"))
    return text.replace(mark, f'5, "{path[-1]}": 6').encode()


def page_of(spec: Spec, *items: bytes) -> bytes:
    empty = json.dumps(listing(spec, [])).encode()
    name = spec.items.name.rpartition(".")[2]
    return empty.replace(f'"{name}": []'.encode(), f'"{name}": ['.encode() + b", ".join(items) + b"]")


@every_spec
def test_an_item_that_states_a_key_twice_is_rejected_and_its_page_goes_on(spec: Spec) -> None:
    page = parse(
        spec,
        spec.items.request,
        page_of(spec, twice(spec.items.item, spec.items.number), json.dumps(spec.items.item).encode()),
    )
    [wrong] = page.rejected
    assert wrong.path.startswith(f"$.{spec.items.name}[0]")
    assert TWICE in wrong.reason
    assert "5" in wrong.excerpt
    assert len(titles(page)) == 1


@every_spec
def test_an_object_in_an_item_that_states_a_key_twice_costs_the_item(spec: Spec) -> None:
    nested = next((name for name, value in spec.items.item.items() if isinstance(value, dict | list) and value), None)
    if nested is None:
        pytest.skip("the items of this provider hold no objects")
    inner = spec.items.item[nested]
    first = inner[0] if isinstance(inner, list) else inner
    assert isinstance(first, dict)
    page = parse(spec, spec.items.request, page_of(spec, twice(spec.items.item, (nested, next(iter(first))))))
    [wrong] = page.rejected
    assert wrong.path.startswith(f"$.{spec.items.name}[0]")
    assert TWICE in wrong.reason
    assert titles(page) == []


@every_spec
def test_what_states_a_key_twice_where_nothing_is_read_from_it_costs_nothing(spec: Spec) -> None:
    item = json.dumps(spec.items.item).encode()
    odd = item[:-1] + b', "unheard-of": {"a": 1, "a": 2}}'
    assert parse(spec, spec.items.request, page_of(spec, odd)) == parse(spec, spec.items.request, page_of(spec, item))


@each("said")
def test_an_answer_that_states_its_own_key_twice_is_permanent(spec: Spec, case: Said) -> None:
    assert isinstance(case.body, dict)
    name = next(iter(case.body))
    body = json.dumps(case.body)[:-1] + f', "{name}": 1}}'
    found = outcome(spec, case.request, body.encode())
    assert isinstance(found, Permanent)
    assert TWICE in str(found)


@each("said")
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_another_encoding_of_unicode_says_the_same(spec: Spec, case: Said, encoding: str) -> None:
    assert parse(spec, case.request, json.dumps(case.body, ensure_ascii=False).encode(encoding)) == case.page


@every_spec
@pytest.mark.parametrize("digits", ["9" * 40, "9" * 5000, "-" + "9" * 5000, "1e400", "1" + "0" * 400 + ".5"])
def test_a_number_of_any_length_costs_its_item_only(spec: Spec, digits: str) -> None:
    sound = json.dumps(spec.items.item).encode()
    long = json.dumps(changed(spec.items.item, spec.items.number, 31_337)).replace("31337", digits).encode()
    page = parse(spec, spec.items.request, page_of(spec, long, sound))
    [wrong] = page.rejected
    assert wrong.path.startswith(f"$.{spec.items.name}[0]")
    assert len(titles(page)) == 1


@each("said")
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_an_answer_like_any_other(spec: Spec, case: Said, opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    deep = opening * DEEP + b"1" + closing * DEEP
    body = json.dumps(case.body).encode()
    extended = body[:-1] + b', "deep": ' + deep + b"}"
    for hostile in (deep, extended):
        found = outcome(spec, case.request, hostile)
        assert isinstance(found, Permanent) or found == case.page


def with_each_node_replaced(body: object, odd: str) -> Iterator[bytes]:
    """Yield the body once for every value in it, with that value replaced by an odd one."""
    mark = "\x01replaced\x01"

    def replacements(node: object) -> Iterator[object]:
        yield mark
        if isinstance(node, dict):
            for key, value in node.items():
                for replaced in replacements(value):
                    yield {**node, key: replaced}
                yield {other: kept for other, kept in node.items() if other != key}
        elif isinstance(node, list):
            for index, value in enumerate(node):
                for replaced in replacements(value):
                    yield [*node[:index], replaced, *node[index + 1 :]]

    for replaced in replacements(body):
        yield json.dumps(replaced).replace(json.dumps(mark), odd).encode()


@each("said")
@pytest.mark.parametrize("odd", ODD)
def test_any_value_may_be_wrong_and_nothing_unexpected_happens(spec: Spec, case: Said, odd: str) -> None:
    for body in with_each_node_replaced(case.body, odd):
        found = outcome(spec, case.request, body)
        if isinstance(found, Page):
            assert unstorable(found) == []
            assert all(item.path.startswith("$.") and item.reason for item in found.rejected)
        else:
            assert "\n" not in str(found)
