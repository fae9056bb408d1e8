"""Scopes: what of each provider is followed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from musicsync.admin.base import BrowseAdmin
from musicsync.admin.plain import PlainForm
from musicsync.admin.show import NOTHING, moment, short
from musicsync.models import Provider, Scope
from musicsync.providers import registry
from musicsync.records import MusicsyncError
from musicsync.sync import checks


class ScopeForm(PlainForm):
    """A scope, its key in the one form that the provider's adapter gives it."""

    def clean(self) -> dict[str, Any]:
        """Bring the key into its canonical form.

        Raises:
            ValidationError: the provider cannot follow this.
        """
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if given.get("provider") and given.get("kind") and "key" not in self.errors:
            try:
                adapter = registry.adapter_of(given["provider"])
                given["key"] = adapter.scope_key(given["kind"], given.get("key", ""))
            except MusicsyncError as error:
                raise forms.ValidationError({"key": str(error)}) from error
        return given


class FollowForm(BaseDialogForm):  # type: ignore[misc]
    """Many scopes of one provider, one a line."""

    kind = forms.ChoiceField(
        required=False,
        choices=[("", "as each line says"), *((kind, label) for kind, label in Scope.Kind.choices if kind != "feed")],
        widget=UnfoldAdminSelectWidget(),
    )
    # Unstripped, so that the lines keep their numbers.
    keys = forms.CharField(
        strip=False,
        widget=UnfoldAdminTextareaWidget(),
        help_text="One a line: a key of this kind, or KIND:KEY such as artist:27 where each line says its own.",
    )


@admin.register(Scope)
class ScopeAdmin(BrowseAdmin):
    """Scopes: what of each provider is followed. A provider may have a hundred thousand."""

    form = ScopeForm
    list_display = ("described", "provider", "active", "since", "mark")
    list_filter = ("provider", "kind", "active")
    shows_of_others = ("provider__slug",)
    search_fields = ("key",)
    search_help_text = "The whole key"
    autocomplete_fields = ("provider",)
    fields = ("provider", ("kind", "key"), "active", "mark", "next_check")

    def get_readonly_fields(self, _request: HttpRequest, obj: Scope | None = None) -> tuple[str, ...]:
        """A scope that exists is switched on and off; another thing to follow is another scope."""
        return ("mark", "next_check", *(("provider", "kind", "key") if obj else ()))

    def has_delete_permission(self, request: HttpRequest, obj: Scope | None = None) -> bool:
        """Only what was never fetched can be deleted: pages are the evidence for removals. Switch it off instead."""
        return super().has_delete_permission(request, obj) and obj is not None and not obj.known_pages.exists()

    def find(self, rows: QuerySet[Scope], term: str) -> QuerySet[Scope]:
        """Return the scopes with this key, by the index that begins with provider and kind."""
        providers = list(Provider.objects.values_list("pk", flat=True))
        return rows.filter(provider__in=providers, kind__in=Scope.Kind.values, key=term)

    @admin.display(description="scope")
    def described(self, scope: Scope) -> str:
        """Show kind and key."""
        return str(scope)

    @admin.display(description="followed since")
    def since(self, scope: Scope) -> str:
        """Show when it was added."""
        return moment(scope.created_at)

    @admin.display(description="next check")
    def next_check(self, scope: Scope) -> str:
        """Show from when on an incremental run asks for it again."""
        if scope.pk is None:
            return NOTHING
        try:
            check = checks.of_scope(scope)
        except MusicsyncError as error:
            return str(error)
        if check is None or check.check_at is None:
            return "by the next incremental run"
        return f"{moment(check.check_at)}, last {moment(check.checked_at)}"

    @admin.display(description="next incremental run goes on at")
    def mark(self, scope: Scope) -> str:
        """Show the watermark."""
        return short(scope.watermark) if scope.watermark else NOTHING
