"""Where a JSON feed has the fields of a thing, as its options say."""

from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct, structs

from musicsync.providers import wire
from musicsync.providers.json_feed.options import Expression

T = TypeVar("T", bound=Struct)


class WrongItem(Exception):
    """An item, or a part of it, is none; the text says which field, by which expression, and why."""


class Fields(Generic[T]):
    """The fields of a thing by their expressions, without those that are not mapped, and the form that they have.

    Fields that stand in the same object are taken out of it at once, for finding each by itself takes longer than all
    that is done with it.
    """

    expressions: dict[str, Expression]
    _searched: dict[str, Expression]

    def __init__(self, mapped: Struct, form: type[T]) -> None:
        self.expressions = {name: value for name, value in structs.asdict(mapped).items() if value is not None}
        self._form = form
        self._searched = {}
        self._objects: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        for name, expression in self.expressions.items():
            if expression.names:
                *way, last = expression.names
                self._objects.setdefault(tuple(way), []).append((name, last))
            else:
                self._searched[name] = expression

    def read(self, what: str, item: Any) -> T:
        """Return what an item has at the expressions; ``what`` names the thing for people.

        Raises:
            WrongItem: the item lacks what the form demands, or has what it does not take.
        """
        return self.shaped(what, item, self.found(what, item))

    def found(self, what: str, item: Any) -> dict[str, Any]:
        """Return the same as it stands in the item.

        Raises:
            WrongItem: a function of an expression cannot take what it found.
        """
        found = {}
        for way, names in self._objects.items():
            holder = wire.within(item, way)
            for name, last in names:
                found[name] = holder.get(last)
        try:
            for name, expression in self._searched.items():
                found[name] = expression.search(item)
        except ValueError:
            raise WrongItem(self._reason(what, item)) from None
        return found

    def shaped(self, what: str, item: Any, found: dict[str, Any]) -> T:
        """Return what was found in an item in its form.

        Raises:
            WrongItem: it has another one.
        """
        try:
            return msgspec.convert(found, self._form)
        except msgspec.ValidationError:
            raise WrongItem(self._reason(what, item)) from None

    def _reason(self, what: str, item: Any) -> str:
        """Return which of the fields cannot be, by which expression it was found, and why."""
        types = {field.name: field.type for field in structs.fields(self._form)}
        for name, expression in self.expressions.items():
            try:
                msgspec.convert(expression.search(item), types[name])
            except ValueError as error:
                return f"{what}.{name} (`{expression.text}`): {error}"
        return f"{what} cannot be read"
