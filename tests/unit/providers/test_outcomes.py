from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from musicsync.providers import outcomes, registry
from musicsync.records import RateLimited, Refused, Shed, Transient

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("86400", 86_400.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30.0),
        ("Sun Mar  1 12:00:30 2026", 30.0),
        ("Sun, 01 Mar 2026 13:00:30 +0100", 30.0),
        ("Sun, 01 Mar 2026 11:59:59 GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("-1", None),
        ("+5", None),
        ("1e3", None),
        ("5, 6", None),
        ("0x10", None),
        ("1" + "0" * 30, None),
        ("9" * 15, None),
        ("inf", None),
        ("nan", None),
        ("", None),
        (" ", None),
        ("soon", None),
        ("Sun, 99 Mar 2026 12:00:30 GMT", None),
        ("Sun, 01 Mar 99999999 12:00:30 GMT", None),
        ("\u0663", None),
        ("\u00b2", None),
    ],
)
def test_retry_after_in_every_form(text: str, seconds: float | None) -> None:
    assert outcomes.retry_after(text, NOW) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("2.5", 2.5),
        (str(EPOCH + 30), 30.0),
        (f"{EPOCH + 30}.5", 30.5),
        (f"{EPOCH + 30}000", 30.0),
        (str(EPOCH - 1), None),
        ("86401", None),
        (str(EPOCH + 86_401), None),
        ("-30", None),
        ("9" * 40, None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_a_reset_is_a_time_or_the_seconds_until_it(text: str, seconds: float | None) -> None:
    headers = {"x-ratelimit-reset": text, "x-ratelimit-remaining": "0"}
    assert outcomes.wait(headers, NOW) == seconds
    assert outcomes.pause(headers, NOW) == (seconds or 0.0)


def test_retry_after_goes_before_the_reset_unless_it_is_nonsense() -> None:
    assert outcomes.wait({"retry-after": "3", "x-ratelimit-reset": "30"}, NOW) == 3.0
    assert outcomes.wait({"retry-after": "later", "x-ratelimit-reset": "30"}, NOW) == 30.0
    assert outcomes.wait({"retry-after": "later"}, NOW) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"x-ratelimit-remaining": "0"}, 0.0),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": "30"}, 0.0),
        ({"x-ratelimit-remaining": "-1", "x-ratelimit-reset": "30"}, 0.0),
        ({"x-ratelimit-remaining": "none", "x-ratelimit-reset": "30"}, 0.0),
        ({"x-ratelimit-remaining": "9999", "x-ratelimit-limit": "60", "x-ratelimit-reset": "30"}, 0.0),
        ({"x-discogs-ratelimit": "60", "x-discogs-ratelimit-remaining": "1"}, 0.0),
        ({"x-discogs-ratelimit": "60", "x-discogs-ratelimit-remaining": "0"}, 1.0),
        ({"x-discogs-ratelimit": "25", "x-discogs-ratelimit-remaining": "0"}, 2.4),
        ({"x-discogs-ratelimit": "0", "x-discogs-ratelimit-remaining": "0"}, 2.4),
        ({"x-discogs-ratelimit": "many", "x-discogs-ratelimit-remaining": "0"}, 2.4),
        ({"x-discogs-ratelimit-remaining": "-5"}, 0.0),
    ],
)
def test_counters_that_are_used_up_ask_for_a_pause(headers: dict[str, str], seconds: float) -> None:
    assert outcomes.pause(headers, NOW) == seconds


def test_a_refusal_of_discogs_waits_for_a_place_in_its_minute() -> None:
    headers = {"x-discogs-ratelimit": "60", "x-discogs-ratelimit-remaining": "0"}
    assert outcomes.wait(headers, NOW) == 1.0


@pytest.mark.parametrize(
    ("adapter", "status", "headers", "error"),
    [
        ("musicbrainz", 503, {"x-ratelimit-who": "search-shed", "retry-after": "0"}, Shed),
        ("musicbrainz", 503, {}, RateLimited),
        ("musicbrainz", 429, {"x-ratelimit-who": "search-shed"}, RateLimited),
        ("musicbrainz", 502, {"x-ratelimit-who": "search-shed"}, Transient),
        ("feed", 503, {"retry-after": "5"}, RateLimited),
        ("feed", 503, {}, Transient),
        ("deezer", 403, {}, Refused),
    ],
)
def test_load_of_the_provider_is_told_from_its_limit(
    adapter: str, status: int, headers: dict[str, str], error: type[Exception]
) -> None:
    found = outcomes.error_of(registry.get(adapter), "GET /x", status, headers, b"busy", now=NOW)
    assert type(found) is error
    assert found.excerpt == "busy"


@pytest.mark.parametrize("off", [timedelta(days=4000), timedelta(days=-4000)])
def test_the_times_of_a_provider_are_by_its_own_clock(off: timedelta) -> None:
    headers = {
        "date": format_datetime(NOW + off, usegmt=True),
        "retry-after": format_datetime(NOW + off + timedelta(seconds=30), usegmt=True),
    }
    assert outcomes.wait(headers, outcomes.clock(headers, NOW)) == 30.0


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 99 Mar 2026 12:00:30 GMT"])
def test_without_a_date_of_the_provider_it_is_as_late_as_here(date: str) -> None:
    assert outcomes.clock({"date": date}, NOW) == NOW


def test_a_pause_of_a_day_as_a_date() -> None:
    tomorrow = format_datetime(NOW + timedelta(days=1), usegmt=True)
    found = outcomes.error_of(registry.get("feed"), "GET /x", 429, {"retry-after": tomorrow}, b"", now=NOW)
    assert isinstance(found, RateLimited)
    assert found.retry_after == 86_400.0


def test_an_excerpt_can_be_printed_and_has_no_credential() -> None:
    body = b"token a/b\x00\x1b[31m\xff\n" + b"x" * 1985 + b"a/b and a%2Fb"
    shown = outcomes.excerpt(body, "a/b")
    assert shown.startswith("token ***\ufffd\ufffd[31m\ufffd\nxxx")
    assert len(shown) == 2000
    assert "a/b" not in shown
    assert outcomes.excerpt(b"a%2Fb", "a/b") == "***"
    assert outcomes.excerpt("ü".encode() * 5000) == "ü" * 2000
