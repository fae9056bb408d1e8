"""Texts that are shown nowhere: credentials and keys, in every form in which they may turn up. Imports no Django.

Whoever comes to know one makes it a ``Secret``. From then on this process finds it in whatever it is about to show or
to write down: ``redacted`` stands where texts go out, in errors, log lines, error pages, failures and alerts.
"""

import base64
import html
import json
import re
import threading
from collections.abc import Iterable
from typing import Self
from urllib.parse import quote, quote_plus

HIDDEN = "***"
SHORTEST = 8
"""Characters of the shortest text that is looked for: a shorter one would be found in ordinary words."""


class Secret(str):
    """A text that is not to be shown: its repr hides it, and ``redacted`` finds it from the moment it is made."""

    __slots__ = ()

    def __new__(cls, text: str = "") -> Self:
        """Let ``redacted`` know the text."""
        _known.add(text)
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return repr(HIDDEN if self else "")


class _Known:
    """The secrets that this process came to know, as one pattern of all their forms."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._lock = threading.Lock()
        self.pattern: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        """Look for this text, too, in each of its forms."""
        forms = _forms(secret)
        if forms <= self._forms:
            return
        with self._lock:
            self._forms |= forms
            self.pattern = _any_of(self._forms)


def redacted(text: str, also: Iterable[str] = ()) -> str:
    """Return the text with three asterisks for every secret that this process knows, and for what is named besides."""
    if _known.pattern:
        text = _known.pattern.sub(HIDDEN, text)
    forms = {form for secret in also for form in _forms(secret)}
    return _any_of(forms).sub(HIDDEN, text) if forms else text


def keep_secrets_out(error: Exception) -> None:
    """Do nothing, unless the error or what it came of names a secret.

    Raises:
        RuntimeError: it does; this one says the same without it, and without what it came of.
    """
    if _names_secret(error):
        raise RuntimeError(redacted(f"{type(error).__name__}: {error}")) from None


def _names_secret(error: BaseException | None) -> bool:
    if error is None:
        return False
    told = f"{error}\n{error!r}"
    return redacted(told) != told or _names_secret(error.__cause__ or error.__context__)


def _forms(secret: str) -> set[str]:
    """Return the ways in which a secret is written: as it is, a password alone, in base64, each also escaped."""
    raw = secret.encode("utf-8", "surrogatepass")
    written = {secret, secret.partition(":")[2]}
    written |= {encode(raw).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)}
    escapes = (
        lambda text: quote(text, safe="", errors="replace"),
        lambda text: quote_plus(text, errors="replace"),
        lambda text: json.dumps(text)[1:-1],
        lambda text: repr(text)[1:-1],
        html.escape,
    )
    forms = written | {escape(text) for text in written for escape in escapes}
    return {form for form in forms if len(form) >= SHORTEST}


def _any_of(forms: set[str]) -> re.Pattern[str]:
    # The longest first, so that no rest of one is left where a shorter one begins like it.
    alternatives = sorted(forms, key=len, reverse=True)
    # Percent-encoding is written in both cases.
    return re.compile("|".join(map(re.escape, alternatives)), re.IGNORECASE)


_known = _Known()
