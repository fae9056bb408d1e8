"""Failure hooks: what goes wrong with a Celery task is recorded, logged in structure, and told to people."""

import json
import logging
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals
from django.db import Error, close_old_connections
from kombu.exceptions import KombuError

from musicsync import tasks
from musicsync.identifiers import clean_text
from musicsync.models import Failure, Fetch, Run
from musicsync.redaction import redacted

log = logging.getLogger(__name__)

_ALERTING = (
    Failure.Kind.FAILURE,
    Failure.Kind.REVOKED,
    Failure.Kind.REJECTED,
    Failure.Kind.UNKNOWN,
    Failure.Kind.WORKER_LOST,
)
_TOLD_TO_STOP = "signal 15 (SIGTERM)"
_ALERT_TASK = "musicsync.tasks.send_alert"
_SWEEP_TASK = "musicsync.tasks.sweep"


@signals.task_failure.connect(weak=False)
def on_failure(
    sender: Any = None,
    task_id: str = "",
    exception: BaseException | None = None,
    args: Any = (),
    kwargs: Any = None,
    einfo: Any = None,
    **_: Any,
) -> None:
    """Record a task that raised, or whose process was lost; what a lost one held is taken back at once."""
    lost = isinstance(exception, WorkerLostError | TimeLimitExceeded)
    if lost:
        _take_back(task_id)
    if isinstance(exception, WorkerLostError) and _TOLD_TO_STOP in str(exception):
        # It gave back what it held before it went: a deploy is no failure.
        return
    record(
        Failure.Kind.WORKER_LOST if lost else Failure.Kind.FAILURE,
        task=sender.name,
        task_id=task_id,
        arguments=(args, kwargs),
        error=f"{type(exception).__name__}: {exception}",
        traceback=str(einfo or ""),
        worker=_worker(sender),
    )


@signals.task_retry.connect(weak=False)
def on_retry(sender: Any = None, request: Any = None, reason: Any = None, einfo: Any = None, **_: Any) -> None:
    """Record a task that will be tried again."""
    record(
        Failure.Kind.RETRY,
        task=sender.name,
        task_id=request.id,
        arguments=(request.args, request.kwargs),
        error=str(getattr(reason, "exc", None) or reason),
        traceback=str(einfo or ""),
        worker=_worker(sender),
    )


@signals.task_revoked.connect(weak=False)
def on_revoked(
    sender: Any = None,
    request: Any = None,
    terminated: bool = False,
    signum: Any = None,
    expired: bool = False,
    **_: Any,
) -> None:
    """Record a task that somebody revoked, or that expired; not a sweep, which expires by design: the next follows."""
    if expired and sender.name == _SWEEP_TASK:
        return
    how = f"terminated with signal {signum}" if terminated else "expired" if expired else "revoked"
    record(
        Failure.Kind.REVOKED,
        task=sender.name,
        task_id=request.id,
        arguments=(request.args, request.kwargs),
        error=how,
        worker=str(getattr(request, "hostname", "") or ""),
    )


@signals.task_unknown.connect(weak=False)
def on_unknown(sender: Any = None, name: str = "", message: Any = None, exc: Any = None, **rest: Any) -> None:
    """Record a message about a task that this release does not have."""
    record(
        Failure.Kind.UNKNOWN,
        task=name,
        task_id=str(rest.get("id", "")),
        arguments=getattr(message, "payload", None),
        error=str(exc),
        worker=str(getattr(sender, "hostname", "")),
    )


@signals.task_rejected.connect(weak=False)
def on_rejected(sender: Any = None, message: Any = None, exc: Any = None, **_: Any) -> None:
    """Record a message that no worker can read."""
    headers = getattr(message, "headers", None) or {}
    record(
        Failure.Kind.REJECTED,
        task=str(headers.get("task", "")),
        task_id=str(headers.get("id", "")),
        arguments=getattr(message, "body", None),
        error=str(exc or "a message that is not a task"),
        worker=str(getattr(sender, "hostname", "")),
    )


def record(
    kind: str,
    *,
    task: str,
    task_id: str,
    arguments: Any,
    error: str,
    traceback: str = "",
    worker: str = "",
) -> None:
    """Write a failure down and alert people. Never raises: a hook must not add a failure to the one it reports."""
    log.warning(
        "task %s: %s: %s", kind, task, error, extra={"task": task, "task_id": task_id, "kind": kind, "worker": worker}
    )
    try:
        close_old_connections()
        run_id = _run_of(task, arguments)
        Failure.objects.create(
            kind=kind,
            task=task[:200],
            task_id=task_id[:64],
            arguments=clean_text(redacted(_text(arguments))),
            error=clean_text(redacted(error)),
            traceback=clean_text(redacted(traceback)),
            worker=worker[:200],
            run_id=run_id,
        )
        if kind in _ALERTING and task != _ALERT_TASK:
            _alert(kind, task, error, run_id)
    except (Error, OSError, KombuError):
        log.exception("the failure of task %s could not be recorded, or nobody be told of it", task)


def _take_back(task_id: str) -> None:
    try:
        tasks.take_back(task_id)
    except (Error, OSError, KombuError):
        log.exception("what task %s held is left to the next sweep", task_id)


def _alert(kind: str, task: str, error: str, run_id: int | None) -> None:
    where = f" (run {run_id})" if run_id else ""
    tasks.alert(f"{kind}:{task}:{error.partition(':')[0]}", f"{Failure.Kind(kind).label}: {task}{where}", error)


def _run_of(task: str, arguments: Any) -> int | None:
    """Return the run that a task was about, by the row that its message names."""
    try:
        number = int(arguments[0][0])
    except (TypeError, ValueError, IndexError, KeyError):
        return None
    if task.endswith(".work_fetch"):
        return Fetch.objects.filter(pk=number).values_list("run_id", flat=True).first()
    if task.endswith((".finish_run", ".settle_run")):
        return Run.objects.filter(pk=number).values_list("pk", flat=True).first()
    return None


def _text(arguments: Any) -> str:
    try:
        return json.dumps(arguments)
    except (TypeError, ValueError):
        return repr(arguments)


def _worker(task: Any) -> str:
    return str(getattr(task.request, "hostname", "") or "")
