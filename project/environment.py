"""Reading values of the environment, with one clear line for each that is wrong."""

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import environ
import psycopg
from celery.app.backends import by_url
from celery.exceptions import ImproperlyConfigured as CeleryMisconfigured
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from kombu.transport import TRANSPORT_ALIASES, get_transport_cls
from psycopg.conninfo import conninfo_to_dict

from musicsync.redaction import Secret

_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}


def database(url: str) -> dict[str, Any]:
    """Give Django's settings for a PostgreSQL URL, read by libpq's own rules.

    Raises:
        ImproperlyConfigured: it is not one; the text does not repeat it, because of its password.
    """
    try:
        options = conninfo_to_dict(url) if url.startswith(("postgres://", "postgresql://")) else None
    except psycopg.ProgrammingError:
        options = None
    if options is None:
        raise ImproperlyConfigured(
            "DATABASE_URL: not a PostgreSQL address: expected postgres://user:password@host:5432/database"
        )
    named = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{setting: options.pop(parameter, "") for setting, parameter in named.items()},
        # A host that swallows packets must not hold a process for the minutes and hours of TCP.
        "OPTIONS": {"connect_timeout": 5, **_KEEPALIVE} | options,
    }


def broker(url: str) -> str:
    """Give the broker URL, checked.

    Raises:
        ImproperlyConfigured: Celery has no such transport here, or an address is not of the form of one. The text does
            not repeat it, because of its password.
    """
    for one in url.split(";"):
        _check_broker(one)
    return url


def _check_broker(url: str) -> None:
    transport = url.partition("://")[0].partition("+")[0]
    if not (_is_sound(url) and "://" in url and transport in TRANSPORT_ALIASES):
        raise ImproperlyConfigured(
            "CELERY_BROKER_URL: not a broker address: "
            "expected redis://:password@host:6379/0 or amqp://user:password@host:5672/"
        )
    try:
        get_transport_cls(transport)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"CELERY_BROKER_URL: {transport}:// needs a package that is not installed ({error})"
        ) from None


def result_backend(url: str) -> str | None:
    """Give the URL of the result backend, checked; ``None`` where there is none.

    Raises:
        ImproperlyConfigured: Celery has no such backend here, or the address is not of the form of one. The text does
            not repeat it, because of its password.
    """
    if not url:
        return None
    try:
        by_url(url)
    except (ImportError, ValueError, CeleryMisconfigured):
        known = False
    else:
        known = _is_sound(url)
    if not known:
        raise ImproperlyConfigured(
            "CELERY_RESULT_BACKEND: not a place for results, or one whose package is not installed: "
            "expected redis://:password@host:6379/0, or nothing"
        )
    return url


def _is_sound(url: str) -> bool:
    """Tell whether a URL has a port that can be, and of a Redis a number as its database."""
    try:
        parts = urlsplit(url)
        sound = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return sound and (parts.scheme not in {"redis", "rediss"} or re.fullmatch(r"/?[0-9]*", parts.path) is not None)


def folders(text: str) -> list[Path]:
    """Give the folders that are named, comma-separated; they need not be there yet.

    Raises:
        ImproperlyConfigured: one is not named by its whole path.
    """
    found = [Path(one.strip()) for one in text.split(",") if one.strip()]
    for folder in found:
        if not folder.is_absolute() or ".." in folder.parts:
            raise ImproperlyConfigured(
                f"MUSICSYNC_FEED_FOLDERS: {folder} is no whole path: expected /srv/feeds, comma-separated"
            )
    return found


def megabytes(text: str) -> int:
    """Give the bytes of so many megabytes.

    Raises:
        ImproperlyConfigured: it is no whole number above 0.
    """
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise ImproperlyConfigured("MUSICSYNC_SPOOL_MB: not a whole number of megabytes above 0, such as 5000")
    return int(text) * 1_000_000


def email(url: str) -> dict[str, Any]:
    """Give Django's e-mail settings for a URL.

    Raises:
        ImproperlyConfigured: it is not one.
    """
    try:
        return dict(environ.Env.email_url_config(url))
    except (ImproperlyConfigured, ValueError):
        line = "EMAIL_URL: not a mail server: expected smtp+tls://user:password@host:587 or consolemail://"
        raise ImproperlyConfigured(line) from None


def webhook(url: str) -> Secret:
    """Give the address that alerts are posted to, a secret as a whole: who knows it may post there.

    Raises:
        ImproperlyConfigured: it is no http(s) address; the text does not repeat it.
    """
    if not url:
        return Secret()
    if not (_is_sound(url) and urlsplit(url).scheme in {"http", "https"} and urlsplit(url).hostname):
        raise ImproperlyConfigured(
            "MUSICSYNC_ALERT_WEBHOOK: not a web address: expected https://chat.example/hooks/..."
        )
    parts = urlsplit(url)
    for shown in (parts.path, urlunsplit(("", "", parts.path, parts.query, "")), parts.netloc.rpartition("@")[0]):
        # What errors and log lines of the way there name alone.
        Secret(shown)
    return Secret(url)


def one_of(name: str, value: str, allowed: Iterable[str]) -> str:
    """Give the value, checked.

    Raises:
        ImproperlyConfigured: it is none of the allowed ones.
    """
    if value not in allowed:
        raise ImproperlyConfigured(f"{name}: {value!r} is not one of {', '.join(allowed)}")
    return value


def encryption_keys(text: str) -> list[Secret]:
    """Give the keys that credentials are encrypted with, in the order in which they are written.

    Raises:
        ImproperlyConfigured: one of them is no Fernet key; the text does not repeat it.
    """
    keys = [Secret(key) for key in re.split(r"[,\s]+", text) if key]
    for number, key in enumerate(keys, 1):
        try:
            Fernet(key)
        except ValueError:
            raise ImproperlyConfigured(
                f"MUSICSYNC_ENCRYPTION_KEYS: number {number} is no Fernet key (32 bytes in URL-safe base64): "
                "make one with `MUSICSYNC_ENCRYPTION_KEYS= manage.py provider new-key`"
            ) from None
    return keys


def kept_encryption_key(path: Path) -> str:
    """Give the encryption key in a file that only this user reads; made once.

    Raises:
        ImproperlyConfigured: it can be neither read nor made.
    """
    return kept_secret(path, "MUSICSYNC_ENCRYPTION_KEYS", lambda: Fernet.generate_key().decode())


def kept_secret(path: Path, setting: str = "DJANGO_SECRET_KEY", make: Callable[[], str] | None = None) -> str:
    """Give the secret in a file that only this user reads; made once, and the same for processes that start together.

    ``setting`` can be set instead; ``make`` gives a new secret, by default a random text.

    Raises:
        ImproperlyConfigured: it can be neither read nor made.
    """
    try:
        if not path.exists():
            _write_secret(path, make() if make else secrets.token_urlsafe(50))
        return path.read_text()
    except OSError as error:
        raise ImproperlyConfigured(
            f"MUSICSYNC_VAR: cannot keep a secret in {path} ({error.strerror}): "
            f"set MUSICSYNC_VAR to a folder that can be written, or set {setting}"
        ) from error


def _write_secret(path: Path, secret: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secret)
    try:
        # A link fails where another process was first, so all of them read one secret.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
