"""The configured providers as ``provider list`` shows them."""

from typing import Any

from django.db.models import Count

from musicsync.models import Provider, Run, Scope
from musicsync.queries import due_checks

COLUMNS = (
    "provider",
    "adapter",
    "base_url",
    "enabled",
    "trust",
    "rate",
    "burst",
    "quotas",
    "follows",
    "due",
    "last_run",
)
"""What a table shows; as JSON there is more."""


def facts() -> list[dict[str, Any]]:
    """Return what there is to know of each provider, the most trusted first."""
    active = Scope.objects.filter(active=True).values("provider").annotate(n=Count("pk"))
    follows = {row["provider"]: row["n"] for row in active}
    providers = Provider.objects.select_related("budget").order_by("trust", "slug")
    return [_facts_of(provider, follows.get(provider.pk, 0)) for provider in providers]


def row(facts: dict[str, Any]) -> list[Any]:
    """Return what a table shows of a provider."""
    shown = facts | {"due": f"> {facts['due']}"} if facts["due_more"] else facts
    return [shown[name] for name in COLUMNS]


def _facts_of(provider: Provider, follows: int) -> dict[str, Any]:
    due = due_checks(provider)
    last = Run.objects.filter(provider=provider).exclude(mode=Run.Mode.LOOKUP).order_by("-pk").first()
    return {
        "provider": provider.slug,
        "adapter": provider.adapter,
        "base_url": provider.base_url,
        "enabled": provider.enabled,
        "trust": provider.trust,
        "budget": provider.budget.name,
        "rate": provider.budget.rate,
        "burst": provider.budget.burst,
        "per_day": provider.budget.per_day,
        "per_month": provider.budget.per_month,
        "concurrency": provider.budget.concurrency,
        "quotas": provider.budget.quotas,
        "follows": follows,
        "check_after_least": provider.check_after_least,
        "check_after_most": provider.check_after_most,
        "checks_per_run": provider.most_checks,
        "due": due.pages,
        "due_more": due.more,
        "due_since": due.since,
        "last_run": f"{last.pk} {last.status}" if last else None,
    }
