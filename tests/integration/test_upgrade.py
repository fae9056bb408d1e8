"""What the migrations do to rows of a release before."""

import importlib

import pytest
from django.apps import apps

from musicsync.models import Budget, Provider

STAY = [
    "http://127.0.0.1:8100/deezer",
    "https://localhost",
    "http://10.0.0.7/ws/2",
    "http://[::1]:9",
    "http://[fd00::1]",
]
OTHERS = ["https://api.deezer.com", "http://8.8.8.8", "http://feed.internal"]


@pytest.mark.django_db
def test_a_provider_that_is_in_a_private_network_may_stay_there() -> None:
    for number, url in enumerate((*STAY, *OTHERS)):
        budget = Budget.objects.create(name=f"b{number}", rate=1)
        Provider.objects.create(slug=f"p{number}", adapter="feed", base_url=url, budget=budget)
    importlib.import_module("musicsync.migrations.0005_allow_private").allow(apps, None)
    assert set(Provider.objects.filter(allow_private=True).values_list("base_url", flat=True)) == set(STAY)
