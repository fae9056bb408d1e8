"""The country whose catalogue a provider is read in, for adapters that take it as their only option."""

import re
from collections.abc import Mapping
from typing import Any

from musicsync.providers.base import BadOptions

_CODE = re.compile(r"[A-Za-z]{2}", re.ASCII)


def chosen(options: Mapping[str, Any], default: str) -> str:
    """Return the country that ``{"country": "GB"}`` names in capitals (ISO 3166-1 alpha-2), else the default.

    Raises:
        BadOptions: the options name none, or anything else.
    """
    mistakes = [f"{name}: there is no such option; there is country." for name in options if name != "country"]
    country = options.get("country", default)
    if not isinstance(country, str) or not _CODE.fullmatch(country):
        mistakes.append('country: is no code of two letters, such as "GB".')
    if mistakes:
        raise BadOptions(mistakes)
    return str(country).upper()
