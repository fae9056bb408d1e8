"""The Django admin: look at everything, set up providers, start and stop runs."""

from django.contrib import admin

from musicsync.admin import catalogue, failures, health, others, providers, runs, sources

__all__ = ["catalogue", "failures", "health", "others", "providers", "runs", "sources"]

# Unfold's own template comes first on the path, so ours has another name.
admin.site.index_title = "Overview"
admin.site.index_template = "musicsync/index.html"
