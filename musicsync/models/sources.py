"""What is followed at which provider, and what each provider last said."""

import math
import re
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator
from django.db import models
from django.db.models.functions import Now

from musicsync.models.catalogue import Artist, Recording, Release, Track
from musicsync.providers import addresses, registry
from musicsync.providers.base import LONGEST_SCOPE_KEY, BadOptions
from musicsync.providers.file_feed import folders
from musicsync.records import MusicsyncError

AHEAD_SECONDS = 1.0
MOST_AHEAD = 64
_HOURS_OF_DAY, _HOURS_OF_MONTH = 24, 24 * 30
_HOST = re.compile(r"[a-z0-9._-]+", re.IGNORECASE | re.ASCII)
LEAST_RATE, MOST_RATE, MOST_BURST = 0.0001, 10_000.0, 10_000
"""What can be a budget: from a request in three hours to more than any provider takes."""
SOONEST_CHECK, LATEST_CHECK = 0.05, 3650.0
"""What can be a bound of the time until a page is asked again, in days."""


def window_of(rate: float) -> int:
    """Return how many fetches of a run are kept ready: what the rate takes in a second, and two.

    How slowly the provider answers does not matter to that: what is being worked on is not counted.
    """
    return min(MOST_AHEAD, 2 + math.ceil(rate * AHEAD_SECONDS))


def address(url: str) -> None:
    """Refuse what is the address of neither a web server nor a folder.

    Raises:
        ValidationError: it is not.
    """
    if not folders.is_folder(url):
        URLValidator(schemes=["http", "https"])(url)


def no_password(url: str) -> None:
    """Refuse an address that holds a login: it would be shown wherever the address is.

    Raises:
        ValidationError: it does, or it is none at all; the text does not repeat it.
    """
    if "@" in _read(url).netloc:
        raise ValidationError("An address with a login in it: put the credential into MUSICSYNC_CREDENTIAL_<SLUG>.")


def _read(url: str) -> SplitResult:
    """Return the parts of an address.

    Raises:
        ValidationError: it has none, or a port that cannot be.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValidationError("Not a URL of a host and port that can be.") from error
    return parts


class Budget(models.Model):
    """What one credential may ask of its provider, shared by every worker on every machine.

    ``theoretical_arrival_at`` is the one timestamp of the generic cell rate algorithm (GCRA, ITU-T I.371): the time at
    which the next request would arrive if requests came evenly at ``rate``. Being a row, it survives every restart.
    ``moved_seconds`` is by how much requests that went out late have ever moved it.
    """

    name = models.SlugField(unique=True)
    rate = models.FloatField(
        validators=[MinValueValidator(LEAST_RATE), MaxValueValidator(MOST_RATE)], help_text="Requests per second."
    )
    burst = models.PositiveIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_BURST)],
        help_text="Requests that may be sent at once.",
    )
    per_day = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Requests in a day (UTC), where limited."
    )
    per_month = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Requests in a month (UTC), where limited."
    )
    concurrency = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Requests at the same time, where limited."
    )
    theoretical_arrival_at = models.DateTimeField(db_default=Now(), editable=False)
    moved_seconds = models.FloatField(db_default=0.0, editable=False)
    day = models.DateField(null=True, editable=False, help_text="The day (UTC) that used_in_day counts.")
    used_in_day = models.IntegerField(db_default=0, editable=False)
    month = models.DateField(null=True, editable=False, help_text="First day of the month that used_in_month counts.")
    used_in_month = models.IntegerField(db_default=0, editable=False)
    cooldown_until = models.DateTimeField(
        null=True, blank=True, help_text="No request before this time: the provider asked for a pause."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(rate__range=(LEAST_RATE, MOST_RATE)), name="budget_rate_sound"),
            models.CheckConstraint(condition=models.Q(burst__range=(1, MOST_BURST)), name="budget_burst_sound"),
            models.CheckConstraint(
                condition=models.Q(per_day__gte=1, per_month__gte=1, concurrency__gte=1), name="budget_quota_sound"
            ),
        ]

    def __str__(self) -> str:
        return ", ".join(filter(None, (f"{self.name}: {self.rate:g}/s, burst {self.burst}", self.quotas)))

    @property
    def quotas(self) -> str:
        """Return what it limits besides rate and burst, empty where that is nothing."""
        limits = ((self.per_day, "a day"), (self.per_month, "a month"), (self.concurrency, "at a time"))
        return ", ".join(f"{most:,} {span}" for most, span in limits if most)


class Provider(models.Model):
    """A configured source: adapter, address, budget and trust."""

    slug = models.SlugField(unique=True, help_text="Its name on the command line and in provenance.")
    adapter = models.CharField(max_length=40, choices=registry.choices, help_text="The dialect it speaks.")
    base_url = models.CharField(max_length=300, validators=[address, no_password])
    enabled = models.BooleanField(default=True, help_text="Whether schedules start runs.")
    trust = models.PositiveSmallIntegerField(
        default=100, help_text="Rank: where providers differ, the value of the lowest number is shown."
    )
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="providers")
    removal_limit = models.FloatField(
        default=0.1,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="A run that would remove more than this share of the provider's tracks stops and asks.",
    )
    allowed_hosts = ArrayField(
        models.CharField(max_length=253),
        default=list,
        blank=True,
        help_text="Other hosts that its answers may lead to; the credential is sent to the base URL's host alone.",
    )
    allow_private = models.BooleanField(
        default=False, help_text="Whether it may be on this machine or in a private network."
    )
    token_url = models.CharField(
        max_length=300,
        default="",
        db_default="",
        blank=True,
        validators=[URLValidator(schemes=["http", "https"]), no_password],
        help_text="Where the credential is exchanged for a token, for adapters that do that; empty: the adapter's own.",
    )
    options = models.JSONField(
        default=dict, blank=True, help_text="What the adapter is told besides, where it takes options."
    )
    check_after_least = models.FloatField(
        default=1.0,
        db_default=1.0,
        validators=[MinValueValidator(SOONEST_CHECK), MaxValueValidator(LATEST_CHECK)],
        help_text="Days after which an incremental run asks again for what changes most, at the soonest.",
    )
    check_after_most = models.FloatField(
        default=60.0,
        db_default=60.0,
        validators=[MinValueValidator(SOONEST_CHECK), MaxValueValidator(LATEST_CHECK)],
        help_text="Days after which it asks again for what never changed, at the latest.",
    )
    checks_per_run = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Known pages that an incremental run asks again at most; empty: what the budget takes in an hour.",
    )
    # Fernet text; see musicsync/credentials.py.
    sealed_credential = models.TextField(default="", blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        """Say early what a request would end in.

        Raises:
            ValidationError: an address is by its name not public, or a folder, without leave; a token URL is given to
                an adapter that asks for no tokens; the adapter does not take the options; pages are to be asked again
                later at the soonest than at the latest; an allowed host is none; or a new provider has the credential's
                setting of another, whose credential it would send to its own host.
        """
        self._check_addresses()
        if self.token_url and self.adapter in registry.ADAPTERS and not registry.get(self.adapter).token_url:
            raise ValidationError({"token_url": f"{self.adapter} sends the credential itself: leave this empty."})
        if self.adapter in registry.ADAPTERS:
            self._check_options()
        if self.check_after_least > self.check_after_most:
            later = (
                f"{self.check_after_least:g} days at the soonest, {self.check_after_most:g} at the latest: swap them."
            )
            raise ValidationError({"check_after_least": later})
        for host in self.allowed_hosts:
            if not _HOST.fullmatch(host):
                raise ValidationError({"allowed_hosts": f"{host!r} is no name of a host: no scheme, port or path."})
        if self._state.adding:
            self._check_setting()

    def _check_addresses(self) -> None:
        for name in ("base_url", "token_url"):
            try:
                addresses.check_name(_read(getattr(self, name)).hostname or "", allow_private=self.allow_private)
            except addresses.PrivateAddress as error:
                raise ValidationError({name: str(error)}) from error
            except ValidationError as error:
                raise ValidationError({name: error.messages}) from error
        if folders.is_folder(self.base_url):
            self._check_folder()

    def _check_folder(self) -> None:
        if self.adapter in registry.ADAPTERS and not registry.get(self.adapter).takes_folders:
            raise ValidationError({"base_url": f"{self.adapter} asks a web server: give its address."})
        try:
            folders.check(self.base_url, settings.MUSICSYNC_FEED_FOLDERS)
        except MusicsyncError as error:
            raise ValidationError({"base_url": str(error)}) from error

    def _check_options(self) -> None:
        try:
            registry.adapter_of(self)
        except BadOptions as error:
            raise ValidationError({"options": error.mistakes}) from error

    def _check_setting(self) -> None:
        for other in Provider.objects.exclude(slug=self.slug):
            if other.credential_setting == self.credential_setting:
                taken = f"{self.credential_setting} is the setting of {other} already: choose another name."
                raise ValidationError({"slug": taken})

    @property
    def credential_setting(self) -> str:
        """Return the name of the environment variable that holds the credential."""
        return f"MUSICSYNC_CREDENTIAL_{self.slug.upper().replace('-', '_')}"

    @property
    def token_address(self) -> str:
        """Return where a token is asked for, empty where the adapter asks for none."""
        return self.token_url or registry.get(self.adapter).token_url

    @property
    def window(self) -> int:
        """Return how many fetches of a run are kept ready."""
        return window_of(self.budget.rate)

    @property
    def most_checks(self) -> int:
        """Return how many known pages an incremental run may ask again: unless set, an hour of the budget."""
        if self.checks_per_run is not None:
            return self.checks_per_run
        quotas = ((self.budget.per_day, _HOURS_OF_DAY), (self.budget.per_month, _HOURS_OF_MONTH))
        hourly = (self.budget.rate * 3600, *(most / hours for most, hours in quotas if most))
        return max(1, int(min(hourly)))


class Token(models.Model):
    """The token that a provider's credential was exchanged for, shared by every worker; see ``sync/tokens.py``.

    ``sealed`` is a Fernet text; from ``renew_at`` on another is asked for.
    """

    provider = models.OneToOneField(Provider, primary_key=True, on_delete=models.CASCADE, related_name="token")
    sealed = models.TextField(db_default="")
    renew_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.provider)


class Circuit(models.Model):
    """Whether a provider is being asked at all, shared by every worker: opened by failures in a row, closed by a probe.

    No row, or ``opened_at`` empty: closed. Open: nothing is asked but a probe from ``probe_at`` on. ``closed_at``: when
    it was closed last.
    """

    provider = models.OneToOneField(Provider, primary_key=True, on_delete=models.CASCADE, related_name="circuit")
    failures = models.IntegerField(db_default=0, help_text="Failed requests in a row.")
    opened_at = models.DateTimeField(null=True, blank=True)
    probe_at = models.DateTimeField(null=True, blank=True)
    probes = models.IntegerField(db_default=0, help_text="Probes that failed since it opened.")
    reason = models.TextField(db_default="", blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.provider}: {'open' if self.opened_at else 'closed'}"


class Profile(models.Model):
    """What answers of one form held in the past: the evidence of the drift guard (``sync/drift.py``).

    ``shape`` is the form of the request ("artist/*/albums?limit"), ``statistics`` what its answers held.
    """

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="profiles", db_index=False)
    shape = models.TextField()
    statistics = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "shape"], name="profile_unique")]

    def __str__(self) -> str:
        return f"{self.provider}: {self.shape}"


class Scope(models.Model):
    """What of a provider is followed."""

    class Kind(models.TextChoices):
        FEED = "feed", "feed"
        ARTIST = "artist", "artist"
        LABEL = "label", "label"
        RELEASE = "release", "release"
        RECORDING = "recording", "recording"

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="scopes", db_index=False)
    kind = models.CharField(max_length=9, choices=Kind)
    key = models.CharField(
        max_length=LONGEST_SCOPE_KEY,
        blank=True,
        help_text="The provider's id; a UPC/EAN for a release, an ISRC for a recording.",
    )
    active = models.BooleanField(default=True, help_text="Followed by every run; otherwise only when asked for.")
    watermark = models.TextField(
        null=True, blank=True, editable=False, help_text="Where the next incremental run goes on."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "kind", "key"], name="scope_unique")]

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}" if self.key else self.kind


class KnownPage(models.Model):
    """What a provider's page held when it was last read.

    It serves twice. An unchanged page costs a 304 and nothing else by its validator (``etag``), or its download and
    nothing else by the ``digest`` of the answer. And the pages of a provider, taken together, are the evidence for
    removals: a source row that no page mentions any more is gone.
    """

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="known_pages", db_index=False)
    scope = models.ForeignKey(Scope, on_delete=models.CASCADE, related_name="known_pages")
    key = models.TextField()
    etag = models.TextField(null=True)
    digest = models.CharField(max_length=32, null=True, help_text="Of the answer that it was read from.")
    parser_version = models.IntegerField()
    artists = ArrayField(models.BigIntegerField(), default=list, help_text="Ids of the source rows it mentions.")
    releases = ArrayField(models.BigIntegerField(), default=list)
    tracks = ArrayField(models.BigIntegerField(), default=list)
    rejected = models.IntegerField(default=0)
    total = models.IntegerField(null=True, help_text="Items of the list that it is a page of, by its answer.")
    follow_ups = models.JSONField(default=list)
    watermark = models.TextField(null=True)
    missing_since_run = models.ForeignKey(
        "musicsync.Run",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The run that was first told that this page does not exist any more.",
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "key"], name="known_page_unique")]

    def __str__(self) -> str:
        return self.key


class Source(models.Model):
    """The last record that a provider gave of one thing. ``fields`` has the names and units of the record classes."""

    class State(models.TextChoices):
        PRESENT = "present", "present"
        MISSING = "missing", "missing: one answer said so, the next run confirms or corrects it"
        GONE = "gone", "gone"
        MERGED = "merged", "merged into another id"

    # The unique constraint begins with the provider, and nobody asks for the rows of a run: no index of their own.
    provider = models.ForeignKey(
        Provider, on_delete=models.CASCADE, related_name="%(class)ss", db_constraint=False, db_index=False
    )
    external_id = models.TextField()
    fields = models.JSONField()
    fingerprint = models.BinaryField(max_length=16)
    flags = ArrayField(models.TextField(), default=list, help_text="What is wrong with it: invalid_isrc, invalid_gtin.")
    state = models.CharField(max_length=7, choices=State, db_default=State.PRESENT)
    merged_into = models.TextField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)
    changed_run = models.ForeignKey(
        "musicsync.Run", null=True, on_delete=models.SET_NULL, related_name="+", db_constraint=False, db_index=False
    )

    class Meta:
        abstract = True
        # An import has no such rows, so that it costs none anything.
        indexes = [
            models.Index(fields=["state", "id"], name="%(class)s_not_present", condition=~models.Q(state="present"))
        ]

    def __str__(self) -> str:
        return f"{self.provider_id}:{self.external_id}"


class SourceArtist(Source):
    """An artist as one provider describes it."""

    artist = models.ForeignKey(Artist, on_delete=models.CASCADE, related_name="sources", db_constraint=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "external_id"], name="source_artist_unique")]
        indexes = Source.Meta.indexes


class SourceRelease(Source):
    """A release as one provider describes it."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="sources", db_constraint=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "external_id"], name="source_release_unique")]
        indexes = Source.Meta.indexes


class SourceTrack(Source):
    """A track, or a recording by itself, as one provider describes it."""

    release_key = models.TextField(null=True, help_text="The provider's id of the release it stands on.")
    recording_key = models.TextField(null=True, help_text="The provider's id of the recording, where it has one.")
    recording = models.ForeignKey(Recording, on_delete=models.CASCADE, related_name="sources", db_constraint=False)
    track = models.ForeignKey(Track, null=True, on_delete=models.CASCADE, related_name="sources", db_constraint=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "external_id"], name="source_track_unique")]
        indexes = [
            *Source.Meta.indexes,
            models.Index(
                fields=["provider", "release_key"],
                name="source_track_release",
                condition=models.Q(release_key__isnull=False),
            ),
            models.Index(
                fields=["provider", "recording_key"],
                name="source_track_recording",
                condition=models.Q(recording_key__isnull=False),
            ),
        ]
