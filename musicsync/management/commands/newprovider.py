"""``manage.py newprovider NAME``: a new adapter's files, with a contract test that fails until they are filled in."""

import re
from argparse import ArgumentParser
from collections.abc import Mapping
from keyword import iskeyword
from pathlib import Path
from string import Template
from typing import Any

from django.conf import settings

from musicsync.management.base import MusicsyncCommand
from musicsync.records import MusicsyncError

_TEMPLATES = Path(__file__).parent.parent / "newprovider"
_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_REGISTRY = "musicsync/providers/registry.py"
_CONTRACT = "tests/contract/test_contract.py"
_SERVER = "sandbox/server.py"
_IMPORT_OF_ADAPTERS = re.compile(r"(?:from musicsync\.providers\.\w+ import .+\n)+")
_IMPORT_OF_SPECS = re.compile(r"from tests\.contract import (\([^)]*\)|.+)\n")
_NEXT = """\
next, in this order (docs/adding-a-provider.md has the checklist):
  1. {adapter}: write the facts into the docstring, then base_url, rate, scopes, forms and parse
  2. {contract}: fill in what this names, with small bodies of your own:
       python -m pytest tests/contract -k {name}
  3. over recorded answers, where you have some:
       python -m pytest tests/contract -k {name} --recordings DIR
  4. {sandbox}: give it the same forms and errors; put it among the dialects of {server}, and its scopes
       into `scopes` of sandbox/control.py
  5. once against the real API:
       python manage.py provider add {name} --adapter {name}
       python manage.py provider test {name}"""


class Command(MusicsyncCommand):
    """Lay down the files of a new adapter, in a checkout of the source."""

    help = "Lay down the files of a new provider's adapter: module, contract test and sandbox dialect."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the name."""
        parser.add_argument("name", metavar="NAME", help="of the module and the adapter, in lower case: qobuz")
        parser.add_argument("--label", help="how people write it (default: NAME, capitalised)")

    def act(self, options: Mapping[str, Any]) -> None:
        """Write the files and the lines that name them, or nothing."""
        root, name = Path(settings.BASE_DIR), options["name"]
        class_name = "".join(part.capitalize() for part in name.split("_"))
        label = options["label"] or name.replace("_", " ").capitalize()
        _check_checkout(root)
        _check_name(root, name, class_name)
        if not re.fullmatch(r"[^\W_][^\"\\\x00-\x1f]{0,39}", label):
            raise MusicsyncError(f"--label {label!r} must be a name of at most 40 characters, without quotes")
        words = {"name": name, "class_name": class_name, "label": label, "host": name.replace("_", "-")}
        laid = {
            target: Template((_TEMPLATES / f"{kind}.py-tpl").read_text(encoding="utf-8")).substitute(words)
            for kind, target in _targets(name).items()
        }
        edited = {
            _REGISTRY: _registered((root / _REGISTRY).read_text(encoding="utf-8"), name, class_name),
            _CONTRACT: _held_to((root / _CONTRACT).read_text(encoding="utf-8"), name),
        }
        for path, text in (laid | edited).items():
            (root / path).write_text(text, encoding="utf-8")
            self.say(f"{'wrote' if path in laid else 'added it to'} {path}")
        self.say(_NEXT.format(name=name, server=_SERVER, **_targets(name)))


def _targets(name: str) -> dict[str, str]:
    """Return by kind the paths of the files of an adapter."""
    return {
        "adapter": f"musicsync/providers/{name}.py",
        "contract": f"tests/contract/{name}.py",
        "sandbox": f"sandbox/{name}.py",
    }


def _check_checkout(root: Path) -> None:
    missing = next((path for path in (_REGISTRY, _CONTRACT, _SERVER) if not (root / path).is_file()), None)
    if missing:
        raise MusicsyncError(
            f"newprovider writes source files: run it in a checkout of the repository ({root} has no {missing})"
        )


def _check_name(root: Path, name: str, class_name: str) -> None:
    """Refuse a name that is none, or is taken.

    Raises:
        MusicsyncError: the text says where it is taken.
    """
    if not _NAME.fullmatch(name) or iskeyword(name):
        raise MusicsyncError(
            f"{name!r} cannot name a Python module: use lower-case letters, digits and _, with a letter first"
        )
    for path in _targets(name).values():
        found = next((there for there in (root / path, (root / path).with_suffix("")) if there.exists()), None)
        if found:
            raise MusicsyncError(f"{name!r} is taken: {found.relative_to(root)} exists; choose another name")
    for word, user in (
        (name, root / _CONTRACT),
        (class_name, root / _REGISTRY),
        (class_name, _TEMPLATES / "adapter.py-tpl"),
        (class_name, _TEMPLATES / "sandbox.py-tpl"),
    ):
        if re.search(rf"\b{word}\b", user.read_text(encoding="utf-8")):
            raise MusicsyncError(f"{name!r} is taken: {user.name} uses {word} for something else; choose another name")


def _registered(text: str, name: str, class_name: str) -> str:
    """Return the registry with the adapter imported, in the order of the modules, and last in the table."""
    line = f"from musicsync.providers.{name} import {class_name}\n"
    text = _put(text, _IMPORT_OF_ADAPTERS, lambda found: "".join(sorted([*found[0].splitlines(keepends=True), line])))
    return _put(text, re.compile(r"    \)\n}\n"), lambda found: f"        {class_name}(),\n{found[0]}")


def _held_to(text: str, name: str) -> str:
    """Return the contract test with the spec imported, and last in the list."""

    def imported(found: re.Match[str]) -> str:
        names = sorted([*re.findall(r"\w+", found[1]), name])
        return "from tests.contract import (\n" + "".join(f"    {one},\n" for one in names) + ")\n"

    text = _put(text, _IMPORT_OF_SPECS, imported)
    return _put(
        text, re.compile(r"^SPECS = \[\n(?:.+\n)*?(?=\]\n)", re.MULTILINE), lambda f: f"{f[0]}    {name}.SPEC,\n"
    )


def _put(text: str, place: re.Pattern[str], put: Any) -> str:
    changed, times = place.subn(put, text, count=1)
    if not times:
        raise MusicsyncError(f"newprovider finds no place for the adapter: nothing matches {place.pattern!r}")
    return changed
