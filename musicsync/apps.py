"""The Django application."""

from django.apps import AppConfig


class MusicsyncConfig(AppConfig):
    """The catalogue, its sources and the engine that keeps them in step."""

    name = "musicsync"
    verbose_name = "Music catalogue"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the failure hooks and the seeding of schedules."""
        from musicsync import schedule, signals  # noqa: F401, PLC0415 - receivers connect on import, once apps are ready
