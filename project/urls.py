"""URLs of the project: the admin, and the health check for whatever watches it."""

from django.contrib import admin
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.generic import RedirectView

from project.checks import SurroundingsError, check_broker, check_database


def healthz(_request: HttpRequest) -> JsonResponse:
    """Answer 200 when the database and the broker answer, else 503 with one line for each that does not."""
    problems = []
    for check in (check_database, check_broker):
        try:
            check()
        except SurroundingsError as error:
            problems.append(str(error))
    return JsonResponse({"ok": not problems, "problems": problems}, status=503 if problems else 200)


urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("healthz", healthz),
]
