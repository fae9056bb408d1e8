"""Runs, their fetches, and what was rejected on the way."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.enums import ActionVariant

from musicsync.admin import operations
from musicsync.admin.base import ReadOnlyAdmin, RunFilter, RunProviderFilter, contains, of_providers, once
from musicsync.admin.dialogs import button, confirmation
from musicsync.admin.paging import FromHere, KeysetChangeList
from musicsync.admin.show import (
    FETCH_COLOURS,
    NOTHING,
    RUN_COLOURS,
    Table,
    elapsed,
    external,
    link,
    list_link,
    moment,
    preformatted,
    short,
    status_badge,
    totals,
)
from musicsync.forecast import in_words
from musicsync.models import Change, Fetch, KnownPage, Rejection, Run, Worker
from musicsync.queries import forecast_of, progress_of
from musicsync.words import counted

_SAMPLE = 20
_LATEST_RUNS = 100
_IN_ORDER = (
    Fetch.CLOSED,
    (Fetch.Status.PENDING,),
    (Fetch.Status.QUEUED, Fetch.Status.LEASED, Fetch.Status.WAITING),
)
"""All statuses, by the index that has such fetches of a run."""
_AFTER_DISCARD = "What was known before stays in the catalogue, and the run stays as it ended."


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """Runs: how far they are, what they did, and what can be done about them."""

    list_display = ("number", "provider", "kind", "trigger", "state", "requests", "dead", "started", "took", "said")
    list_filter = ("status", "mode", "trigger", "provider")
    shows_of_others = ("provider__slug", "provider__budget__rate")
    search_fields = ("pk",)
    search_help_text = "Number of the run"
    actions = ("cancel", "replay", "approve")
    actions_detail = ("cancel_run", "replay_run", "approve_run")
    fieldsets = (
        (None, {"fields": (("state", "provider"), ("mode", "trigger"), ("scope", "schedule", "slot"), "problem")}),
        (
            "Progress",
            {"fields": (("done", "owed", "dead_now"), "ahead", ("started", "finished", "took"), "sums", "see")},
        ),
    )

    def find(self, rows: QuerySet[Run], term: str) -> QuerySet[Run]:
        """Return the run of this number."""
        return rows.filter(pk=term) if term.isdecimal() else rows.none()

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """Count the dead fetches of the runs on the page, by their index, and see how far those under way are."""
        dead = _dead_by_run(rows)
        far = progress_of([run for run in rows if run.status == Run.Status.RUNNING])
        for run in rows:
            run.dead_fetches = dead.get(run.pk, 0)
            run.progress = far.get(run.pk)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        """Return runs with what their progress goes by."""
        return super().get_queryset(request).select_related("provider__budget")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the run with how far it is."""
        run = super().get_object(request, object_id, from_field)
        if run is not None:
            run.progress = progress_of([run])[run.pk]
        return run

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Return the buttons that make sense for the run as it stands."""
        run = Run.objects.filter(pk=object_id).first() if str(object_id).isdecimal() else None
        offered = {
            "cancel_run": run is not None and run.status == Run.Status.RUNNING,
            "replay_run": run is not None
            and run.status != Run.Status.CANCELLED
            and Fetch.objects.filter(run=run, status=Fetch.Status.DEAD).exists(),
            "approve_run": run is not None and run.status == Run.Status.HELD,
        }
        hidden = {self.get_unfold_action(name).action_name for name, sensible in offered.items() if not sensible}
        return [found for found in super().get_actions_detail(request, object_id) if found.action_name not in hidden]

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel(self, request: HttpRequest, chosen: QuerySet[Run]) -> None:
        """Cancel the chosen runs."""
        operations.cancel(request, chosen)

    @admin.action(description="Replay dead fetches", permissions=["operate"])
    def replay(self, request: HttpRequest, chosen: QuerySet[Run]) -> None:
        """Replay the dead fetches of the chosen runs."""
        operations.replay(request, Fetch.objects.filter(run__in=chosen.order_by().values("pk")))

    @admin.action(description="Approve removals", permissions=["operate"])
    def approve(self, request: HttpRequest, chosen: QuerySet[Run]) -> None:
        """Approve the removals of the chosen runs."""
        operations.approve(request, chosen)

    @button(
        "Cancel run",
        "No request of this run is sent any more. What it has applied stays.",
        permission="operate",
        icon="cancel",
        variant=ActionVariant.DANGER,
    )
    def cancel_run(self, request: HttpRequest, run: Run) -> None:
        """Cancel this run."""
        operations.cancel(request, [run])

    @button(
        "Replay dead fetches",
        "The requests of this run that failed for good are tried again, and the run goes on.",
        permission="operate",
        icon="replay",
    )
    def replay_run(self, request: HttpRequest, run: Run) -> None:
        """Replay the dead fetches of this run."""
        operations.replay(request, Fetch.objects.filter(run=run))

    @button(
        "Approve removals",
        "What this run did not find any more is removed from the catalogue.",
        permission="operate",
        icon="done_all",
        variant=ActionVariant.WARNING,
    )
    def approve_run(self, request: HttpRequest, run: Run) -> None:
        """Approve the removals of this run."""
        operations.approve(request, [run])

    @admin.display(description="run")
    def number(self, run: Run) -> str:
        """Show the number alone, without a thousands separator."""
        return str(run.pk)

    @admin.display(description="mode")
    def kind(self, run: Run) -> str:
        """Show the mode in one word."""
        return run.mode

    @admin.display(description="status")
    def state(self, run: Run) -> SafeString:
        """Show the status as a label."""
        return status_badge(run, RUN_COLOURS)

    @admin.display(description="requests")
    def requests(self, run: Any) -> str:
        """Show how many requests were made, or how far a running run is."""
        return run.progress.of_all if run.progress else f"{run.summary.get('requests', 0):,}"

    @admin.display(description="dead")
    def dead(self, run: Any) -> SafeString | str:
        """Show how many fetches are dead, with a link to them."""
        count = run.dead_fetches
        return list_link(Fetch, f"{count:,}", run=run.pk, status__exact="dead") if count else NOTHING

    @admin.display(description="error")
    def said(self, run: Run) -> str:
        """Show the start of the error."""
        return short(run.error) or NOTHING

    @admin.display(description="error")
    def problem(self, run: Run) -> SafeString | str:
        """Show the whole error."""
        return preformatted(run.error)

    @admin.display(description="started")
    def started(self, run: Run) -> str:
        """Show when it started."""
        return moment(run.started_at)

    @admin.display(description="finished")
    def finished(self, run: Run) -> str:
        """Show when it ended."""
        return moment(run.finished_at)

    @admin.display(description="took")
    def took(self, run: Run) -> str:
        """Show how long it took."""
        return elapsed((run.finished_at - run.started_at).total_seconds()) if run.finished_at else NOTHING

    @admin.display(description="requests done")
    def done(self, run: Any) -> str:
        """Show how many requests are done."""
        return f"{run.progress.done:,}"

    @admin.display(description="requests owed")
    def owed(self, run: Any) -> str:
        """Show how many requests are owed."""
        return f"{run.progress.owed:,}"

    @admin.display(description="ahead")
    @once
    def ahead(self, run: Any) -> str:
        """Show how many requests it needs still, and how long its budget makes that."""
        found = forecast_of(run, run.progress)
        return NOTHING if found is None else in_words(found, datetime.now(UTC))

    @admin.display(description="dead fetches")
    def dead_now(self, run: Any) -> str:
        """Show how many fetches are dead."""
        return f"{run.progress.dead:,}"

    @admin.display(description="totals")
    def sums(self, run: Any) -> SafeString | str:
        """Show what the run did, added up."""
        return totals(run.progress.totals)

    @admin.display(description="see")
    def see(self, run: Run) -> SafeString:
        """Link to what belongs to the run."""
        return format_html(
            "{} · {} · {}",
            list_link(Fetch, "fetches", run=run.pk),
            list_link(Rejection, "rejections", run=run.pk),
            list_link(Change, "changes", run=run.pk),
        )

    def panels(self, run: Run) -> list[Table]:
        """Show the first dead fetches."""
        dead = list(run.fetches.filter(status=Fetch.Status.DEAD).order_by("pk")[:_SAMPLE])
        if not dead:
            return []
        return [
            Table(
                "Dead fetches",
                ("Request", "Failures", "Error", "Ended"),
                [(link(f, short(f.key)), f.failures, short(f.error, 200), moment(f.finished_at)) for f in dead],
                list_link(Fetch, "all dead fetches of this run", run=run.pk, status__exact="dead"),
            )
        ]


class FetchRunFilter(RunFilter):
    """By run. Of one that has ended nothing is open: said so, its fetches are found by their index, however old."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the fetches of the chosen run."""
        fetches = super().queryset(request, queryset)
        chosen = self.value() or ""
        is_under_way = not chosen.isdecimal() or Run.objects.filter(pk=chosen, status=Run.Status.RUNNING).exists()
        return fetches if is_under_way else fetches.filter(status__in=Fetch.CLOSED)


class FetchList(KeysetChangeList):
    """Fetches; those of one provider are found run by run.

    Along their own key all those would be passed over that a run of another provider owed since: a million, maybe. So
    each run gives its first, by the indexes that have the fetches of a run in order. With another filter or a search
    beside, whose rows may be few in each run, the key is followed after all.
    """

    def nearest(self, from_here: FromHere, count: int) -> QuerySet[Any]:
        """Return the first so many of the rows from the place on that the address names."""
        runs = [run for spec in self.filter_specs if isinstance(spec, RunProviderFilter) for run in spec.runs]
        if not runs or self.query or self.get_filters_params().keys() != {RunProviderFilter.parameter_name}:
            return super().nearest(from_here, count)
        # Without the filter: each part would go through all runs that it names.
        fetches: QuerySet[Any] = from_here(self.root_queryset)
        of_run = fetches.filter(run=OuterRef("pk")).values("pk")
        found = Run.objects.filter(pk__in=runs).values_list(
            *(ArraySubquery(of_run.filter(status__in=statuses)[:count]) for statuses in _IN_ORDER)
        )
        keys = sorted((key for run in found for some in run for key in some), reverse=self.page_num >= 0)
        return fetches.filter(pk__in=keys[:count])


@admin.register(Fetch)
class FetchAdmin(ReadOnlyAdmin):
    """Fetches: each request a run owes or owed. The dead ones are replayed or discarded here."""

    list_display = ("request_key", "state", "outcome", "attempts", "counted", "error_line", "run_link", "ended")
    list_filter = ("status", "outcome", FetchRunFilter, RunProviderFilter)
    shows_of_others = ("run__provider__slug",)
    leaves_out = ("request", "traceback", "excerpt")
    search_fields = ("key",)
    search_help_text = "Whole request key, number of the fetch, or part of the error of dead ones"
    actions = ("replay", "discard")
    actions_detail = ("replay_fetch", "discard_fetch")
    fieldsets = (
        (None, {"fields": ("request_key", "address", ("state", "outcome"), ("run_link", "scope"))}),
        ("Attempts", {"fields": (("attempts", "failures", "crashes"), ("worked_on_by", "task"))}),
        ("Times", {"fields": (("queued_at", "started_at", "finished_at"), ("not_before", "lease_expires_at"))}),
        ("Result", {"fields": ("sums", "problem", "answer", "trace")}),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:  # noqa: ARG002
        """Return the list that finds a provider's fetches run by run."""
        return FetchList

    def find(self, rows: QuerySet[Fetch], term: str) -> QuerySet[Fetch]:
        """Return the fetch of this number, those of the latest runs with this key, or the dead ones with this error."""
        if term.isdecimal():
            return rows.filter(pk=term)
        latest = list(Run.objects.order_by("-pk").values_list("pk", flat=True)[:_LATEST_RUNS])
        by_key = rows.filter(run__in=latest, key=term)
        return by_key if by_key.exists() else rows.filter(contains("error", term), status=Fetch.Status.DEAD)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Return the buttons where the fetch is dead."""
        is_dead = str(object_id).isdecimal() and Fetch.objects.filter(pk=object_id, status=Fetch.Status.DEAD).exists()
        return super().get_actions_detail(request, object_id) if is_dead else []

    @admin.action(description="Replay dead", permissions=["operate"])
    def replay(self, request: HttpRequest, chosen: QuerySet[Fetch]) -> None:
        """Replay the dead ones of the chosen fetches."""
        operations.replay(request, Fetch.objects.filter(pk__in=chosen.order_by().values("pk")))

    @admin.action(description="Discard dead", permissions=["operate"])
    def discard(self, request: HttpRequest, chosen: QuerySet[Fetch]) -> HttpResponseBase | None:
        """Discard the dead ones of the chosen fetches, after asking."""
        dead = Fetch.objects.filter(pk__in=chosen.order_by().values("pk"), status=Fetch.Status.DEAD)
        if count := dead.count():
            question = f"Give up {counted(count, 'dead request')} for good? {_AFTER_DISCARD}"
            if asked := confirmation(self, request, "Discard", question):
                return asked
        operations.discard(request, dead)
        return None

    @button("Replay", "The request is tried again, and its run goes on.", permission="operate", icon="replay")
    def replay_fetch(self, request: HttpRequest, fetch: Fetch) -> None:
        """Replay this fetch."""
        operations.replay(request, Fetch.objects.filter(pk=fetch.pk))

    @button(
        "Discard",
        f"The request is given up for good. {_AFTER_DISCARD}",
        permission="operate",
        icon="delete",
        variant=ActionVariant.DANGER,
    )
    def discard_fetch(self, request: HttpRequest, fetch: Fetch) -> None:
        """Discard this fetch."""
        operations.discard(request, Fetch.objects.filter(pk=fetch.pk))

    @admin.display(description="request")
    def request_key(self, fetch: Fetch) -> str:
        """Show the request."""
        return short(fetch.key, 120)

    @admin.display(description="address")
    def address(self, fetch: Fetch) -> SafeString | str:
        """Link to where the provider answers."""
        return external(f"{fetch.run.provider.base_url.rstrip('/')}/{fetch.key.lstrip('/')}")

    @admin.display(description="status")
    def state(self, fetch: Fetch) -> SafeString:
        """Show the status as a label."""
        return status_badge(fetch, FETCH_COLOURS)

    @admin.display(description="counts")
    def counted(self, fetch: Fetch) -> SafeString | str:
        """Show what it brought."""
        return totals(fetch.counts)

    sums = counted

    @admin.display(description="error")
    def error_line(self, fetch: Fetch) -> str:
        """Show the line of the error that says most."""
        return short(fetch.error_line or NOTHING)

    @admin.display(description="error")
    def problem(self, fetch: Fetch) -> SafeString | str:
        """Show the whole error."""
        return preformatted(fetch.error)

    @admin.display(description="start of the answer")
    def answer(self, fetch: Fetch) -> SafeString | str:
        """Show the start of the answer that could not be used."""
        return preformatted(fetch.excerpt)

    @admin.display(description="traceback")
    def trace(self, fetch: Fetch) -> SafeString | str:
        """Show where an error that was not foreseen came up."""
        return preformatted(fetch.traceback)

    @admin.display(description="worker")
    @once
    def worked_on_by(self, fetch: Fetch) -> SafeString | str:
        """Show who works on it or did last; the row of a worker goes with it."""
        if fetch.worker_id is None:
            return NOTHING
        worker = Worker.objects.filter(pk=fetch.worker_id).first()
        return link(worker, worker.name) if worker else f"worker {fetch.worker_id}, which has ended"

    @admin.display(description="Celery task")
    def task(self, fetch: Fetch) -> str:
        """Show the Celery task that worked on it last."""
        return fetch.task_id or NOTHING

    @admin.display(description="run")
    def run_link(self, fetch: Fetch) -> SafeString | str:
        """Link to the run."""
        return link(fetch.run, f"{fetch.run.pk}: {fetch.run.provider}")

    @admin.display(description="ended")
    def ended(self, fetch: Fetch) -> str:
        """Show when it ended."""
        return moment(fetch.finished_at)


@admin.register(Rejection)
class RejectionAdmin(ReadOnlyAdmin):
    """Rejections: items that could not become records, kept until their page comes without them."""

    list_display = ("reason_line", "path_line", "excerpt_line", "provider", "run_link", "seen")
    list_filter = ("provider", RunFilter)
    shows_of_others = ("provider__slug", "run__id")
    search_fields = ("reason",)
    search_help_text = "Part of the reason, or the whole key of the page"
    fieldsets = (
        (None, {"fields": ("reason", "path", "shown_excerpt")}),
        ("Where", {"fields": ("page_key", ("provider", "run_link", "seen"))}),
    )

    def find(self, rows: QuerySet[Rejection], term: str) -> QuerySet[Rejection]:
        """Return the rejections of the page with this key, else those whose reason has the term in it."""
        of_page = of_providers(KnownPage.objects.all(), ("key",), term)
        return rows.filter(page__in=of_page) if of_page else rows.filter(contains("reason", term))

    @admin.display(description="reason")
    def reason_line(self, rejection: Rejection) -> str:
        """Show the start of the reason."""
        return short(rejection.reason)

    @admin.display(description="path")
    def path_line(self, rejection: Rejection) -> str:
        """Show where it stood."""
        return short(rejection.path)

    @admin.display(description="excerpt")
    def excerpt_line(self, rejection: Rejection) -> str:
        """Show the start of the item."""
        return short(rejection.excerpt, 60)

    @admin.display(description="excerpt")
    def shown_excerpt(self, rejection: Rejection) -> SafeString | str:
        """Show the item as far as it was kept."""
        return preformatted(rejection.excerpt)

    @admin.display(description="page")
    def page_key(self, rejection: Rejection) -> str:
        """Show the request whose answer it stood in."""
        return rejection.page.key

    @admin.display(description="run")
    def run_link(self, rejection: Rejection) -> SafeString | str:
        """Link to the run."""
        return link(rejection.run, rejection.run_id)

    @admin.display(description="seen")
    def seen(self, rejection: Rejection) -> str:
        """Show when it was seen."""
        return moment(rejection.created_at)


def _dead_by_run(chosen: Sequence[Run]) -> dict[int, int]:
    """Return how many dead fetches each of the runs has."""
    if not chosen:
        return {}
    dead = Fetch.objects.filter(run__in=[run.pk for run in chosen], status=Fetch.Status.DEAD)
    return {row["run"]: row["n"] for row in dead.values("run").annotate(n=Count("pk")).order_by()}
