"""The forms in which Events are printed: kubectl's table, its List as JSON or YAML, and names."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sidecar.cli import terminal
from sidecar.cli.reading import now

Json = dict[str, Any]
Form = Literal["wide", "json", "yaml", "name"]

_COLOURS = {"Warning": "yellow", "gap": "magenta"}
_INDENT = " " * 8
_BEGIN = {"json": '{\n    "apiVersion": "v1",\n    "items": [', "yaml": "apiVersion: v1\nitems:", "name": ""}
_END = {
    "json": '    ],\n    "kind": "List",\n    "metadata": {\n        "resourceVersion": ""\n    }\n}',
    "yaml": "kind: List\nmetadata:\n  resourceVersion: ''",
    "name": "",
}


@dataclass(frozen=True)
class Wish:
    """How Events are to be shown.

    Attributes:
        form: kubectl's table where it is None.
        last: So many of the newest.
        sort_by: The path of a field.
        namespaces: Whether the table tells the namespace.
        heads: Whether it has heads.
        watch: Whether more will come: then objects stand for themselves, in no List.
    """

    form: Form | None
    last: int | None
    sort_by: str | None
    namespaces: bool
    heads: bool
    watch: bool

    @property
    def table(self) -> bool:
        """Whether it is a table."""
        return self.form in {None, "wide"}

    @property
    def only(self) -> tuple[str, ...]:
        """The fields that are needed; none where all are."""
        from sidecar.reading.rows import SHOWN  # noqa: PLC0415 - see sidecar.cli.main

        if self.form in {"json", "yaml"}:
            return ()
        return (*SHOWN, *([self.sort_by] if self.sort_by else []))


class Printer:
    """Prints Events.

    Args:
        wish: How.
    """

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self._columns: terminal.Columns | None = None

    def newest(self, found: Iterable[Json]) -> int:
        """Print of each Event the newest version; how many there are, gaps apart.

        Args:
            found: Versions, the newest first.
        """
        from sidecar.reading.events import newest, sort_key  # noqa: PLC0415 - see sidecar.cli.main

        path = self.wish.sort_by
        made = newest(
            found, lambda event: (sort_key(event, path) if path else (), self._kept(event)), last=self.wish.last
        )
        if path:
            made.sort(key=lambda each: each[0])
        kept = [each for _, each in made]
        if self.wish.table:
            self._table(kept)
        elif self.wish.watch or kept or self.wish.form != "name":
            self._objects(kept)
        return sum(getattr(each, "type", "") != "gap" for each in kept)

    def version(self, event: Json) -> None:
        """Print one version, below what is there."""
        kept = self._kept(event)
        with terminal.output(pager=False) as write:
            if self.wish.table:
                assert self._columns
                write(terminal.style(self._columns.line(self._cells(kept, now())), _COLOURS.get(kept.type)))
            else:
                for text in self._object(kept, indent=""):
                    write(text)

    def _kept(self, event: Json) -> Any:
        """What is held of an Event until all are there: a row, a name, or JSON, a fifth of what Python takes for it."""
        import orjson  # noqa: PLC0415 - see sidecar.cli.main

        from sidecar.reading.events import as_kubernetes  # noqa: PLC0415
        from sidecar.reading.rows import row  # noqa: PLC0415

        if self.wish.table:
            return row(event, wide=self.wish.form == "wide", namespace=self.wish.namespaces)
        if self.wish.form == "name":
            return f"event/{event.get('metadata', {}).get('name', '')}"
        # As text: what orjson hands out keeps the room that it was written into, ten times as much.
        return orjson.dumps(as_kubernetes(event)).decode()

    def _table(self, rows: list[Any]) -> None:
        from sidecar.reading.rows import heads  # noqa: PLC0415 - see sidecar.cli.main

        moment = now()
        names = heads(wide=self.wish.form == "wide", namespace=self.wish.namespaces)
        cells = [self._cells(each, moment) for each in rows]
        self._columns = columns = terminal.Columns(names, cells, more=self.wish.watch)
        # What was seen last is what people look for: without a pager it is above the prompt.
        small = self.wish.watch or terminal.fits(map(columns.line, [names, *cells]))
        with terminal.output(pager=not small, at_end=not self.wish.sort_by) as write:
            if self.wish.heads and (rows or self.wish.watch):
                write(columns.head())
            for each, line in zip(rows, cells, strict=True):
                write(terminal.style(columns.line(line), _COLOURS.get(each.type)))

    def _cells(self, found: Any, moment: Any) -> tuple[str, ...]:
        from sidecar.reading.rows import columns  # noqa: PLC0415 - see sidecar.cli.main

        return columns(found, moment, wide=self.wish.form == "wide", namespace=self.wish.namespaces)

    def _objects(self, kept: list[Any]) -> None:
        with terminal.output(pager=not self.wish.watch) as write:
            if self.wish.watch or self.wish.form == "name":
                for each in kept:
                    for text in self._object(each, indent=""):
                        write(text)
                return
            form = self.wish.form or "json"
            write(_BEGIN[form] if kept else _BEGIN[form].replace("items:", "items: []"))
            for number, each in enumerate(kept, 1):
                for text in self._object(each, indent=_INDENT, more=number < len(kept)):
                    write(text)
            write(_END[form])

    def _object(self, kept: Any, *, indent: str, more: bool = False) -> Iterator[str]:
        """An object as a text: of a List, or for itself."""
        import json  # noqa: PLC0415 - see sidecar.cli.main

        if self.wish.form == "name":
            yield str(kept)
            return
        event = json.loads(kept)
        if self.wish.form == "json":
            text = textwrap.indent(json.dumps(event, indent=4, ensure_ascii=False), indent)
            yield f"{text}," if more else text
            return
        import yaml  # noqa: PLC0415 - see sidecar.cli.main

        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        text = yaml.dump([event] if indent else event, Dumper=dumper, sort_keys=True, allow_unicode=True).rstrip()
        yield text if indent else f"---\n{text}"
