"""Tell people: in the log at once, by e-mail to ADMINS and to a webhook once an hour at most for the same thing."""

import logging
from datetime import timedelta

import requests
from django.conf import settings
from django.core.mail import mail_admins
from django.utils import timezone

from musicsync.models import Alert, Failure
from musicsync.redaction import redacted
from musicsync.sync import sql

KEEP_FAILURES = timedelta(days=90)
_WEBHOOK_TIMEOUT_SECONDS = 10

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


def send(alert_id: int) -> None:
    """Send the alert by e-mail and to the webhook, where they are set up.

    Raises:
        OSError: one of them did not take it (``requests`` and ``smtplib`` errors are of this type).
    """
    alert = Alert.objects.get(pk=alert_id)
    times = (
        f"Seen {alert.occurrences} times since {alert.first_at:%Y-%m-%d %H:%M} UTC." if alert.occurrences > 1 else ""
    )
    body = "\n\n".join(part for part in (alert.body, times) if part)
    if settings.MUSICSYNC_ALERT_WEBHOOK:
        answer = requests.post(
            settings.MUSICSYNC_ALERT_WEBHOOK,
            json={"text": f"{alert.subject}\n{body}".strip(), "key": alert.key, "occurrences": alert.occurrences},
            timeout=_WEBHOOK_TIMEOUT_SECONDS,
        )
        answer.raise_for_status()
    if settings.ADMINS:
        mail_admins(alert.subject, body)


def prune() -> None:
    """Delete failures that are older than three months."""
    Failure.objects.filter(created_at__lt=timezone.now() - KEEP_FAILURES).delete()
