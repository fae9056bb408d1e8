"""Tell people: in the log at once, by e-mail to ADMINS and to a webhook once an hour at most for the same thing.

An alert is a row before it is a message: one that did not go out is owed, and is taken up again for a day.
"""

import logging
from datetime import timedelta
from typing import Any

import requests
from django.conf import settings
from django.core.mail import mail_admins
from django.db.models.functions import Now
from django.utils import timezone

from musicsync.models import Alert, Failure
from musicsync.redaction import redacted
from musicsync.sync import sql

KEEP_FAILURES = timedelta(days=90)
_WEBHOOK_TIMEOUT_SECONDS = 10
_RAREST = "interval '10 minutes'"

log = logging.getLogger(__name__)


def note(key: str, subject: str, body: str = "") -> int | None:
    """Log the alert and count it; return its id if it is to be sent now, ``None`` if it was within the last hour."""
    log.error(subject, extra={"alert": key, "detail": body})
    row = sql.query(
        f"""
        INSERT INTO {Alert._meta.db_table} AS a (key, subject, body, occurrences, sent_at)
        VALUES (%s, %s, %s, 1, clock_timestamp())
        ON CONFLICT (key) DO UPDATE SET
            subject = excluded.subject, body = excluded.body, occurrences = a.occurrences + 1,
            last_at = excluded.sent_at,
            sent_at = CASE
                WHEN a.sent_at > excluded.sent_at - interval '1 hour' THEN a.sent_at ELSE excluded.sent_at END
        RETURNING id, occurrences = 1 OR sent_at = last_at AS due
        """,  # noqa: S608
        [redacted(key)[:300], redacted(subject), redacted(body)],
    )[0]
    return int(row["id"]) if row["due"] else None


def take_untold() -> list[int]:
    """Return the alerts that did not go out when they were to, each to one caller alone.

    It is so after a minute without success, then ever more rarely, every ten minutes at last, and for as long as the
    alert was last seen within a day.
    """
    rows = sql.query(
        f"""
        UPDATE {Alert._meta.db_table} SET sent_at = clock_timestamp()
        WHERE (told_at IS NULL OR told_at < sent_at) AND last_at > clock_timestamp() - interval '1 day'
            AND sent_at < clock_timestamp() - least(greatest(sent_at - last_at, interval '1 minute'), {_RAREST})
        RETURNING id
        """  # noqa: S608
    )
    return sorted(row["id"] for row in rows)


def send(alert_id: int) -> None:
    """Send the alert by e-mail and to the webhook, where they are set up, unless another message did meanwhile.

    Raises:
        OSError: one of them did not take it (``smtplib`` errors are of this type).
    """
    alert = Alert.objects.get(pk=alert_id)
    if alert.told_at and alert.sent_at and alert.told_at >= alert.sent_at:
        return
    times = (
        f"Seen {alert.occurrences} times since {alert.first_at:%Y-%m-%d %H:%M} UTC." if alert.occurrences > 1 else ""
    )
    body = "\n\n".join(part for part in (alert.body, times) if part)
    if settings.MUSICSYNC_ALERT_WEBHOOK:
        _post({"text": f"{alert.subject}\n{body}".strip(), "key": alert.key, "occurrences": alert.occurrences})
    if settings.ADMINS:
        mail_admins(alert.subject, body)
    Alert.objects.filter(pk=alert_id).update(told_at=Now())


def _post(message: dict[str, Any]) -> None:
    try:
        requests.post(
            settings.MUSICSYNC_ALERT_WEBHOOK, json=message, timeout=_WEBHOOK_TIMEOUT_SECONDS
        ).raise_for_status()
    except requests.RequestException as error:
        # Whoever knows the URL may post there, and Celery hands the text of an error on as it is.
        raise OSError(redacted(f"MUSICSYNC_ALERT_WEBHOOK did not take an alert: {error}")) from None


def prune() -> None:
    """Delete failures that are older than three months."""
    Failure.objects.filter(created_at__lt=timezone.now() - KEEP_FAILURES).delete()
