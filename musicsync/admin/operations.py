"""What people set going from the admin, each with one message that says what came of it.

A run is a row before any message about it is sent, so a broker that is away costs time and nothing else.
"""

import contextlib
from collections.abc import Iterable, Iterator

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from musicsync import tasks
from musicsync.admin.show import Table, anchor, lines, link, list_link
from musicsync.models import Artist, Fetch, Provider, Release, Run, Scope
from musicsync.providers import sample
from musicsync.queries import outlook
from musicsync.records import Mode, MusicsyncError, ProviderError
from musicsync.sync import drift, following, lookups, runs
from musicsync.sync.asking import ask_once
from musicsync.sync.budget import NotNow
from musicsync.words import counted

_TESTED = "musicsync-tested"
_MOST_REFUSALS = 20


def sync(request: HttpRequest, providers: Iterable[Provider], mode: Mode) -> None:
    """Start a run of each provider now."""
    for provider in providers:
        with _clear_errors(request):
            _start(request, provider, mode)


def refresh(request: HttpRequest, row: Artist | Release | lookups.Source) -> None:
    """Look a row up now at each provider that knows it."""
    targets = lookups.targets_of(row) if isinstance(row, Artist | Release) else [lookups.target_of(row)]
    if not targets:
        messages.warning(request, "Nothing was asked: no provider has this any more.")
    for target in targets:
        with _clear_errors(request):
            _look_up(request, target)


def cancel(request: HttpRequest, chosen: Iterable[Run]) -> None:
    """Cancel each run."""
    for run in chosen:
        with _clear_errors(request):
            _cancel(request, run)


def approve(request: HttpRequest, chosen: Iterable[Run]) -> None:
    """Carry out the removals that each held run asks about."""
    for run in chosen:
        with _clear_errors(request):
            _approve(request, run)


def replay(request: HttpRequest, fetches: QuerySet[Fetch]) -> None:
    """Let the dead ones of the fetches be tried again, run by run."""
    dead = fetches.filter(status=Fetch.Status.DEAD).order_by()
    affected = list(Run.objects.filter(pk__in=dead.values("run")).select_related("provider__budget").order_by("pk"))
    if not affected:
        messages.warning(request, "No fetch was replayed: none of the chosen ones is dead.")
    for run in affected:
        with _clear_errors(request):
            _replay(request, run, dead)


def discard(request: HttpRequest, fetches: QuerySet[Fetch]) -> None:
    """Give the dead ones of the fetches up for good."""
    discarded = runs.discard(fetches)
    if discarded:
        messages.success(request, f"{counted(discarded, 'request')} discarded.")
    else:
        messages.warning(request, "No fetch was discarded: none of the chosen ones is dead.")


def follow(request: HttpRequest, provider: Provider, kind: str, text: str) -> None:
    """Follow the scopes that a text names, one a line, and say what is wrong with its other lines."""
    with _clear_errors(request):
        wanted, refusals = following.read(provider, text, kind)
        if wanted:
            _follow(request, provider, wanted)
        if refusals:
            said = [*refusals[:_MOST_REFUSALS], *_left_out(refusals)]
            count = counted(len(refusals), "line is", "lines are")
            messages.error(request, format_html("{} not followed: {}", count, lines(said)))
        if not wanted and not refusals:
            messages.warning(request, "Nothing is followed: no line names anything.")


def close_circuit(request: HttpRequest, provider: Provider) -> None:
    """Let the provider be asked again."""

    def close() -> None:
        with _broker_may_be_away(request, link(provider)):
            tasks.close_circuit(provider)
            messages.success(request, format_html("{} is asked again", link(provider)))

    transaction.on_commit(close)


def accept_drift(request: HttpRequest, provider: Provider) -> None:
    """Take the provider's answers as they are now."""
    drift.accept(provider)
    held = Fetch.objects.filter(run__provider=provider, status=Fetch.Status.DEAD)
    messages.success(
        request,
        format_html(
            "{}: what its answers held until now is forgotten. Now replay {}",
            link(provider),
            list_link(Fetch, "its dead fetches", status__exact="dead", provider=provider.pk)
            if held.exists()
            else "what was held",
        ),
    )


def test(request: HttpRequest, provider: Provider) -> None:
    """Ask the provider once; what it says is kept in the session, for the page that is shown next."""
    try:
        page = ask_once(provider).page
    except (NotNow, ProviderError, MusicsyncError) as error:
        messages.error(request, f"{provider}: {error}")
        return
    request.session[_TESTED] = [str(provider.pk), sample.records(page), sample.rejected(page)]
    records, rejected = counted(len(page.records), "record"), f"{len(page.rejected):,} rejected"
    tell = messages.success if page.records else messages.warning
    shown = format_html("; {}", anchor("#panels", "see the first of them")) if page.records or page.rejected else ""
    tell(request, format_html("{} answered: {}, {}, {}{}", provider, records, rejected, sample.leads_to(page), shown))


def tested(request: HttpRequest, provider_id: str) -> list[Table]:
    """Return what a test of the provider just brought, once."""
    known, records, rejected = request.session.get(_TESTED) or ("", [], [])
    if known != provider_id:
        return []
    del request.session[_TESTED]
    tables = (
        Table("First records of the test", sample.RECORDS, records),
        Table("Rejected items of the test", sample.REJECTED, rejected),
    )
    return [table for table in tables if table.rows]


@contextlib.contextmanager
def _clear_errors(request: HttpRequest) -> Iterator[None]:
    """Make what an operator can put right one message instead of an error page."""
    try:
        yield
    except MusicsyncError as error:
        messages.error(request, str(error))


def _start(request: HttpRequest, provider: Provider, mode: Mode) -> None:
    run = runs.open_run(provider, mode, Run.Trigger.ADMIN)
    owed = Fetch.objects.filter(run=run).count()
    _send(request, run, format_html("started ({}): {} owed", mode, _requests(run, owed)))


def _look_up(request: HttpRequest, target: lookups.Target) -> None:
    found = lookups.start(target, Run.Trigger.ADMIN)
    if found.is_new:
        _send(request, found.run, format_html("started (lookup of {}): {}", found.run.scope, outlook(found.run)))
    else:
        messages.info(request, format_html("{} looks up {} already", _named(found.run), found.run.scope))


def _follow(request: HttpRequest, provider: Provider, wanted: list[following.Named]) -> None:
    new = following.follow(provider, wanted)
    known = len(wanted) - new
    scopes = list_link(Scope, counted(new, "scope"), provider__id__exact=provider.pk)
    tail = f"; {counted(known, 'was', 'were')} followed already" if known else ""
    messages.success(request, format_html("{} now follows {}{}", link(provider), scopes, tail))


def _left_out(refusals: list[str]) -> list[str]:
    left = len(refusals) - _MOST_REFUSALS
    return [f"... and {counted(left, 'line')} more"] if left > 0 else []


def _replay(request: HttpRequest, run: Run, dead: QuerySet[Fetch]) -> None:
    replayed = runs.replay(run, dead)
    _send(request, run, format_html("goes on: {} replayed", _requests(run, replayed)))


def _cancel(request: HttpRequest, run: Run) -> None:
    owed = runs.cancel(run)
    said = "it owed nothing any more" if not owed else format_html("{} will not be sent", _requests(run, owed))
    messages.success(request, format_html("{} cancelled: {}", _named(run), said))


def _approve(request: HttpRequest, run: Run) -> None:
    removed = runs.approve(run)
    said = ", ".join(counted(count, what.partition(".")[0]) for what, count in sorted(removed.items()))
    messages.success(request, format_html("{} approved: removed {}", _named(run), said or "nothing"))


def _send(request: HttpRequest, run: Run, said: SafeString) -> None:
    """Send the run's messages once its rows are committed, and say so; or that it waits for the broker."""

    def begin() -> None:
        with _broker_may_be_away(request, _named(run)):
            tasks.begin(run)
            messages.success(request, format_html("{} {}", _named(run), said))

    transaction.on_commit(begin)


@contextlib.contextmanager
def _broker_may_be_away(request: HttpRequest, what: SafeString | str) -> Iterator[None]:
    """Say that what was recorded goes on by itself, where its messages could not be sent."""
    try:
        yield
    except tasks.BROKER_AWAY:
        messages.error(
            request,
            format_html(
                "{} is recorded, but CELERY_BROKER_URL cannot be reached: start the broker, a worker and beat, "
                "then it goes on by itself",
                what,
            ),
        )


def _named(run: Run) -> SafeString:
    return format_html("{} of {}", link(run, f"Run {run.pk}"), link(run.provider))


def _requests(run: Run, count: int) -> SafeString:
    return list_link(Fetch, counted(count, "request"), run=run.pk)
