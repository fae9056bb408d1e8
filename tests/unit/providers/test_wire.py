"""A key that is stated twice is seen in any body, however that is written."""

import contextlib
import json
import re
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicsync.providers import wire
from musicsync.records import Permanent, Transient

TEXTS = st.text(alphabet='":\\ \t\n{}[],a\u00e9', max_size=6)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(TEXTS, inner), max_size=4).map(tuple),
    max_leaves=8,
)
"""Any JSON, an object being a tuple of pairs, so that it may have a key twice."""


def written(tree: Any, colon: str, *, escaped: bool) -> str:
    if isinstance(tree, tuple):
        pairs = [
            f"{written(key, colon, escaped=escaped)}{colon}{written(value, colon, escaped=escaped)}"
            for key, value in tree
        ]
        return f"{{{','.join(pairs)}}}"
    if isinstance(tree, list):
        return f"[{', '.join(written(item, colon, escaped=escaped) for item in tree)}]"
    if isinstance(tree, str) and escaped:
        return '"' + "".join(f"\\u{ord(letter):04x}" for letter in tree) + '"'
    return json.dumps(tree, ensure_ascii=False)


def has_key_twice(tree: Any) -> bool:
    if isinstance(tree, tuple):
        keys = [key for key, _ in tree]
        return len(set(keys)) < len(keys) or any(has_key_twice(value) for _, value in tree)
    return isinstance(tree, list) and any(map(has_key_twice, tree))


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("colon", [":", ": ", " :", "\n\t: "])
@given(tree=TREES)
def test_whether_a_key_is_stated_twice_is_told_by_counting(tree: Any, colon: str, escaped: bool) -> None:
    body = written((("root", tree),), colon, escaped=escaped).encode()
    assert wire._states_each_key_once(body, json.loads(body)) is not has_key_twice(tree)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_of_any_depth_is_read_or_refused(opening: bytes, closing: bytes) -> None:
    """What can be decoded just so is written once more, which may be too deep."""
    for depth in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit() + 5):
        with contextlib.suppress(Permanent):
            wire.load(opening * depth + b"1" + closing * depth)


@pytest.mark.parametrize(
    ("body", "start"),
    [(b"<html>\n  <body>Sign in</body>", "<html> <body>Sign in</body>"), (b'{"a": [1', '{"a": [1')],
)
def test_what_is_no_json_is_shown_by_its_start(body: bytes, start: str) -> None:
    with pytest.raises(
        Transient, match=re.escape(f"the answer is not JSON, or was cut off after {len(body) + 500} bytes")
    ) as raised:
        wire.load(body + b" " * 500)
    assert str(raised.value).endswith(f"it begins with {start}")
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_an_empty_answer_is_said_to_be_empty() -> None:
    with pytest.raises(Transient, match=r"^the answer is empty$"):
        wire.load(b"")
