"""When pages are asked again, and what is known of how they change."""

from django.db import models

from musicsync.models.sources import Provider, Scope


class PageCheck(models.Model):
    """When a page with a time of its own is asked again, and what was seen of its changes (``sync/checks.py``).

    ``changes`` in ``days`` is what its checks said, as ``freshness.Gamma`` takes it. The key is that of the known page,
    which is not there yet where nobody has answered: ``check_at`` is empty then, and every incremental run asks.
    """

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="checks", db_index=False)
    scope = models.ForeignKey(Scope, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    key = models.TextField(help_text="The request: path and sorted query.")
    request = models.JSONField()
    check_at = models.DateTimeField(null=True, help_text="When it is due; empty: it was never answered.")
    checked_at = models.DateTimeField(null=True)
    changes = models.FloatField(default=0.0)
    days = models.FloatField(default=0.0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "key"], name="page_check_unique")]
        indexes = [models.Index(fields=["provider", "check_at"], name="page_check_due")]

    def __str__(self) -> str:
        return self.key


class Tuning(models.Model):
    """What a sample of a provider's pages says of all: how often they change, and what a check must be worth.

    ``price`` is in days of truth, ``changes`` in ``days`` the prior (``freshness.Gamma``).
    """

    provider = models.OneToOneField(Provider, primary_key=True, on_delete=models.CASCADE, related_name="tuning")
    price = models.FloatField()
    changes = models.FloatField()
    days = models.FloatField()
    tuned_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return str(self.provider)
