"""A form of the admin that is refused says at its top which fields are wrong."""

import json
import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from musicsync.admin.show import link_address
from tests.integration.admin_rows import HOSTILE, make_provider

EDITED = ("budget", "provider", "scope", "user", "group", "crontabschedule", "intervalschedule", "periodictask")
MODELS = [model for model in admin.site._registry if model._meta.model_name in EDITED]


@pytest.fixture
def operator(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("operator"))
    return client


def mistakes(page: str) -> dict[str, str]:
    """Return by the id of a field what the top of the form says of it; each leads to a field of the page."""
    top = page.partition('<ul id="mistakes"')[2].partition("</ul>")[0]
    said = dict(re.findall(r'<a [^>]*href="#([^"]+)">[^<]+</a>: ([^<]+)</li>', top))
    for field in said:
        assert f' id="{field}"' in page
    return said


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.model_name)
def test_every_form_that_is_refused_links_to_what_is_wrong(operator: Client, model: type[Model]) -> None:
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
    assert mistakes(operator.get(address).content.decode()) == {}
    answer = operator.post(address, {})
    errors = answer.context["adminform"].form.errors
    assert errors
    assert mistakes(answer.content.decode()).keys() == {f"id_{name}" for name in errors if name != "__all__"}


def test_the_options_of_a_feed_are_said_at_the_top(operator: Client) -> None:
    shop = make_provider(adapter="json-feed")
    sent = {"base_url": shop.base_url, "budget": shop.budget.pk, "allow_private": "on", "trust": "x"}
    sent |= {"removal_limit": 0.1, "check_after_least": 1, "check_after_most": 60}
    page = operator.post(link_address(shop), sent | {"options": json.dumps({"path": "x", "items": HOSTILE})})
    said = mistakes(page.content.decode())
    assert said.keys() == {"id_trust", "id_options"}
    assert "track: is missing." in said["id_options"]
    assert HOSTILE not in page.content.decode()
