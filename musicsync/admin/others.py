"""Pages of other applications, in the look of the rest: schedules, users and groups.

Those applications come without types.
"""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as PlainGroupAdmin
from django.contrib.auth.admin import UserAdmin as PlainUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat import admin as beat
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from musicsync import schedule
from musicsync.admin.plain import PlainAdmin

for model in (User, Group, PeriodicTask, CrontabSchedule, IntervalSchedule, ClockedSchedule, SolarSchedule):
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(PlainUserAdmin, PlainAdmin):  # type: ignore[type-arg]
    """Who may log in."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(PlainGroupAdmin, PlainAdmin):
    """Permissions of several users."""


class _TaskSelectWidget(beat.TaskSelectWidget, UnfoldAdminSelectWidget):  # type: ignore[misc]
    """The tasks to choose from, in the look of the rest."""


class _PeriodicTaskForm(beat.PeriodicTaskForm):  # type: ignore[misc]
    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = _TaskSelectWidget()


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(beat.PeriodicTaskAdmin, PlainAdmin):  # type: ignore[misc]
    """When runs start."""

    form = _PeriodicTaskForm

    @admin.action(description="Enable selected tasks")
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Switch the schedules on; they owe nothing of the time before."""
        schedule.count_from_now(queryset.filter(enabled=False))
        super().enable_tasks(request, queryset)

    def _toggle_tasks_activity(self, queryset: QuerySet[PeriodicTask]) -> int:
        schedule.count_from_now(queryset.filter(enabled=False))
        return int(super()._toggle_tasks_activity(queryset))


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(beat.CrontabScheduleAdmin, PlainAdmin):  # type: ignore[misc]
    """Times of the day or week."""


@admin.register(IntervalSchedule, ClockedSchedule, SolarSchedule)
class OtherScheduleAdmin(PlainAdmin):
    """Intervals, single times, and times by the sun."""
