"""Secrets are found in every form, and nothing else is touched."""

import base64
import json
import logging
from urllib.parse import quote, quote_plus

import pytest

from musicsync.providers.feed import Feed
from musicsync.providers.http import Client
from musicsync.records import RateLimited, Transient
from musicsync.redaction import HIDDEN, Secret, keep_secrets_out, redacted
from project.redacting import Console

PLAIN = "pl4nted/Unit+cred&<ential>\"'\\ of:tests"


@pytest.mark.parametrize(
    "written",
    [
        PLAIN,
        quote(PLAIN, safe=""),
        quote_plus(PLAIN),
        quote(PLAIN, safe="").lower(),
        base64.b64encode(PLAIN.encode()).decode(),
        base64.urlsafe_b64encode(PLAIN.encode()).decode(),
        json.dumps(PLAIN)[1:-1],
        repr(PLAIN)[1:-1],
    ],
)
def test_a_secret_is_found_however_it_is_written(written: str) -> None:
    Secret(PLAIN)
    shown = redacted(f"<{written}>")
    assert HIDDEN in shown
    assert "pl4nted" not in shown
    assert "cGw0bnRlZ" not in shown, "nor in base64"


def test_the_password_of_a_pair_is_a_secret_and_its_name_is_not() -> None:
    Secret("operator-name:correct-horse-unit")
    assert redacted("operator-name sent correct-horse-unit") == f"operator-name sent {HIDDEN}"


def test_what_is_too_short_to_be_told_from_words_stays() -> None:
    Secret("deezer")
    assert redacted("GET deezer/artist") == "GET deezer/artist"


def test_a_secret_works_as_text_and_hides_its_repr() -> None:
    secret = Secret("pl4nted-repr")
    assert secret == "pl4nted-repr"
    assert f"Bearer {secret}" == "Bearer pl4nted-repr"
    assert repr({"key": secret}) == "{'key': '***'}"
    assert repr(Secret()) == "''"


def test_an_error_of_a_provider_holds_none() -> None:
    Secret("pl4nted-error")
    error = Transient("GET /x?api_key=pl4nted-error", excerpt='{"key": "pl4nted-error"}')
    assert (str(error), error.excerpt) == ("GET /x?api_key=***", '{"key": "***"}')
    assert str(RateLimited("pl4nted-error", 3.0)) == HIDDEN


def test_an_unforeseen_error_is_replaced_only_where_it_or_its_cause_names_a_secret() -> None:
    Secret("pl4nted-cause")
    keep_secrets_out(ValueError("harmless"))
    error = ValueError("outer")
    error.__cause__ = KeyError("pl4nted-cause")
    with pytest.raises(RuntimeError, match="^ValueError: outer$") as raised:
        keep_secrets_out(error)
    assert raised.value.__suppress_context__


def test_log_lines_hide_it_in_arguments_and_tracebacks() -> None:
    secret = Secret("pl4nted-in-a-log")
    error = ValueError(f"sent {secret}")
    raised = (ValueError, error, error.__traceback__)
    line = Console().format(
        logging.LogRecord("x", logging.INFO, "x.py", 1, "GET %s", (f"/?key={secret}",), exc_info=raised)
    )
    assert "pl4nted" not in line
    assert "GET /?key=***" in line
    assert "ValueError: sent ***" in line


def test_what_an_adapter_makes_of_a_credential_is_a_secret_too() -> None:
    class OwnForm(Feed):
        def auth_headers(self, credential: str) -> dict[str, str]:
            return {"Authorization": f"Basic {base64.b64encode(f'client:{credential}'.encode()).decode()}"}

    sent = OwnForm().auth_headers("pl4nted-own-form")["Authorization"]
    Client(OwnForm(), "http://127.0.0.1", credential="pl4nted-own-form", allow_private=True)
    assert redacted(f"you sent {sent}") == f"you sent Basic {HIDDEN}"
