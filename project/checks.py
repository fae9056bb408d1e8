"""What is wrong with the surroundings, said in one line that names the setting and never the password."""

import contextlib
import re
from collections.abc import Iterator

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, InterfaceError, OperationalError, ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu import Connection
from kombu.exceptions import OperationalError as BrokerError

BROKER_LIMIT_SECONDS = 3
_NOT_MIGRATED = "the database has no tables of this release yet: run manage.py migrate"


class SurroundingsError(Exception):
    """Something that musicsync needs does not answer. The text is one line for a person."""


def check_database() -> None:
    """Ask the database for an answer.

    Raises:
        SurroundingsError: it cannot be reached or refuses; the text names DATABASE_URL.
    """
    try:
        with connection.cursor() as cursor:
            # A connection that is kept says nothing of a server that has gone since.
            cursor.execute("SELECT 1")
    except (OperationalError, InterfaceError) as error:
        connection.close()
        raise SurroundingsError(_database_line(error)) from error


def check_tables() -> None:
    """Look whether the database has what this release needs; one of a later release has.

    Raises:
        SurroundingsError: a migration is missing.
    """
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise SurroundingsError(_NOT_MIGRATED)


def check_broker() -> None:
    """Ask the broker for an answer within a few seconds.

    Raises:
        SurroundingsError: it cannot be reached or refuses; the text names CELERY_BROKER_URL.
    """
    try:
        with Connection(
            settings.CELERY_BROKER_URL,
            transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS,
            connect_timeout=BROKER_LIMIT_SECONDS,
        ) as broker:
            # Straight to the transport: the connection would try again and wait, a person wants the first answer.
            broker.transport.close_connection(broker.transport.establish_connection())
    except Exception as error:  # every transport raises errors of its own, redis-py's and amqp's among them
        raise SurroundingsError(_broker_line(error)) from error


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """End the process with one clear line and exit code 1 where the database or the broker cannot be used.

    They cannot be reached, or the database was never migrated.
    """
    try:
        yield
    except (SurroundingsError, ImproperlyConfigured) as error:
        # Python prints it on stderr and exits with 1.
        raise SystemExit(str(error)) from error
    except BrokerError as error:
        raise SystemExit(_broker_line(error)) from error
    except OperationalError as error:
        if not _is_unreachable(error):
            raise
        raise SystemExit(_database_line(error)) from error
    except ProgrammingError as error:
        if not isinstance(error.__cause__, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
            raise
        raise SystemExit(_NOT_MIGRATED) from error


def require_surroundings() -> None:
    """End a worker or beat that is starting, with one clear line, where its surroundings are not as it needs them.

    Its database or broker does not answer, or the database is not migrated: it would take messages and fail on them.
    """
    with clear_errors():
        check_database()
        check_tables()
        check_broker()
    # The worker forks: its children must not share this connection.
    connection.close()


def without_password(url: str) -> str:
    """Give a URL, or Celery's list of them, as it may be shown: without password and query.

    Read by hand, because a password may hold what would end it in a URL that is well made.
    """
    shown = []
    for one in url.split(";"):
        scheme, _, rest = one.partition("://")
        login, at, host = rest.rpartition("@")
        user, colon, _ = login.partition(":")
        shown.append(f"{scheme}://{user if colon else ''}{colon}{'…' if at else ''}{at}{host.partition('?')[0]}")
    return ";".join(shown)


def _is_unreachable(error: Error) -> bool:
    """Tell a database that was never reached from one that failed in the middle of a statement."""
    cause = error.__cause__
    return isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None


def _database_line(error: BaseException) -> str:
    if settings.EMBEDDED_DATABASE:
        place = f"the private PostgreSQL in {settings.VAR / 'postgres'}"
    else:
        place = without_password(settings.DATABASE_URL)
    return f"DATABASE_URL: cannot reach {place} ({_reason(error)}): start it or correct the setting"


def _broker_line(error: BaseException) -> str:
    place = without_password(settings.CELERY_BROKER_URL)
    return f"CELERY_BROKER_URL: cannot reach {place} ({_reason(error)}): start it or correct the setting"


def _reason(error: BaseException) -> str:
    """Give the last, most precise part of an error's text on one line."""
    text = str(error).strip() or type(error).__name__
    known = re.search(r"Connection refused|timeout expired|FATAL: +(.+)|failed to resolve host \S+", text)
    return (known[1] or known[0].lower()) if known else " ".join(text.split())
