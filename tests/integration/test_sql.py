"""What goes into a table comes out of it as it was."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from musicsync.sync import sql

pytestmark = pytest.mark.django_db

ODD_TEXTS = [
    *("", " ", "null", "NULL", "\\N", "\\.", '"', '""', "'", "\\", "\\\\", '\\"', "a,b", "],[", "]\n[", "\x01\x1f\x7f"),
    *("\n", "\r\n", "\t", "\b\f", "\\n", "\\t\n", "AC\\DC", "\\u0041", "\u2028\u2029", "Sigur Rós 🎵", "{}", "[1]"),
]


@pytest.fixture
def table(db: None) -> str:
    sql.execute("CREATE TEMPORARY TABLE odd (id bigint UNIQUE, word text, object jsonb, words text[], is_so bool)")
    return "odd"


def written(table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    columns = {"id": "bigint", "word": "text", "object": "jsonb", "words": "text[]", "is_so": "bool"}
    sql.copy(table, columns, [tuple(row.values()) for row in rows])
    return sql.query(f"SELECT * FROM {table} ORDER BY id")


def test_any_text_is_copied_as_it_is(table: str) -> None:
    rows = [
        {"id": number, "word": text, "object": {text: [text]}, "words": [text, text], "is_so": True}
        for number, text in enumerate(ODD_TEXTS)
    ]
    assert written(table, rows) == rows


def test_nothing_and_empty_are_told_apart(table: str) -> None:
    rows: list[dict[str, Any]] = [
        {"id": 1, "word": None, "object": None, "words": None, "is_so": None},
        {"id": 2, "word": "", "object": {}, "words": [], "is_so": False},
    ]
    assert written(table, rows) == rows


def test_no_rows_are_no_statement(table: str, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert written(table, []) == []


def test_a_row_that_breaks_a_constraint_is_an_error_of_django(table: str) -> None:
    row = {"id": 1, "word": "", "object": {}, "words": [], "is_so": False}
    with pytest.raises(IntegrityError), transaction.atomic():
        written(table, [row, row])
