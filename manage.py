#!/usr/bin/env python
"""Django's command line for this project."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import execute_from_command_line

from project.checks import clear_errors


def main() -> None:
    """Run the management command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    with quiet_pipe(), clear_errors():
        execute_from_command_line(sys.argv)


@contextmanager
def quiet_pipe() -> Iterator[None]:
    """End as other tools do where the reader of the output has had enough, such as ``head``: without a word.

    The exit code is what a shell gives for a command that SIGPIPE ended. The signal itself stays ignored: it would end
    a command whose database or broker hangs up, too.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # What is still to be written would fail once more when the interpreter ends ("Note on SIGPIPE" in the
        # documentation of signal).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(128 + signal.SIGPIPE) from None


if __name__ == "__main__":
    main()
