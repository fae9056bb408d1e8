"""What went wrong in the machinery, and who was told."""

from django.contrib import admin
from django.utils.safestring import SafeString

from musicsync.admin.base import ReadOnlyAdmin, RunFilter
from musicsync.admin.show import FAILURE_COLOURS, NOTHING, link, moment, preformatted, short, status_badge
from musicsync.models import Alert, Failure


@admin.register(Failure)
class FailureAdmin(ReadOnlyAdmin):
    """Failures of tasks, with their tracebacks."""

    list_display = ("when", "what", "task", "error_line", "run_link", "worker")
    list_filter = ("kind", RunFilter)
    shows_of_others = ("run__id",)
    leaves_out = ("arguments", "traceback")
    fieldsets = (
        (None, {"fields": (("what", "when"), ("task", "task_id"), "shown_arguments", ("run_link", "worker"))}),
        ("Error", {"fields": ("shown_error", "shown_traceback")}),
    )

    @admin.display(description="time")
    def when(self, failure: Failure) -> str:
        """Show when it was."""
        return moment(failure.created_at)

    @admin.display(description="kind")
    def what(self, failure: Failure) -> SafeString:
        """Show the kind as a label."""
        return status_badge(failure, FAILURE_COLOURS, "kind")

    @admin.display(description="error")
    def error_line(self, failure: Failure) -> str:
        """Show the start of the error."""
        return short(failure.error) or NOTHING

    @admin.display(description="run")
    def run_link(self, failure: Failure) -> SafeString | str:
        """Link to the run."""
        return link(failure.run, failure.run_id)

    @admin.display(description="arguments")
    def shown_arguments(self, failure: Failure) -> SafeString | str:
        """Show what the task was called with."""
        return preformatted(failure.arguments)

    @admin.display(description="error")
    def shown_error(self, failure: Failure) -> SafeString | str:
        """Show the whole error."""
        return preformatted(failure.error)

    @admin.display(description="traceback")
    def shown_traceback(self, failure: Failure) -> SafeString | str:
        """Show the traceback."""
        return preformatted(failure.traceback)


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """Alerts: what people were told, and how often it came up."""

    leaves_out = ("body",)
    list_display = ("subject_line", "occurrences", "first", "last", "sent")
    fieldsets = (
        (None, {"fields": ("subject", "shown_body", "key")}),
        ("Times", {"fields": (("occurrences", "first", "last", "sent"),)}),
    )

    @admin.display(description="subject")
    def subject_line(self, alert: Alert) -> str:
        """Show the subject."""
        return short(alert.subject, 120)

    @admin.display(description="body")
    def shown_body(self, alert: Alert) -> SafeString | str:
        """Show the whole text."""
        return preformatted(alert.body)

    @admin.display(description="first seen")
    def first(self, alert: Alert) -> str:
        """Show when it first came up."""
        return moment(alert.first_at)

    @admin.display(description="last seen")
    def last(self, alert: Alert) -> str:
        """Show when it last came up."""
        return moment(alert.last_at)

    @admin.display(description="sent")
    def sent(self, alert: Alert) -> str:
        """Show when people were told."""
        return moment(alert.told_at)
