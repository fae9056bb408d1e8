"""The Django admin: look at everything, set up providers, start and stop runs."""

from django.contrib import admin

from musicsync.admin import budgets, catalogue, failures, health, others, providers, runs, scopes, sources

__all__ = ["budgets", "catalogue", "failures", "health", "others", "providers", "runs", "scopes", "sources"]

# Unfold's own template comes first on the path, so ours has another name.
admin.site.index_title = "Overview"
admin.site.index_template = "musicsync/index.html"
