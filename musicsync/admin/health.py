"""How the engine is: who works, who leads, which providers are not asked, and what their answers usually hold."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from musicsync.admin import operations
from musicsync.admin.base import ReadOnlyAdmin
from musicsync.admin.dialogs import button
from musicsync.admin.show import NOTHING, Table, badge, elapsed, link, list_link, moment, preformatted, short
from musicsync.models import Circuit, Fetch, Leader, Profile, Run, Worker
from musicsync.sync.workers import LOST_SECONDS

_MOST_WORKERS = 20


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Workers, each start of one a row, gone when it ended or was lost."""

    list_display = ("name", "state", "holds", "started", "seen")
    fields = (("name", "state", "holds"), ("started", "seen"))

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """Count what the workers on the page work on."""
        held = held_by(rows)
        for worker in rows:
            worker.held = held.get(worker.pk, 0)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the worker with how much it works on."""
        worker = super().get_object(request, object_id, from_field)
        if worker is not None:
            self.prepare_rows([worker])
        return worker

    @admin.display(description="state")
    def state(self, worker: Worker) -> SafeString:
        """Show whether it is heard of."""
        return worker_state(worker)

    @admin.display(description="works on")
    def holds(self, worker: Any) -> str:
        """Show how many fetches it has."""
        return f"{worker.held:,}"

    @admin.display(description="started")
    def started(self, worker: Worker) -> str:
        """Show when it started."""
        return moment(worker.started_at)

    @admin.display(description="last heard of")
    def seen(self, worker: Worker) -> str:
        """Show when it was last heard of."""
        return moment(worker.seen_at)


@admin.register(Leader)
class LeaderAdmin(ReadOnlyAdmin):
    """Which of several processes acts."""

    list_display = ("name", "holder", "from_then", "until")
    fields = (("name", "holder"), ("from_then", "until"))

    @admin.display(description="since")
    def from_then(self, leader: Leader) -> str:
        """Show since when it leads."""
        return moment(leader.since)

    @admin.display(description="until, unless renewed")
    def until(self, leader: Leader) -> str:
        """Show when another takes over."""
        return moment(leader.expires_at)


@admin.register(Circuit)
class CircuitAdmin(ReadOnlyAdmin):
    """Circuits: which providers are not asked because they fail."""

    list_display = ("provider", "state", "failures", "opened", "next_probe", "reason_line")
    shows_of_others = ("provider__slug",)
    actions_detail = ("close_circuit",)
    fields = (("provider", "state", "failures"), ("opened", "next_probe", "probes"), ("reason", "closed"))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Return the button where there is something to close."""
        is_open = Circuit.objects.filter(pk=object_id, opened_at__isnull=False).exists()
        return super().get_actions_detail(request, object_id) if is_open else []

    @button(
        "Close now",
        "The provider is asked again at once, whether it has recovered or not.",
        permission="operate",
        icon="power",
    )
    def close_circuit(self, request: HttpRequest, circuit: Circuit) -> None:
        """Let the provider be asked again."""
        operations.close_circuit(request, circuit.provider)

    @admin.display(description="state")
    def state(self, circuit: Circuit) -> SafeString:
        """Show whether it is open."""
        return badge("open", "danger") if circuit.opened_at else badge("closed", "success")

    @admin.display(description="open since")
    def opened(self, circuit: Circuit) -> str:
        """Show since when nothing is asked."""
        return moment(circuit.opened_at)

    @admin.display(description="next probe")
    def next_probe(self, circuit: Circuit) -> str:
        """Show when the provider is tried again."""
        return moment(circuit.probe_at if circuit.opened_at else None)

    @admin.display(description="closed last")
    def closed(self, circuit: Circuit) -> str:
        """Show when it was last asked again."""
        return moment(circuit.closed_at)

    @admin.display(description="reason")
    def reason_line(self, circuit: Circuit) -> str:
        """Show the start of what the provider said."""
        return short(circuit.reason) or NOTHING


@admin.register(Profile)
class ProfileAdmin(ReadOnlyAdmin):
    """Profiles: what answers of one form held until now, by which the drift guard judges new ones."""

    list_display = ("shape", "provider", "updated")
    list_filter = ("provider",)
    shows_of_others = ("provider__slug",)
    fields = (("provider", "shape", "updated"), "shown_statistics")

    @admin.display(description="learnt last")
    def updated(self, profile: Profile) -> str:
        """Show when a page last taught it something."""
        return moment(profile.updated_at)

    @admin.display(description="statistics")
    def shown_statistics(self, profile: Profile) -> SafeString | str:
        """Show the numbers."""
        return preformatted(profile.statistics)


def worker_state(worker: Worker) -> SafeString:
    """Return whether the worker is heard of, as a label."""
    silent = (timezone.now() - worker.seen_at).total_seconds()
    return badge("alive", "success") if silent < LOST_SECONDS else badge(f"silent for {elapsed(silent)}", "danger")


def held_by(workers: Sequence[Worker]) -> dict[int, int]:
    """Return how many fetches each of the workers works on."""
    if not workers:
        return {}
    leased = Fetch.objects.filter(run__status=Run.Status.RUNNING, status=Fetch.Status.LEASED, worker__in=workers)
    return {row["worker"]: row["n"] for row in leased.values("worker").annotate(n=Count("pk")).order_by()}


def circuit_line(circuit: Circuit | None) -> SafeString | str:
    """Return how a provider's circuit is, in a line."""
    if circuit is None or circuit.opened_at is None:
        return "closed: it is asked"
    return format_html(
        "{} since {}, next probe {}: {}",
        link(circuit, "open"),
        moment(circuit.opened_at),
        moment(circuit.probe_at),
        short(circuit.reason, 200),
    )


def open_circuits() -> QuerySet[Circuit]:
    """Return the circuits that are open, the oldest first."""
    return Circuit.objects.filter(opened_at__isnull=False).select_related("provider").order_by("opened_at")


def process_table() -> Table:
    """Return the workers and the beat that leads."""
    workers = list(Worker.objects.order_by("name", "pk")[: _MOST_WORKERS + 1])
    held = held_by(workers)
    rows = [
        (link(worker, worker.name), worker_state(worker), f"{held.get(worker.pk, 0):,}", moment(worker.started_at))
        for worker in workers[:_MOST_WORKERS]
    ]
    rows += [
        (
            link(leader, f"{leader.name}: {leader.holder}"),
            leader_state(leader, timezone.now()),
            NOTHING,
            moment(leader.since),
        )
        for leader in Leader.objects.order_by("name")
    ]
    more = list_link(Worker, "all workers") if len(workers) > _MOST_WORKERS else ""
    hint = "" if workers else "No worker runs: start one with `celery -A project worker`."
    return Table("Processes", ("Process", "State", "Works on", "Since"), rows, more or hint)


def leader_state(leader: Leader, now: datetime) -> SafeString:
    """Return whether the process leads still, as a label."""
    return badge("leads", "success") if leader.expires_at > now else badge("gone", "danger")


def circuit_table() -> Table:
    """Return the circuits that are open."""
    return Table(
        "Not asked: open circuits",
        ("Provider", "Since", "Next probe", "Failed probes", "Reason"),
        [
            (
                link(circuit.provider),
                moment(circuit.opened_at),
                moment(circuit.probe_at),
                circuit.probes,
                short(circuit.reason, 200),
            )
            for circuit in open_circuits()
        ],
    )
