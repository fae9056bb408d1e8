"""What every command shares: errors as one line with the right exit code, rows found by name, and tables."""

import json
import os
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from musicsync import tasks
from musicsync.models import Provider, Run
from musicsync.records import MusicsyncError
from project.checks import SurroundingsError, check_broker

BAD_USAGE = 2
_STATUS_STYLES = {"running": "cyan", "done": "green", "errors": "yellow", "held": "yellow", "failed": "red"}


class MusicsyncCommand(BaseCommand):
    """A command whose ``act`` may raise any MusicsyncError: it becomes one line on stderr and exit code 2."""

    # Asking for them would need no database, but every command here is about its rows.
    requires_migrations_checks = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "no_color": kwargs.get("no_color", False) or "NO_COLOR" in os.environ})

    def handle(self, *_: Any, **options: Any) -> None:
        """Act as the options say.

        Raises:
            CommandError: with exit code 2 for what the caller can put right, 1 for what went wrong.
        """
        try:
            self.act(options)
        except MusicsyncError as error:
            raise bad_usage(str(error)) from error

    def act(self, options: Mapping[str, Any]) -> None:
        """Do what the command is for."""
        raise NotImplementedError

    def say(self, line: str) -> None:
        """Write one line of output."""
        self.stdout.write(line)

    def say_json(self, document: Any) -> None:
        """Write a document as JSON; times are ISO 8601."""
        self.say(json.dumps(document, indent=2, ensure_ascii=False, default=_json_value))

    def say_table(self, headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Write rows: a table for a person at a terminal, else a line each with tabs between the values."""
        cells = [[cell_text(value) for value in row] for row in rows]
        if not self.stdout.isatty():
            for line in (headers, *cells):
                self.say("\t".join(" ".join(cell.split()) for cell in line))
            return
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for header, column in zip(headers, zip(*rows, strict=True) if rows else [()] * len(headers), strict=True):
            numeric = any(isinstance(value, int | float) and not isinstance(value, bool) for value in column)
            table.add_column(header, justify="right" if numeric else "left", overflow="fold")
        for line in cells:
            # Text, because what providers and operators wrote is no markup.
            table.add_row(*(Text(cell, style=_STATUS_STYLES.get(cell, "")) for cell in line))
        Console().print(table)


def bad_usage(line: str) -> CommandError:
    """Return the error of one line that ends a command with exit code 2."""
    return CommandError(line, returncode=BAD_USAGE)


def cell_text(value: Any) -> str:
    """Return a value as a table shows it: times to the second in UTC, ``None`` as nothing."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def positive(kind: type[int] | type[float]) -> Callable[[str], int | float]:
    """Return a reader of a finite number above zero, for an option."""

    def read(text: str) -> int | float:
        try:
            number = kind(text)
        except ValueError:
            number = kind(0)
        if not 0 < number < float("inf"):
            raise ArgumentTypeError(f"{text!r} is no {'whole ' if kind is int else ''}number above 0")
        return number

    return read


def provider_named(slug: str) -> Provider:
    """Return the provider.

    Raises:
        CommandError: there is none of this name; the text says which there are.
    """
    provider = Provider.objects.select_related("budget").filter(slug=slug).first()
    if provider is None:
        known = ", ".join(Provider.objects.order_by("slug").values_list("slug", flat=True))
        there_are = (
            f"the known ones are: {known}" if known else "there is none yet: add one with `manage.py provider add`"
        )
        raise bad_usage(f"unknown provider {slug!r}; {there_are}")
    return provider


def run_numbered(number: int) -> Run:
    """Return the run.

    Raises:
        CommandError: there is none of this number.
    """
    run = Run.objects.select_related("provider__budget", "scope").filter(pk=number).first()
    if run is None:
        raise bad_usage(f"there is no run {number}: `manage.py runs` lists them")
    return run


def begin(run: Run) -> None:
    """Send the run's first messages, once its rows are committed.

    Raises:
        CommandError: the broker cannot be reached; the run stays recorded, and the text says so.
    """
    try:
        transaction.on_commit(partial(tasks.begin, run))
    except tasks.BROKER_AWAY as error:
        raise CommandError(
            f"{_broker_trouble(error)}. Run {run.pk} is recorded; it starts when a worker and beat run and the broker "
            "is back"
        ) from error


def _broker_trouble(error: Exception) -> str:
    try:
        check_broker()
    except SurroundingsError as known:
        return str(known)
    return f"CELERY_BROKER_URL: the broker did not take a message ({error})"


def _json_value(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
