"""Tokens for a client's credential, as providers with OAuth's client credentials give them (RFC 6749, 4.4)."""

import base64
import time

from tornado.web import RequestHandler

from sandbox.wire import Answer, Ask, json_answer

CLIENT = "sandbox-client:sandbox-secret"
"""The credential that every dialect with tokens takes."""
SECONDS = 3600


class Tokens:
    """The tokens of one dialect that hold, and how many were given and refused."""

    def __init__(self, name: str, seconds: int = SECONDS) -> None:
        self.given = 0
        self.refused = 0
        self.seconds = seconds
        self._name = name
        self._ends: dict[str, float] = {}

    def issue(self, authorization: str, grant: str) -> Answer:
        """Return a new token for the client's credential in HTTP Basic, or the error in the words of RFC 6749."""
        if authorization != "Basic " + base64.b64encode(CLIENT.encode()).decode():
            self.refused += 1
            return json_answer({"error": "invalid_client", "error_description": "Invalid client"}, 400)
        if grant != "client_credentials":
            return json_answer({"error": "unsupported_grant_type", "error_description": ""}, 400)
        self.given += 1
        token = f"sandbox-token-of-{self._name}-{self.given}"
        self._ends[token] = time.monotonic() + self.seconds
        return json_answer({"access_token": token, "token_type": "Bearer", "expires_in": self.seconds})

    def revoke(self) -> None:
        """Let no token hold that was given until now."""
        self._ends.clear()

    def hold(self, ask: Ask) -> bool:
        """Tell whether a question comes with a token that holds."""
        scheme, _, token = ask.headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and self._ends.get(token, 0.0) > time.monotonic()


class TokenHandler(RequestHandler):
    """A token URL."""

    def initialize(self, tokens: Tokens) -> None:
        """Take the tokens that are given here."""
        self.tokens = tokens

    def post(self) -> None:
        """Answer a request for a token."""
        grant = self.get_body_argument("grant_type", "")
        answer = self.tokens.issue(self.request.headers.get("Authorization", ""), grant)
        self.set_status(answer.status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(answer.body)


class TokensHandler(RequestHandler):
    """``/control/tokens``."""

    def initialize(self, tokens: dict[str, Tokens]) -> None:
        """Take the tokens by their dialect."""
        self.tokens = tokens

    def get(self) -> None:
        """Say how many tokens were given and refused."""
        self.finish({name: {"given": t.given, "refused": t.refused} for name, t in self.tokens.items()})

    def delete(self) -> None:
        """Revoke all tokens."""
        for tokens in self.tokens.values():
            tokens.revoke()
        self.get()
