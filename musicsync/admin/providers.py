"""Providers: set up, looked at and synced."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanWidget

from musicsync import credentials, schedule
from musicsync.admin import operations
from musicsync.admin.base import PanelAdmin, once
from musicsync.admin.dialogs import button
from musicsync.admin.health import circuit_line, open_circuits
from musicsync.admin.plain import PlainForm
from musicsync.admin.scopes import FollowForm
from musicsync.admin.show import (
    NOTHING,
    RUN_COLOURS,
    Table,
    external,
    link,
    list_link,
    moment,
    preformatted,
    short,
    status_badge,
)
from musicsync.models import Budget, Circuit, Fetch, Provider, Run, Scope
from musicsync.providers import file_feed, json_feed, registry
from musicsync.providers.base import MOST_NESTED, BadOptions, check_options
from musicsync.queries import due_checks
from musicsync.records import MusicsyncError
from musicsync.redaction import Secret
from musicsync.sync import checks, drift
from musicsync.sync.asking import check_ready

_LATEST_RUNS = 10
OPTIONS_HELP = format_html(
    "For adapters that take options. itunes and tidal take the country whose catalogue is read, as {}. json-feed takes "
    "how the feed is asked and paged, and a JMESPath (jmespath.org) for each field; file-feed takes which files are "
    "read, and the name of a column for each field: docs/generic-feeds.md explains each. Save, then press Test. An "
    "example for json-feed: {} And one for file-feed: {}",
    '{"country": "GB"}',
    preformatted(json_feed.options.EXAMPLE),
    preformatted(file_feed.options.EXAMPLE),
)


class CredentialField(forms.CharField):
    """A credential, which is taken and never shown."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}), **kwargs)

    def clean(self, value: Any) -> Secret:
        """Take the credential, whose text nothing shows from here on.

        Raises:
            ValidationError: it cannot be stored.
        """
        given = Secret(super().clean(Secret(value or "")))
        if given:
            try:
                credentials.check(given)
            except MusicsyncError as error:
                raise forms.ValidationError(str(error)) from error
        return given


class IndentedJson(DjangoJSONEncoder):
    """JSON as people write it: a name and value a line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"indent": 2, "ensure_ascii": False})


class OptionsJson(json.JSONDecoder):
    """JSON that can be stored and shown: what cannot is refused before anything is made of it."""

    def decode(self, text: str, *args: Any) -> Any:
        """Return the options.

        Raises:
            JSONDecodeError: they are none, for whatever reason.
        """
        try:
            options = super().decode(text, *args)
            check_options(options)
        except (ValueError, RecursionError, BadOptions) as error:
            raise json.JSONDecodeError(str(error), "", 0) from error
        return options


class ProviderForm(PlainForm):
    """A provider; address and budget may be left out, and are the adapter's own then."""

    new_credential = CredentialField(
        required=False, help_text="Stored encrypted, for this name and the hosts of the URLs alone. Empty: as it is."
    )
    forget_credential = forms.BooleanField(
        required=False, widget=UnfoldBooleanWidget(), help_text="Store none any more."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        adapters = registry.ADAPTERS.values()
        own = (f"{adapter.base_url} ({adapter.label})" for adapter in adapters if adapter.base_url)
        left_out = {
            "base_url": f"Empty: the adapter's own, {', '.join(own)}. Files of a folder: file:///srv/feeds/name.",
            "budget": "Empty: one of its own, with the adapter's rate and burst.",
        }
        if "base_url" in self.fields:
            self.fields["base_url"].label = "Base URL"
        if "token_url" in self.fields:
            self.fields["token_url"].label = "Token URL"
        if isinstance(options := self.fields.get("options"), forms.JSONField):
            options.encoder, options.decoder = IndentedJson, OptionsJson
            options.error_messages["invalid"] = (
                f"Enter a JSON object of names and values: nested {MOST_NESTED} levels at most, without NUL, halves of "
                "surrogate pairs, NaN and infinite numbers."
            )
        for name in left_out.keys() & self.fields.keys():
            self.fields[name].required = False
            self.fields[name].help_text = left_out[name]

    def clean(self) -> dict[str, Any]:
        """Fill in the adapter's address where none is given."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        adapter = given.get("adapter") or self.instance.adapter
        if adapter and not given.get("base_url") and "base_url" not in self.errors:
            given["base_url"] = registry.get(adapter).base_url
            if not given["base_url"]:
                self.add_error("base_url", f"{registry.get(adapter).label} has no address of its own: give one.")
        return given


@admin.register(Provider)
class ProviderAdmin(PanelAdmin):
    """Providers: set up, looked at and synced here."""

    form = ProviderForm
    list_display = ("slug", "adapter", "address", "enabled", "trust", "budget", "credential", "last_run")
    list_filter = ("enabled", "adapter")
    search_fields = ("slug",)
    ordering = ("trust", "slug")
    sortable_by = ()
    autocomplete_fields = ("budget",)
    actions = ("sync_incremental", "sync_full")
    actions_detail = (
        "test_now",
        "sync_incremental_now",
        "sync_full_now",
        "follow_many",
        "close_circuit",
        "accept_drift",
    )
    list_fullwidth = True
    fieldsets = (
        (None, {"fields": (("slug", "adapter"), "base_url", "token_url", "budget", "enabled")}),
        ("Trust", {"fields": (("trust", "removal_limit"),)}),
        ("Network", {"fields": ("allow_private", "allowed_hosts")}),
        ("Next checks", {"fields": (("check_after_least", "check_after_most", "checks_per_run"),)}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Provider | None = None) -> Any:
        """Show beside the fields of a provider that exists what it still needs."""
        fields = super().get_fieldsets(request, obj)
        adapter = registry.ADAPTERS.get(obj.adapter) if obj else None
        if obj is None or (adapter and adapter.takes_options):
            fields = (*fields, ("Options", {"fields": ("options",), "description": OPTIONS_HELP}))
        if self.has_change_permission(request, obj):
            kept = ("new_credential", "forget_credential") if obj and obj.sealed_credential else ("new_credential",)
            fields = (*fields, ("Credential", {"fields": (kept,)}))
        return (
            fields
            if obj is None
            else (*fields, ("Set-up", {"fields": (("credential", "readiness"), "circuit_now", "due_now", "see")}))
        )

    def get_readonly_fields(self, _request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        """Name and dialect stay: provenance, schedules and the credential's setting rest on them."""
        return ("credential", "readiness", "circuit_now", "due_now", "see", *(("slug", "adapter") if obj else ()))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        """Return providers, each with its latest run; lookups of one thing are none of the provider."""
        latest = Run.objects.filter(provider=OuterRef("pk")).exclude(mode=Run.Mode.LOOKUP).order_by("-pk")
        providers: QuerySet[Provider] = super().get_queryset(request).select_related("budget")
        return providers.annotate(
            latest_run=Subquery(latest.values("pk")[:1]), latest_status=Subquery(latest.values("status")[:1])
        )

    def save_model(self, request: HttpRequest, obj: Provider, form: Any, change: bool) -> None:
        """Save the provider, with a budget of its own where none is chosen."""
        if obj.budget_id is None:
            adapter = registry.get(obj.adapter)
            obj.budget, created = Budget.objects.get_or_create(
                name=obj.slug,
                defaults={"rate": adapter.rate, "burst": adapter.burst, "per_month": adapter.per_month},
            )
            messages.info(request, f"Budget {obj.budget} {'was made' if created else 'existed and is used'}.")
        super().save_model(request, obj, form, change)
        checks.forget_if_edited(obj, form.initial.get("options", obj.options))
        if given := form.cleaned_data.get("new_credential"):
            credentials.store(obj, given)
        elif form.cleaned_data.get("forget_credential"):
            credentials.forget(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Provider | None = None) -> bool:
        """Only what never ran can be deleted: the catalogue rests on the rest. Disable it instead."""
        return super().has_delete_permission(request, obj) and obj is not None and not obj.runs.exists()

    def has_follow_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        """Tell whether the user may add scopes."""
        return request.user.has_perm("musicsync.add_scope")

    @admin.action(description="Sync now (incremental)", permissions=["change"])
    def sync_incremental(self, request: HttpRequest, chosen: QuerySet[Provider]) -> None:
        """Start an incremental run of each chosen provider."""
        operations.sync(request, chosen, "incremental")

    @admin.action(description="Sync now (full)", permissions=["change"])
    def sync_full(self, request: HttpRequest, chosen: QuerySet[Provider]) -> None:
        """Start a full run of each chosen provider."""
        operations.sync(request, chosen, "full")

    @button(
        "Test",
        "Sends one request and shows the first of what comes back. Nothing is written to the catalogue.",
        permission="change",
        icon="network_check",
    )
    def test_now(self, request: HttpRequest, provider: Provider) -> None:
        """Ask this provider once, and show what it says."""
        operations.test(request, provider)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the provider, with what a test of it just brought."""
        shown = {**(extra_context or {}), "panels": operations.tested(request, object_id)}
        return super().change_view(request, object_id, form_url, shown)

    @button(
        "Sync now (incremental)",
        "Starts a run that asks for what is new, and again for what is due.",
        permission="change",
        icon="sync",
    )
    def sync_incremental_now(self, request: HttpRequest, provider: Provider) -> None:
        """Start an incremental run of this provider."""
        operations.sync(request, [provider], "incremental")

    @button(
        "Sync now (full)",
        "Starts a run that asks for everything, and removes what is absent.",
        permission="change",
        icon="sync_alt",
    )
    def sync_full_now(self, request: HttpRequest, provider: Provider) -> None:
        """Start a full run of this provider."""
        operations.sync(request, [provider], "full")

    @button(
        "Follow many",
        "Good lines are followed by every run from now on, whatever is wrong with others.",
        permission="follow",
        icon="playlist_add",
        form_class=FollowForm,
    )
    def follow_many(self, request: HttpRequest, provider: Provider, kind: str, keys: str) -> None:
        """Follow the scopes of a list that somebody pasted."""
        operations.follow(request, provider, kind, keys)

    @button(
        "Close circuit",
        "The provider is asked again at once, whether it has recovered or not.",
        permission="change",
        icon="power",
    )
    def close_circuit(self, request: HttpRequest, provider: Provider) -> None:
        """Let this provider be asked again."""
        operations.close_circuit(request, provider)

    @button(
        "Accept its answers",
        "Pages are held because they look different from those before. What those held is forgotten, and answers are "
        "taken as they are now.",
        permission="change",
        icon="fact_check",
        variant=ActionVariant.WARNING,
    )
    def accept_drift(self, request: HttpRequest, provider: Provider) -> None:
        """Take this provider's answers as they are now."""
        operations.accept_drift(request, provider)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Return the buttons that make sense for the provider as it stands."""
        known = str(object_id).isdecimal()
        dead = Fetch.objects.filter(run__provider=object_id if known else None, status=Fetch.Status.DEAD)
        offered = {
            "close_circuit": known and open_circuits().filter(provider=object_id).exists(),
            "accept_drift": known and dead.filter(error__contains=drift.HELD).exists(),
        }
        hidden = {self.get_unfold_action(name).action_name for name, sensible in offered.items() if not sensible}
        return [found for found in super().get_actions_detail(request, object_id) if found.action_name not in hidden]

    @admin.display(description="circuit")
    @once
    def circuit_now(self, provider: Provider) -> SafeString | str:
        """Show whether it is asked, or since when and why it is not."""
        return circuit_line(Circuit.objects.filter(provider=provider).first())

    @admin.display(description="due")
    @once
    def due_now(self, provider: Provider) -> str:
        """Show how many known pages are due to be asked again, and how many of them one run may ask."""
        due = due_checks(provider)
        since = f", the first since {moment(due.since)}" if due.since else ""
        return f"{due}{since}; an incremental run asks {provider.most_checks:,} at most"

    @admin.display(description="base URL")
    def address(self, provider: Provider) -> SafeString | str:
        """Link to the provider where the address is http(s)."""
        return external(provider.base_url)

    @admin.display(description="credential")
    def credential(self, provider: Provider) -> str:
        """Show whether the credential is set and where, never the credential."""
        adapter = registry.ADAPTERS.get(provider.adapter)
        if adapter is None or adapter.credential == "none":
            return "not needed"
        said = {
            "environment": f"from the environment: {provider.credential_setting} is set",
            "stored": "set: stored encrypted",
            "none": f"not set: neither stored, nor {provider.credential_setting}",
        }
        return f"{said[credentials.source(provider)]} ({adapter.credential})"

    @admin.display(description="ready")
    @once
    def readiness(self, provider: Provider) -> str:
        """Show what is missing before it can be asked."""
        try:
            check_ready(provider, registry.adapter_of(provider))
        except MusicsyncError as error:
            return str(error)
        return "yes" if provider.scopes.filter(active=True).exists() else "it follows nothing: add a scope"

    @admin.display(description="last run")
    def last_run(self, provider: Any) -> SafeString | str:
        """Link to the latest run, with its status."""
        if provider.latest_run is None:
            return NOTHING
        latest = Run(pk=provider.latest_run, status=provider.latest_status)
        return format_html("{} {}", status_badge(latest, RUN_COLOURS), link(latest, f"run {latest.pk}"))

    @admin.display(description="see")
    def see(self, provider: Provider) -> SafeString:
        """Link to what belongs to the provider."""
        return format_html(
            "{} · {}",
            list_link(Scope, "scopes", provider__id__exact=provider.pk),
            list_link(Run, "runs", provider__id__exact=provider.pk),
        )

    def panels(self, provider: Provider) -> list[Table]:
        """Show its schedules and latest runs."""
        return [_schedule_table(provider), _run_table(provider)]


def _schedule_table(provider: Provider) -> Table:
    tasks = schedule.schedules_of(provider).select_related("crontab", "interval", "solar", "clocked").order_by("name")
    return Table(
        "Schedules",
        ("Schedule", "When", "On", "Last sent"),
        [
            (link(task, task.name), str(task.scheduler), "yes" if task.enabled else "no", moment(task.last_run_at))
            for task in tasks
        ],
    )


def _run_table(provider: Provider) -> Table:
    return Table(
        "Latest runs",
        ("Run", "Status", "Mode", "Trigger", "Started", "Error"),
        [
            (
                link(run, run.pk),
                status_badge(run, RUN_COLOURS),
                run.mode,
                run.trigger,
                moment(run.started_at),
                short(run.error),
            )
            for run in provider.runs.order_by("-pk")[:_LATEST_RUNS]
        ],
        list_link(Run, "all its runs", provider__id__exact=provider.pk),
    )
