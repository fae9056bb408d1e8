"""Log lines and error pages without the secrets that this process knows."""

import logging
import re
from typing import Any, TextIO

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from musicsync.redaction import redacted

_OURS = "CREDENTIAL|DATABASE_URL|BROKER_URL|RESULT_BACKEND|EMAIL_URL|WEBHOOK"


class Console(logging.StreamHandler[TextIO]):
    """Writes log lines to stderr. What libraries say at DEBUG (addresses with their query) goes through here, too."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, traceback included, without secrets."""
        return redacted(super().format(record))


class ErrorPageFilter(SafeExceptionReporterFilter):
    """Hides also this project's settings, and what a form sent under such a name, on debug pages too."""

    hidden_settings = re.compile(f"{SafeExceptionReporterFilter.hidden_settings.pattern}|{_OURS}", re.IGNORECASE)

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """Return what a form sent, without what its name says is secret."""
        posted = super().get_post_parameters(request)
        return {name: self.cleanse_setting(name, value) for name, value in posted.items()}


class ErrorPage(ExceptionReporter):
    """Django's error pages and mails, in which no local variable shows a secret, nor one that a form just sent."""

    def get_traceback_html(self) -> SafeString:
        """Return the page without secrets."""
        return self._without_secrets(super().get_traceback_html())

    def get_traceback_text(self) -> SafeString:
        """Return the text without secrets."""
        return self._without_secrets(super().get_traceback_text())

    def _without_secrets(self, text: str) -> SafeString:
        posted = self.request.POST.items() if self.request else ()
        hidden = ErrorPageFilter.hidden_settings
        return SafeString(redacted(text, also=[str(value) for name, value in posted if hidden.search(name)]))
