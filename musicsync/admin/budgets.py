"""Budgets: what one credential may ask of its provider."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from musicsync.admin.plain import PlainAdmin
from musicsync.admin.show import NOTHING
from musicsync.models import Budget
from musicsync.queries import used


@admin.register(Budget)
class BudgetAdmin(PlainAdmin):
    """Budgets: what one credential may ask of its provider."""

    list_display = ("name", "rate", "burst", "quotas", "concurrency", "cooldown_until", "used_by")
    search_fields = ("name",)
    ordering = ("name",)
    readonly_fields = ("quotas", "used_by", "theoretical_arrival_at")
    fields = (
        "name",
        ("rate", "burst", "concurrency"),
        ("per_day", "per_month"),
        "quotas",
        "cooldown_until",
        "used_by",
        "theoretical_arrival_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Budget]:
        """Return budgets with the providers that use them."""
        return super().get_queryset(request).prefetch_related("providers")

    def save_model(self, request: HttpRequest, obj: Budget, form: Any, change: bool) -> None:
        """Save what was edited alone: workers have counted on since the page was opened."""
        if change:
            obj.save(update_fields=form.changed_data)
        else:
            super().save_model(request, obj, form, change)

    @admin.display(description="used")
    def quotas(self, budget: Budget) -> str:
        """Show how much of its quotas is used."""
        if budget.pk is None:
            return NOTHING
        today, this_month = used(budget, datetime.now(UTC))
        spans = (("today", today, budget.per_day), ("this month", this_month, budget.per_month))
        return ", ".join(f"{n:,} of {most:,} {span}" if most else f"{n:,} {span}" for span, n, most in spans)

    @admin.display(description="used by")
    def used_by(self, budget: Budget) -> str:
        """Show who shares it."""
        if budget.pk is None:
            return NOTHING
        return ", ".join(provider.slug for provider in budget.providers.all()) or NOTHING
