"""The credentials of providers, and the keys that they are encrypted with, from the command line."""

import getpass
import sys
from collections.abc import Callable, Mapping
from typing import Any

from django.core.management.base import CommandError

from musicsync import credentials
from musicsync.management.base import provider_named
from musicsync.models import Provider

Say = Callable[[str], None]
"""Writes one line of output."""


def add_actions(actions: Any) -> None:
    """Name the actions (``actions`` is what ``add_subparsers`` of argparse returns) and their options."""
    credential = actions.add_parser("credential", help="store its credential, read from the standard input")
    credential.add_argument("provider", metavar="SLUG")
    credential.add_argument("--clear", action="store_true", help="forget the one that is stored")
    actions.add_parser("rotate-keys", help="encrypt all stored credentials anew, with the first encryption key")
    actions.add_parser("new-key", help="make a key for MUSICSYNC_ENCRYPTION_KEYS")


def keep(options: Mapping[str, Any], say: Say) -> None:
    """Store the credential of a provider, or forget the one that is stored.

    Raises:
        CommandError: there is no such provider.
        MusicsyncError: it is none that can be stored, or there is no key to encrypt it with.
    """
    provider = provider_named(options["provider"])
    if options["clear"]:
        credentials.forget(provider)
        say(f"provider {provider}: no credential is stored any more{_overriding(provider)}")
    else:
        credentials.store(provider, _read(provider))
        say(f"provider {provider}: the credential is stored, encrypted{_overriding(provider)}")


def rotate_keys(_: Mapping[str, Any], say: Say) -> None:
    """Encrypt all stored credentials anew.

    Raises:
        CommandError: some of them no key reads; the others are done.
        MusicsyncError: there is no key.
    """
    rotated, unreadable = credentials.rotate()
    say(f"stored credentials that are encrypted with the first key now: {rotated:,}")
    if unreadable:
        raise CommandError(
            f"no key reads those of {', '.join(unreadable)}, which are as they were: add the key that they were "
            "encrypted with, or store them anew"
        )


def make_key(_: Mapping[str, Any], say: Say) -> None:
    """Make a key and say it."""
    say(credentials.new_key())


ACTIONS: dict[str, Callable[[Mapping[str, Any], Say], None]] = {
    "credential": keep,
    "rotate-keys": rotate_keys,
    "new-key": make_key,
}


def _read(provider: Provider) -> str:
    """Return what stands in the standard input, or what somebody types there unseen."""
    if sys.stdin.isatty():
        return getpass.getpass(f"credential of {provider} (not shown): ").strip()
    return sys.stdin.read().strip()


def _overriding(provider: Provider) -> str:
    if credentials.source(provider) != "environment":
        return ""
    return f"; {provider.credential_setting} is set in this environment, and wins"
