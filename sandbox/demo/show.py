"""The demo from its first line to its last."""

import contextlib
import fcntl
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import django
from django.core.exceptions import ImproperlyConfigured

from sandbox.demo.children import Children, DemoError
from sandbox.demo.simulator import Simulator, State

try:
    django.setup()
except ImproperlyConfigured as problem:
    raise DemoError(str(problem)) from problem

# Django must be set up before its models are imported.
from django.core.management import call_command
from django.db import transaction
from rich.console import Console
from rich.markup import escape

from musicsync import tasks
from musicsync.management import progress
from musicsync.management.progress import Sight
from musicsync.models import Budget, Provider, Run, Scope
from musicsync.queries import Progress
from musicsync.records import MusicsyncError
from musicsync.sync import runs
from sandbox.demo import summary
from sandbox.demo.summary import Side

SIDES = (
    Side("sandbox-musicbrainz", "musicbrainz", "/musicbrainz/ws/2", trust=1, rate=80),
    Side("sandbox-deezer", "deezer", "/deezer", trust=2, rate=160),
)
SLACK = 1.25
"""The sandbox allows this much more than the budgets use: requests bunch up a little on their way."""
_BURST = 5
_DEEZER_WINDOW_SECONDS = 5
_START_LIMIT_SECONDS = 60
_WIDTH = 100


def run(var: Path, *, tracks: int, evolve: bool) -> bool:
    """Show the demo; return whether all went well and the catalogue shows what the sandbox announced.

    Raises:
        DemoError: it cannot go on.
        KeyboardInterrupt: as pressed; what was started is stopped first.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    path = var / "state.json"
    with _alone(var), Children(var) as children:
        state = State.load(path, tracks)
        began = time.monotonic()
        console.print(
            f"[dim]servers, database, sandbox, worker and beat start; their logs are in {escape(str(var))}[/]",
            soft_wrap=True,
        )
        call_command("migrate", verbosity=0)
        simulator = _start(children, state)
        if evolve:
            simulator.evolve()
            state.generation += 1
            console.print(f"the sandbox's catalogues moved on to generation {state.generation}")
        before, state.synced = state.synced, None
        state.save(path)
        known = {side.slug: summary.live_tracks(side.slug) for side in SIDES}
        ended = _sync(children, console)
        outcomes = [
            summary.outcome(side, end, simulator, before if known[side.slug] else "nothing", state.generation)
            for side, end in zip(SIDES, ended, strict=True)
        ]
        summary.show(console, outcomes, time.monotonic() - began)
        if all(end.status == Run.Status.DONE for end in ended):
            state.synced = state.generation
            state.save(path)
    summary.show_next(console, var)
    return all(outcome.agrees for outcome in outcomes)


@contextlib.contextmanager
def _alone(var: Path) -> Iterator[None]:
    """Hold the demo's folder: two demos at once would cancel each other's runs."""
    with (var / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"another demo runs in {var}: wait for its end") from None
        yield


def _start(children: Children, state: State) -> Simulator:
    python = sys.executable
    rates = {side.dialect: SLACK * side.rate for side in SIDES}
    limits = {
        "--musicbrainz-rate": f"{rates['musicbrainz']:g}",
        "--deezer-quota": f"{rates['deezer'] * _DEEZER_WINDOW_SECONDS:.0f}",
    }
    options = {"--tracks": state.tracks, "--generation": state.generation, "--port": 0} | limits
    children.start("sandbox", [python, "-m", "sandbox", *(str(part) for pair in options.items() for part in pair)])
    celery = [python, "-m", "celery", "-A", "project"]
    children.start("worker", [*celery, "worker", "--concurrency", "2"])
    children.start("beat", [*celery, "beat"])
    line = children.wait_for("sandbox", "http://", _START_LIMIT_SECONDS)
    simulator = Simulator(next(word for word in line.split() if word.startswith("http://")))
    for side in SIDES:
        _configure(side, simulator)
    return simulator


@transaction.atomic
def _configure(side: Side, simulator: Simulator) -> None:
    """Write the provider as it is this time, the sandbox's port being another one, and what it follows."""
    budget, _ = Budget.objects.update_or_create(name=side.slug, defaults={"rate": side.rate, "burst": _BURST})
    provider, _ = Provider.objects.update_or_create(
        slug=side.slug,
        defaults={
            "adapter": side.dialect,
            "base_url": simulator.url + side.path,
            "allow_private": True,
            "trust": side.trust,
            "budget": budget,
            # The demo starts its runs itself; beat must not be just before it with a scheduled one.
            "enabled": False,
        },
    )
    Scope.objects.bulk_create(
        (Scope(provider=provider, kind="artist", key=key) for key in simulator.artists(side.dialect)),
        ignore_conflicts=True,
    )


def _sync(children: Children, console: Console) -> list[Progress]:
    """Run both providers at the same time, in full, and return how their runs ended."""
    # Left by a demo that was killed.
    _cancel_runs()
    started: list[Run] = []
    try:
        for side in SIDES:
            provider = Provider.objects.select_related("budget").get(slug=side.slug)
            started.append(runs.open_run(provider, "full", Run.Trigger.CLI))
            tasks.begin(started[-1])
        numbers = [run.pk for run in started]
        look = _patience(children)
        if not console.is_terminal or console.is_dumb_terminal:
            return progress.watch(numbers, progress.Lines(print), look)
        with progress.Bars(console) as bars:
            return progress.watch(numbers, bars, look)
    except BaseException:
        _cancel_runs()
        raise


def _cancel_runs() -> None:
    for run in Run.objects.filter(status=Run.Status.RUNNING):
        # It may end at this very moment by itself.
        with contextlib.suppress(MusicsyncError):
            runs.cancel(run)


def _patience(children: Children) -> Callable[[Sequence[Sight]], None]:
    """Return what looks after the children, and after a worker that lives and does nothing."""
    limit = time.monotonic() + _START_LIMIT_SECONDS

    def look(sights: Sequence[Sight]) -> None:
        children.check()
        if time.monotonic() > limit and not any(sight.progress.done for sight in sights):
            raise DemoError(f"the worker did nothing in {_START_LIMIT_SECONDS} s: read {children.log('worker')}")

    return look
