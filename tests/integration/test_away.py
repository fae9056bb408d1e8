"""Which of the database's errors pass by themselves, and which a second try would meet again."""

import pytest
from django.db import Error, connection, transaction

from musicsync.sync import sql

pytestmark = pytest.mark.django_db


def error_of(statement: str, *parameters: object) -> Error:
    with pytest.raises(Error) as raised, transaction.atomic():
        sql.query(statement, parameters)
    return raised.value


@pytest.mark.parametrize("state", ["08006", "53100", "53300", "57P01", "57P03"])
def test_a_database_that_is_away_comes_back(state: str) -> None:
    assert sql.is_away(error_of(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$"))


def test_what_a_statement_itself_did_wrong_does_not_pass() -> None:
    assert not sql.is_away(error_of("SELECT 1 / 0"))


def test_a_value_that_the_driver_refuses_does_not_pass() -> None:
    assert not sql.is_away(error_of("SELECT %s", "a\0b"))


def test_a_connection_that_was_cut_is_one_that_comes_back(transactional_db: None) -> None:
    connection.ensure_connection()
    with connection.cursor() as cursor:
        connection.connection.pgconn.finish()
        with pytest.raises(Error) as raised:
            cursor.execute("SELECT 1")
    connection.close()
    assert sql.is_away(raised.value)
