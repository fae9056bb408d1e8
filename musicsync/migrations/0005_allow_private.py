"""Let providers that are in a private network already stay there: from here on that takes leave.

Only what the base URL itself shows can be told. A name that resolves to a private address takes
``manage.py provider set SLUG --allow-private`` once.
"""

import ipaddress
from urllib.parse import urlsplit

from django.db import migrations


def is_private(base_url):
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def allow(apps, schema_editor):
    providers = apps.get_model("musicsync", "Provider").objects
    private = [key for key, base_url in providers.values_list("pk", "base_url") if is_private(base_url)]
    providers.filter(pk__in=private).update(allow_private=True)


class Migration(migrations.Migration):
    dependencies = [("musicsync", "0004_watch")]

    operations = [migrations.RunPython(allow, migrations.RunPython.noop)]
