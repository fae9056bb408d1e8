"""Tokens that adapters ask for with a credential (``providers/oauth.py``): one for each provider, for all workers.

Who finds none that holds locks the provider's row and asks; the others wait for that lock and read what came. The lock
is a transaction's, so that the token of a process that dies is asked for by the next.

A token is kept encrypted under a key that is derived from the credential, the provider and the origins of its two
addresses. So it is as secret as the credential, it is gone when the credential changes, and who may edit a provider
cannot have it sent elsewhere.
"""

import base64

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import OperationalError, transaction

from musicsync.credentials import origins
from musicsync.models import Provider, Token
from musicsync.providers import oauth
from musicsync.providers.http import Client
from musicsync.providers.oauth import ClientCredentials
from musicsync.records import Gone, MusicsyncError, Permanent, Refused, Transient
from musicsync.redaction import Secret
from musicsync.sync import sql

EARLY_SECONDS = 60.0
"""A token is asked for anew so long before it ends, or a tenth of its time where that is less."""
PATIENCE_SECONDS = 45
"""Longer than a token URL may take to answer: how long the others wait for who asks."""

_TABLE = Token._meta.db_table
_LOCK_NOT_AVAILABLE = "55P03"


def of(provider: Provider, adapter: ClientCredentials, credential: Secret, *, refused: str = "") -> Secret:
    """Return the token that holds, asking for one where there is none but one that was ``refused``.

    Raises:
        MusicsyncError: the credential has not the form of one, or as ``Client`` does.
        Refused: the token URL does not accept the credential; the text names the setting, and what it answered.
        ProviderError: the token URL does not answer as it should, or another worker takes too long to ask it.
    """
    key = _key(provider, credential)
    return _kept(provider, key, refused) or _asked(provider, adapter, credential, key, refused)


def check(provider: Provider, adapter: ClientCredentials, credential: Secret) -> None:
    """Check that a token could be asked for.

    Raises:
        MusicsyncError: as ``of`` does.
    """
    _request(provider, adapter, credential)
    _client(provider, adapter, credential)


@transaction.atomic
def _asked(provider: Provider, adapter: ClientCredentials, credential: Secret, key: Fernet, refused: str) -> Secret:
    _lock(provider)
    if found := _kept(provider, key, refused):
        return found
    token = _ask(provider, adapter, credential)
    early = min(EARLY_SECONDS, token.seconds / 10)
    sql.execute(
        f"UPDATE {_TABLE} SET sealed = %s, renew_at = clock_timestamp() + make_interval(secs => %s) "  # noqa: S608
        "WHERE provider_id = %s",
        [key.encrypt(token.text.encode()).decode(), token.seconds - early, provider.pk],
    )
    return token.text


def _lock(provider: Provider) -> None:
    try:
        sql.execute(f"SET LOCAL lock_timeout = '{PATIENCE_SECONDS}s'")
        sql.execute(f"INSERT INTO {_TABLE} (provider_id) VALUES (%s) ON CONFLICT DO NOTHING", [provider.pk])  # noqa: S608
        sql.execute(f"SELECT FROM {_TABLE} WHERE provider_id = %s FOR UPDATE", [provider.pk])
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise Transient(f"another worker is still asking for a token of {provider}") from error


def _kept(provider: Provider, key: Fernet, refused: str) -> Secret:
    """Return the token that is kept and holds for a while yet, empty where there is none or it was refused."""
    rows = sql.query(
        f"SELECT sealed FROM {_TABLE} WHERE provider_id = %s AND renew_at > clock_timestamp()",  # noqa: S608
        [provider.pk],
    )
    try:
        token = Secret(key.decrypt(rows[0]["sealed"]).decode()) if rows else Secret()
    except InvalidToken:
        return Secret()
    return Secret() if token == refused else token


def _ask(provider: Provider, adapter: ClientCredentials, credential: Secret) -> oauth.Token:
    asked = _request(provider, adapter, credential)
    try:
        answer = _client(provider, adapter, credential).post(asked.form, asked.headers)
        return adapter.read_token(answer.body)
    except (Refused, Permanent, Gone) as error:
        raise Refused(
            f"no token for {provider} ({adapter.label}): {error}: {_remedy(provider, error)}", excerpt=error.excerpt
        ) from error


def _remedy(provider: Provider, error: Exception) -> str:
    if isinstance(error, Gone):
        return "correct its token URL"
    command = f"manage.py provider credential {provider}"
    return f"set {provider.credential_setting}, or store another credential with `{command}`"


def _request(provider: Provider, adapter: ClientCredentials, credential: Secret) -> oauth.TokenRequest:
    try:
        return adapter.token_request(credential)
    except MusicsyncError as error:
        raise MusicsyncError(f"{provider.credential_setting}: {error}") from None


def _client(provider: Provider, adapter: ClientCredentials, credential: Secret) -> Client:
    return Client(
        adapter,
        provider.token_address,
        contact=settings.MUSICSYNC_CONTACT,
        credential=credential,
        allow_private=provider.allow_private,
    )


def _key(provider: Provider, credential: Secret) -> Fernet:
    bound = msgspec.json.encode(("musicsync token", provider.slug, *origins(provider)))
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=bound).derive(credential.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
