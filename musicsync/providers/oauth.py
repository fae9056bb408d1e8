"""Tokens that are asked for with a client's credential: the client credentials grant of OAuth 2.0 (RFC 6749, 4.4).

The credential is ``client_id:client_secret``. It goes as HTTP Basic to the token URL and nowhere else; what is sent to
the API is the token that comes back. Pure, as adapters are: who asks, and when, is for ``sync/tokens.py``.
"""

import base64
from collections.abc import Mapping
from typing import ClassVar

from msgspec import Struct

from musicsync.providers import wire
from musicsync.providers.base import Adapter, one_line
from musicsync.providers.wire import Number
from musicsync.records import MusicsyncError, Refused, Transient
from musicsync.redaction import Secret

_USUAL_SECONDS = 3600


class TokenRequest(Struct, frozen=True):
    """What is posted to a token URL."""

    form: Mapping[str, str]
    headers: Mapping[str, str]


class Token(Struct, frozen=True):
    """A token and the seconds for which it holds."""

    text: Secret
    seconds: int


class _Said(Struct):
    """An answer of a token URL, RFC 6749 5.1 and 5.2."""

    access_token: wire.Token | None = None
    expires_in: Number = _USUAL_SECONDS
    error: str | None = None
    error_description: str = ""


class ClientCredentials(Adapter):
    """An adapter whose credential buys tokens."""

    credential = "required"
    token_url: ClassVar[str]

    def token_request(self, credential: str) -> TokenRequest:
        """Return what to post for a token.

        Raises:
            MusicsyncError: the credential has not the form of one; the text does not hold it.
        """
        client, colon, secret = credential.partition(":")
        if not (client and colon and secret):
            raise MusicsyncError(f"the credential of {self.label} has the form client_id:client_secret")
        # Not percent-encoded first, as RFC 6749 2.3.1 has it: neither Spotify nor TIDAL does that in its documentation.
        basic = base64.b64encode(credential.encode()).decode()
        headers = {"Authorization": f"Basic {Secret(basic)}", "Accept": "application/json"}
        return TokenRequest({"grant_type": "client_credentials"}, headers)

    def read_token(self, body: bytes) -> Token:
        """Return the token of an answer with status 200.

        Raises:
            Refused: the answer says that the client gets none.
            Transient: it is no answer of a token URL.
        """
        said, _ = wire.decode(body, _Said)
        if said.error:
            raise Refused(self.error_text(body))
        if said.access_token is None:
            raise Transient("the answer holds neither a token nor an error")
        return Token(Secret(said.access_token), said.expires_in)

    def error_text(self, body: bytes) -> str:
        """Return the sentence of an error of the token URL, else what the body says."""
        said = wire.try_decode(body, _Said)
        if said is None or not said.error:
            return super().error_text(body)
        return one_line(f"{said.error}: {said.error_description}")
