"""The catalogue: one row for each artist, release, recording and track, whoever described it.

Columns hold the canonical values: for each field that of the most trusted provider that has one (``sync/merging.py``).
``provenance`` says whose value each field shows: ``{"title": "musicbrainz", "label": "deezer"}``.
Rows are never deleted; one that no provider has any more is ``gone``.

A foreign key that is the first column of a unique constraint has no index besides it, and none has a constraint: each
costs every insert (ADR 10).
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models.functions import Length, Lower, Now

models.CharField.register_lookup(Length)


class Entity(models.Model):
    """What all four have in common."""

    class State(models.TextChoices):
        PRESENT = "present", "present"
        GONE = "gone", "gone"

    state = models.CharField(max_length=7, choices=State, db_default=State.PRESENT)
    provenance = models.JSONField(default=dict, help_text="Which provider's value each field shows.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True
        # An import has no such rows, so that it costs none anything.
        indexes = [
            models.Index(fields=["state", "id"], name="%(class)s_not_present", condition=~models.Q(state="present"))
        ]


class Artist(Entity):
    """A person, group or other name that is credited."""

    name = models.TextField()
    sort_name = models.TextField(null=True, blank=True)
    disambiguation = models.TextField(null=True, blank=True)
    type = models.TextField(null=True, blank=True, help_text="person, group, orchestra, ...")
    country = models.TextField(null=True, blank=True, help_text="ISO 3166-1 alpha-2")

    class Meta:
        indexes = [
            *Entity.Meta.indexes,
            models.Index(OpClass(Lower("name"), "text_pattern_ops"), name="artist_name_prefix"),
        ]

    def __str__(self) -> str:
        return self.name


class Release(Entity):
    """A product: album, single, compilation, ... identified across providers by its GTIN (UPC/EAN)."""

    title = models.TextField()
    version = models.TextField(null=True, blank=True)
    gtin = models.CharField(max_length=14, null=True, blank=True, help_text="Valid UPC/EAN as a 14-digit GTIN.")
    type = models.TextField(null=True, blank=True, help_text="album, single, ep, compilation, ...")
    released = models.CharField(max_length=10, null=True, blank=True, help_text="YYYY, YYYY-MM or YYYY-MM-DD")
    released_precision = models.GeneratedField(
        expression=models.Case(
            *(
                models.When(released__length=length, then=models.Value(precision))
                for length, precision in ((4, "year"), (7, "month"), (10, "day"))
            )
        ),
        output_field=models.CharField(max_length=5, null=True),
        db_persist=True,
    )
    label = models.TextField(null=True, blank=True)
    catalog_number = models.TextField(null=True, blank=True)
    explicit = models.BooleanField(null=True, blank=True)
    track_count = models.IntegerField(null=True, blank=True)
    genres = ArrayField(models.TextField(), null=True, blank=True)
    artist_credit = models.TextField(default="", blank=True, help_text="The credit as printed, join phrases included.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["gtin"], name="release_gtin_unique")]
        indexes = [
            *Entity.Meta.indexes,
            models.Index(OpClass(Lower("title"), "text_pattern_ops"), name="release_title_prefix"),
        ]

    def __str__(self) -> str:
        return f"{self.title} – {self.artist_credit}"


class Recording(Entity):
    """A sound, identified across providers by its ISRCs. It stands on any number of releases, as tracks."""

    title = models.TextField()
    version = models.TextField(null=True, blank=True)
    duration_ms = models.BigIntegerField(null=True, blank=True)
    explicit = models.BooleanField(null=True, blank=True)
    artist_credit = models.TextField(default="", blank=True, help_text="The credit as printed, join phrases included.")

    class Meta:
        indexes = [
            *Entity.Meta.indexes,
            models.Index(OpClass(Lower("title"), "text_pattern_ops"), name="recording_title_prefix"),
        ]

    def __str__(self) -> str:
        return f"{self.title} – {self.artist_credit}"


class Isrc(models.Model):
    """A valid ISRC and the recording it names. A recording may have several."""

    code = models.CharField(max_length=12, primary_key=True)
    recording = models.ForeignKey(Recording, on_delete=models.CASCADE, related_name="isrcs", db_constraint=False)

    def __str__(self) -> str:
        return self.code


class Track(Entity):
    """A recording at its place on a release."""

    release = models.ForeignKey(
        Release, on_delete=models.CASCADE, related_name="tracks", db_index=False, db_constraint=False
    )
    disc = models.IntegerField()
    position = models.IntegerField()
    recording = models.ForeignKey(Recording, on_delete=models.CASCADE, related_name="tracks", db_constraint=False)
    title = models.TextField()
    version = models.TextField(null=True, blank=True)
    number = models.TextField(null=True, blank=True, help_text='As printed, such as "A1".')
    duration_ms = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["release", "disc", "position"], name="track_place_unique")]
        indexes = [
            *Entity.Meta.indexes,
            models.Index(OpClass(Lower("title"), "text_pattern_ops"), name="track_title_prefix"),
        ]

    def __str__(self) -> str:
        return f"{self.disc}.{self.position} {self.title}"


class CreditLine(models.Model):
    """One name of a credit, in order. The artist is empty where the provider names no one in particular."""

    position = models.SmallIntegerField()
    name = models.TextField(help_text="As credited.")
    join_phrase = models.TextField(default="", blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.name}{self.join_phrase}"


class ReleaseCredit(CreditLine):
    """A name in a release's credit."""

    release = models.ForeignKey(
        Release, on_delete=models.CASCADE, related_name="credits", db_index=False, db_constraint=False
    )
    artist = models.ForeignKey(
        Artist, on_delete=models.CASCADE, null=True, related_name="release_credits", db_constraint=False
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["release", "position"], name="release_credit_unique")]


class RecordingCredit(CreditLine):
    """A name in a recording's credit."""

    recording = models.ForeignKey(
        Recording, on_delete=models.CASCADE, related_name="credits", db_index=False, db_constraint=False
    )
    artist = models.ForeignKey(
        Artist, on_delete=models.CASCADE, null=True, related_name="recording_credits", db_constraint=False
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["recording", "position"], name="recording_credit_unique")]
