"""The credentials of providers: which one holds, and how it is kept.

``MUSICSYNC_CREDENTIAL_<SLUG>`` in the environment wins: what an operator or a secrets manager gives this process
overrides what was kept before. Otherwise ``Provider.sealed_credential`` holds, a Fernet text under the first of
``MUSICSYNC_ENCRYPTION_KEYS`` (any of them reads it).

The text names the provider and the origins (scheme, host and port) that the credential is for: that of the base URL,
and that of the token URL where the credential is exchanged for a token. Copied to another row, or with a URL that leads
elsewhere, it is not used: who may edit providers cannot have a stored credential sent to a host of their own. One of
the environment knows no host: it goes wherever these URLs lead.
"""

from typing import Literal
from urllib.parse import urlsplit

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from msgspec import Struct

from musicsync.models import Circuit, Provider
from musicsync.providers import addresses
from musicsync.records import MusicsyncError
from musicsync.redaction import SHORTEST, Secret

_MAKE_A_KEY = "make a key with `manage.py provider new-key` and set it for web and worker"


class Unreadable(MusicsyncError):
    """A credential is stored and cannot be used: the key is missing or wrong, or it was stored for something else."""


class _Sealed(Struct, frozen=True):
    """What is encrypted."""

    provider: str
    origin: str
    credential: str
    token_origin: str = ""


def of(provider: Provider) -> Secret:
    """Return the provider's credential, empty where there is none.

    Raises:
        Unreadable: one is stored and cannot be used; the text names the provider and what to do.
    """
    return Secret(settings.MUSICSYNC_CREDENTIALS.get(provider.credential_setting, "")) or unseal(provider)


def source(provider: Provider) -> Literal["environment", "stored", "none"]:
    """Return where the provider's credential comes from."""
    if settings.MUSICSYNC_CREDENTIALS.get(provider.credential_setting):
        return "environment"
    return "stored" if provider.sealed_credential else "none"


def new_key() -> str:
    """Return a new key for MUSICSYNC_ENCRYPTION_KEYS."""
    return Fernet.generate_key().decode()


def check(text: str) -> None:
    """Check that a credential can be stored.

    Raises:
        MusicsyncError: there is no key to encrypt it with, or it is none that could be sent. The text does not hold it.
    """
    if not settings.MUSICSYNC_ENCRYPTION_KEYS:
        raise MusicsyncError(f"MUSICSYNC_ENCRYPTION_KEYS is not set, and nothing is stored in clear: {_MAKE_A_KEY}")
    if not (text.isascii() and text.isprintable()):
        raise MusicsyncError("the credential holds characters that no HTTP header can carry")
    if len(text) < SHORTEST:
        raise MusicsyncError(f"the credential has fewer than {SHORTEST} characters: is it whole?")


def seal(provider: Provider, text: str) -> str:
    """Return the credential encrypted for this provider at this address.

    Raises:
        MusicsyncError: as ``check`` does.
    """
    check(text)
    origin, token_origin = origins(provider)
    sealed = _Sealed(provider.slug, origin, str(text), token_origin)
    return _keys().encrypt(msgspec.json.encode(sealed)).decode()


@transaction.atomic
def store(provider: Provider, text: str) -> None:
    """Keep the credential, encrypted; where the provider is not asked for its refusal, the next sweep tries it.

    Raises:
        MusicsyncError: as ``check`` does.
    """
    provider.sealed_credential = seal(provider, text)
    provider.save(update_fields=["sealed_credential"])
    Circuit.objects.filter(provider=provider, opened_at__isnull=False).update(probe_at=Now())


def forget(provider: Provider) -> None:
    """Keep the provider's credential no longer."""
    provider.sealed_credential = ""
    provider.save(update_fields=["sealed_credential"])


def unseal(provider: Provider) -> Secret:
    """Return the credential that is stored for the provider, empty where there is none.

    Raises:
        Unreadable: no key reads it, or it was stored for another provider or host.
    """
    if not provider.sealed_credential:
        return Secret()
    what = f"the stored credential of {provider}"
    again = f"`manage.py provider credential {provider}`"
    if not settings.MUSICSYNC_ENCRYPTION_KEYS:
        raise Unreadable(f"MUSICSYNC_ENCRYPTION_KEYS is not set: set the key that {what} was encrypted with")
    try:
        sealed = msgspec.json.decode(_keys().decrypt(provider.sealed_credential), type=_Sealed)
    except InvalidToken:
        raise Unreadable(
            f"MUSICSYNC_ENCRYPTION_KEYS: no key reads {what}: add the key that it was encrypted with, "
            f"or store it anew with {again}"
        ) from None
    credential = Secret(sealed.credential)
    if sealed.provider != provider.slug:
        raise Unreadable(f"{what} was stored for {sealed.provider}: store its own with {again}")
    bound = (sealed.origin, sealed.token_origin)
    for name, stored, now in zip(("base URL", "token URL"), bound, origins(provider), strict=True):
        if stored != now:
            raise Unreadable(
                f"{what} is for {stored or 'no token URL'}, and its {name} leads elsewhere now: store it anew with "
                f"{again}, or put the {name} right"
            )
    return credential


@transaction.atomic
def rotate() -> tuple[int, list[str]]:
    """Encrypt all stored credentials anew with the first key; return how many, and the providers whose no key reads.

    Raises:
        MusicsyncError: there is no key.
    """
    if not settings.MUSICSYNC_ENCRYPTION_KEYS:
        raise MusicsyncError(f"MUSICSYNC_ENCRYPTION_KEYS is not set: {_MAKE_A_KEY}")
    keys, rotated, unreadable = _keys(), 0, []
    for provider in Provider.objects.select_for_update(no_key=True).exclude(sealed_credential="").order_by("pk"):
        try:
            anew = keys.rotate(provider.sealed_credential).decode()
        except InvalidToken:
            unreadable.append(provider.slug)
            continue
        Provider.objects.filter(pk=provider.pk).update(sealed_credential=anew)
        rotated += 1
    return rotated, unreadable


def origins(provider: Provider) -> tuple[str, str]:
    """Return the origins of the base URL and of the token URL, the latter empty where no token is asked for."""
    return _origin_of(provider.base_url), _origin_of(provider.token_address) if provider.token_address else ""


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.MUSICSYNC_ENCRYPTION_KEYS])


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{addresses.port_of(url)}"
