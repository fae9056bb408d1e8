"""The Django application."""

from django.apps import AppConfig


class MusicsyncConfig(AppConfig):
    """The catalogue, its sources and the engine that keeps them in step."""

    name = "musicsync"
    verbose_name = "Music catalogue"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the failure hooks, the heartbeat of workers and the seeding of schedules."""
        # Receivers connect on import, which needs the models.
        from musicsync import heartbeat, schedule, signals  # noqa: F401, PLC0415
