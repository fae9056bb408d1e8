#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

from django.core.management import execute_from_command_line

from project.checks import clear_errors


def main() -> None:
    """Run the management command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    with clear_errors():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
