"""The bases of every page: Unfold's look, and for the type checker, which cannot see into it, what they stand for."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.contrib.admin.views.main import ChangeList
    from django.forms import ModelForm
    from django.http import HttpRequest

    class PlainAdmin(ModelAdmin[Any]):
        """The pages of one table."""

        def get_unfold_action(self, action: str) -> Any:
            """Return what is known of a button."""

        def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
            """Return the buttons of a row's page."""

    PlainChangeList = ChangeList
    PlainForm = ModelForm[Any]
else:
    from django.forms import ModelForm as PlainForm
    from unfold.admin import ModelAdmin
    from unfold.views import ChangeList as PlainChangeList

    class PlainAdmin(ModelAdmin):
        """The pages of one table; a form that is refused says at its top which fields are wrong."""

        change_form_before_template = "musicsync/mistakes.html"


__all__ = ["PlainAdmin", "PlainChangeList", "PlainForm"]
