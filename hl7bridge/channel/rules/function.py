"""Text functions of mappings: `replace`, `case`, `date`, `table`.

Compiled from YAML into functions of a value and its scope, in the order in which they were written. A `date`
without `else` raises `MappingError` for what is no date; mistakes are named.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from hl7bridge.channel.rules.constant import HL7_NULL, MappingError
from hl7bridge.channel.rules.dates import date_function
from hl7bridge.channel.rules.pattern import read_pattern
from hl7bridge.channel.rules.scope import Scope
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.rules.text import apply, decoded, encoded
from hl7bridge.channel.rules.trace import Kind
from hl7bridge.channel.written.mistake import meant
from hl7bridge.channel.written.model import WRONG, Wrong
from hl7bridge.channel.written.yaml import Items, Node, Pairs, Scalar, noun, shown

Function = Callable[[bytes, Scope], "bytes | None"]


def run_functions(functions: tuple[Function, ...], found: bytes | None, scope: Scope) -> bytes | None:
    """A value through the functions; what is absent or HL7's null stays as it is."""
    for function in functions:
        if not found or found == HL7_NULL:
            return found
        found = function(found, scope)
    return found


def _case(node: Node, form: Pairs, setting: Setting) -> Function | Wrong:
    words = {"upper": str.upper, "lower": str.lower, "title": str.title}
    if not isinstance(node, Scalar) or node.text not in words:
        hint = meant(node.text, words) if isinstance(node, Scalar) else None
        return setting.wrong(node, f"{noun(node)} is none of upper, lower, title", hint)
    change = words[node.text]
    fast = {"upper": bytes.upper, "lower": bytes.lower}.get(node.text)

    def case(raw: bytes, scope: Scope) -> bytes | None:
        if fast is not None and raw.isascii() and scope.delimiters.escape not in raw:
            return fast(raw)
        return apply(change, raw, scope.delimiters, scope.message.charset)

    return case


def _replace(node: Node, form: Pairs, setting: Setting) -> Function | Wrong:
    if not isinstance(node, Items) or not node.items:
        return setting.wrong(node, "replace takes a pattern and what replaces it", r"['\D', '']")
    pairs = node.items if isinstance(node.items[0], Items) else [node]
    rules: list[tuple[re.Pattern[str], str]] = []
    for pair in pairs:
        if not isinstance(pair, Items) or len(pair.items) != 2:
            return setting.wrong(pair, "replace takes a pattern and what replaces it", r"['\D', '']")
        pattern, by = pair.items
        if not isinstance(pattern, Scalar) or not isinstance(by, Scalar):
            return setting.wrong(pair, "replace takes two texts", r"['\D', '']")
        compiled = read_pattern(pattern, pattern.text, setting)
        if isinstance(compiled, Wrong):
            return WRONG
        try:
            re._parser.parse_template(by.text, compiled)  # type: ignore[attr-defined]
        except (re.error, IndexError) as fault:
            return setting.wrong(
                by, f"this cannot replace anything: {fault}", r"\1 is the first group in brackets"
            )
        rules.append((compiled, by.text))

    def change(text: str) -> str:
        for compiled, by in rules:
            text = compiled.sub(by, text)
        return text

    return lambda raw, scope: apply(change, raw, scope.delimiters, scope.message.charset)


def _date(node: Node, form: Pairs, setting: Setting) -> Function | Wrong:
    if not isinstance(node, Scalar):
        return setting.wrong(node, f"{noun(node)} stands where a format such as YYYYMMDD belongs")
    function = date_function(node.text)
    if isinstance(function, str):
        return setting.wrong(node, f"{noun(node)} is not a format of dates", function)
    place = str(node.place)
    settled = form.get("else") is not None

    def convert(raw: bytes, scope: Scope) -> bytes | None:
        made = function(raw)
        if made is None and not settled:
            raise MappingError(
                "this is not a date", code="not-a-date", place=place, hint="say with else what then"
            )
        return None if made is None else encoded(made, scope.delimiters, scope.message.charset)

    return convert


def _table(node: Node, form: Pairs, setting: Setting) -> Function | Wrong:
    if not isinstance(node, Scalar):
        return setting.wrong(node, f"{noun(node)} stands where the name of a table belongs")
    if node.text not in setting.tables:
        hint = meant(node.text, setting.tables, f"write tables/{node.text}.csv")
        return setting.wrong(node, f"there is no table {shown(node.text)}", hint)
    table = setting.tables[node.text]
    column = form.get("column")
    if table is None:
        return WRONG  # its own mistakes are named
    if column is None:
        if len(table.columns) != 2:
            names = ", ".join(table.columns[1:])
            return setting.wrong(
                node, f"say which column of {node.text}", f"column: one of {names}" if names else None
            )
        name = table.columns[1]
    elif isinstance(column, Scalar) and column.text in table.columns:
        name = column.text
    else:
        written = column.text if isinstance(column, Scalar) else ""
        return setting.wrong(
            column, f"the table {node.text} has no column {shown(written)}", meant(written, table.columns)
        )
    rows = table.column(name)
    miss, place = f"{node.place} {node.text}", str(node.place)

    def look_up(raw: bytes, scope: Scope) -> bytes | None:
        separator = scope.delimiters.subcomponent
        if separator and separator in raw:
            raw = raw[: raw.index(separator)]
        charset = scope.message.charset
        key = decoded(raw, scope.delimiters, charset)
        found = rows.get(key)
        if scope.work.trace is not None:
            row = f"{table.name}.csv:{table.lines.get(key, 0)}" if found is not None else "no row of it"
            seen = [key] if found is None else [key, found]
            scope.work.trace.note(
                Kind.LOOK_UP, place, f"table {table.name}", held=found is not None, seen=seen, because=row
            )
        if found is None:
            work = scope.work
            if work.misses is None:
                work.misses = []
            work.misses.append(miss)
            return None
        return encoded(found, scope.delimiters, charset)

    return look_up


FUNCTIONS: Final = {"replace": _replace, "case": _case, "date": _date, "table": _table}
