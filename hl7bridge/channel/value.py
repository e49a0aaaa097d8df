"""What goes into a target field: a constant, or `from`, `join` or `first_of` with text functions behind it.

Reads YAML into functions of a scope, once. The functions raise `MappingError` where `else: error` says so. Named mistakes
are many; nothing else is raised.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hl7bridge.channel.dates import date_function
from hl7bridge.channel.mistake import Place, meant
from hl7bridge.channel.model import WRONG, _Wrong
from hl7bridge.channel.reference import Reference, every_value, first_value, looks_like_path, read_reference
from hl7bridge.channel.scope import Scope
from hl7bridge.channel.setting import Setting
from hl7bridge.channel.text import Constant, apply, decoded, encoded
from hl7bridge.channel.yaml import Items, Node, Pairs, Scalar, noun, shown
from hl7bridge.errors import HL7BridgeError

#: A value as it goes into the target; None means that there is none.
Value = Callable[[Scope], "bytes | None"]
Values = Callable[[Scope], "list[bytes | None]"]
Function = Callable[[bytes, Scope], "bytes | None"]
_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
HL7_NULL: Final = b'""'
KEEP: Final = "keep"
ERROR: Final = "error"


class MappingError(HL7BridgeError):
    """A step that could not do what it says. `place` is the step's; `what` holds nothing of the message."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a target gets: one value, or one for each repetition; `else_` says what happens without one."""

    one: Value | None
    many: Callable[[Reference], Values] | None = None
    reference: Reference | None = None
    functions: tuple[Function, ...] = ()
    otherwise: Constant | str | None = None
    constant: Constant | None = None
    null: bool = False


def read_source(node: Node, target: Reference, setting: Setting) -> Source | _Wrong:
    """The right side of `target: ...`."""
    if isinstance(node, Scalar):
        return _constant_source(node, target, setting)
    if isinstance(node, Items):
        return setting.wrong(
            node, "a list stands where a value belongs", "write {join: [...]} or {first_of: [...]}"
        )
    origins = [(key, value) for key, value in node.pairs if key.text in ORIGINS]
    if len(origins) != 1:
        unknown = next((key for key, _ in node.pairs if key.text not in FORMS), None)
        if unknown is not None:
            return setting.wrong(
                unknown, f"{shown(unknown.text)} is not a word of mappings", meant(unknown.text, FORMS)
            )
        return setting.wrong(
            node, "a value needs exactly one of from, join or first_of", "write {from: PID-3.1}"
        )
    functions = _functions(node, target, setting)
    otherwise = _otherwise(node.get("else"), target, setting)
    key, value = origins[0]
    origin = ORIGINS[key.text](value, node, target, setting)
    if isinstance(functions, _Wrong) or isinstance(otherwise, _Wrong) or isinstance(origin, _Wrong):
        return WRONG
    if functions and isinstance(origin.reference, Reference):
        problem = eats_delimiters(origin.reference, node, setting)
        if problem:
            return WRONG
    return Source(
        one=None if origin.one is None else _piped(origin.one, functions),
        reference=origin.reference,
        functions=functions,
        otherwise=otherwise,
    )


def eats_delimiters(reference: Reference, node: Pairs, setting: Setting) -> bool:
    """Names a text function on a composite field without a component."""
    if not reference.whole_field or reference.path is None or reference.path.field is None:
        return False
    words = [key for key, _ in node.pairs if key.text in ("replace", "case", "table")]
    if not words or not is_composite(reference.path.segment, reference.path.field):
        return False
    name = reference.text
    setting.wrong(
        words[0],
        f"{words[0].text} works on text, and {name} has components",
        f"name one, such as {name}.1, or it would eat the delimiters",
    )
    return True


def is_composite(segment: bytes, field: int) -> bool:
    """Whether the standard gives a field components. Unknown fields, Z segments and OBX-5 count as text."""
    from hl7bridge.channel.composite import COMPOSITE  # a table that only this question needs

    return field in COMPOSITE.get(segment.decode("ascii"), ())


# Constants -----------------------------------------------------------------------------------------------------------


def _constant_source(node: Scalar, target: Reference, setting: Setting) -> Source | _Wrong:
    if node.is_null:
        return Source(one=lambda scope: HL7_NULL, null=True)
    if not node.text and node.plain:
        return setting.wrong(node, "nothing stands here", "write '' to empty the field, null to write \"\"")
    value = read_constant(node, target.whole_field, setting)
    if isinstance(value, _Wrong):
        return WRONG
    if isinstance(value, Constant):
        return Source(one=constant_value(value), constant=value)
    return Source(one=value)


def read_constant(node: Scalar, whole: bool, setting: Setting) -> Constant | Value | _Wrong:
    """A text with its `${...}` put in: settings now, paths such as `${MSH-10}` for each message."""
    if "\r" in node.text or "\n" in node.text.rstrip("\n"):
        return setting.wrong(node, "a field cannot hold a line end", r"write \.br\ where a line breaks")
    if "${" not in node.text:
        return Constant(node.text.rstrip("\n"), whole)
    pieces: list[str | Value] = []
    end = 0
    wrong = False
    for match in _REFERENCE.finditer(node.text):
        pieces.append(node.text[end : match.start()])
        end = match.end()
        name = match.group(1)
        if looks_like_path(name):
            reference = read_reference(Scalar(name, node.place), setting)
            if isinstance(reference, _Wrong):
                wrong = True
            else:
                pieces.append(first_value(reference))
            continue
        value = setting.variable(name, node)
        if isinstance(value, _Wrong):
            wrong = True
        else:
            pieces.append(value)
    if wrong:
        return WRONG
    pieces.append(node.text[end:])
    if all(isinstance(piece, str) for piece in pieces):
        return Constant("".join(piece for piece in pieces if isinstance(piece, str)), whole)
    return _joined([Constant(piece, whole) if isinstance(piece, str) else piece for piece in pieces if piece])


def constant_value(constant: Constant) -> Value:
    """The constant as a value of any message."""
    ready = constant.ready
    if ready is None:
        return lambda scope: constant.value(scope.delimiters, scope.message.charset)

    def value(scope: Scope) -> bytes:
        return constant.value(scope.delimiters, scope.message.charset)

    return value


def _joined(pieces: list[Constant | Value]) -> Value:
    values = [constant_value(piece) if isinstance(piece, Constant) else piece for piece in pieces]
    return lambda scope: b"".join([value(scope) or b"" for value in values])


# Origins -------------------------------------------------------------------------------------------------------------


def _from(node: Node, form: Pairs, target: Reference, setting: Setting) -> Source | _Wrong:
    if not isinstance(node, Scalar):
        return setting.wrong(
            node, f"{noun(node)} stands where a path belongs", "first_of: [...] takes several"
        )
    if node.text == "received":
        return Source(one=_received)
    reference = _value_path(node, setting)
    if isinstance(reference, _Wrong):
        return WRONG
    if reference.each_repetition or reference.each_segment:
        if not (target.each_repetition or target.each_segment):
            hint = f"put [*] on both sides, or join: '{node.text}'"
            return setting.wrong(
                node, f"{node.text} means several values and {target.text} is one place", hint
            )
        return Source(one=None, reference=reference)
    first = first_value(reference)
    return Source(one=lambda scope: first(scope) or None, reference=reference)


def _value_path(node: Scalar, setting: Setting) -> Reference | _Wrong:
    reference = read_reference(node, setting)
    if isinstance(reference, _Wrong):
        return WRONG
    if reference.whole_segment:
        return setting.wrong(node, f"{node.text} is a segment, not a field", f"name a field: {node.text}-1")
    if reference.appends:
        return setting.wrong(
            node, "[+] is one more repetition and holds nothing yet", "write [*] for every one"
        )
    return reference


def _received(scope: Scope) -> bytes:
    moment = scope.work.received
    zone = scope.work.zone
    return (moment if zone is None else moment.astimezone(zone)).strftime("%Y%m%d%H%M%S%z").encode("ascii")


def _join(node: Node, form: Pairs, target: Reference, setting: Setting) -> Source | _Wrong:
    parts: list[Constant | Value | Values] = []
    nodes = node.items if isinstance(node, Items) else [node]
    for each in nodes:
        part = _part(each, target, setting)
        if isinstance(part, _Wrong):
            return WRONG
        parts.append(part)
    separator = form.get("with")
    between: Constant | None = None
    if separator is not None:
        if not isinstance(separator, Scalar):
            return setting.wrong(separator, f"{noun(separator)} stands where a text belongs")
        made = read_constant(separator, target.whole_field, setting)
        if isinstance(made, _Wrong):
            return WRONG
        if not isinstance(made, Constant):
            return setting.wrong(separator, "the text between values is always the same", "write it out")
        between = made
    if not any(not isinstance(part, Constant) for part in parts):
        return setting.wrong(node, "nothing here comes from the message", "write the text as it is")
    return Source(one=_joining(parts, between))


def _joining(parts: list[Any], between: Constant | None) -> Value:
    def value(scope: Scope) -> bytes | None:
        found: list[bytes] = []
        some = False
        for part in parts:
            if isinstance(part, Constant):
                found.append(part.value(scope.delimiters, scope.message.charset))
                continue
            values = [each for each in part(scope) if each and each != HL7_NULL]
            some = some or bool(values)
            found += values
        if not some:
            return None
        return (between.value(scope.delimiters, scope.message.charset) if between is not None else b"").join(
            found
        )

    return value


def _part(node: Node, target: Reference, setting: Setting) -> Constant | Values | _Wrong:
    """One item of join or first_of: a path (all its values if it has [*]), or a text."""
    if not isinstance(node, Scalar):
        return setting.wrong(node, f"{noun(node)} stands where a path or a text belongs")
    if not looks_like_path(node.text):
        made = read_constant(node, target.whole_field, setting)
        if isinstance(made, _Wrong | Constant):
            return made
        single = made
        return lambda scope: [single(scope)]
    reference = _value_path(node, setting)
    if isinstance(reference, _Wrong):
        return WRONG
    if reference.each_repetition or reference.each_segment:
        every = every_value(reference) if reference.each_repetition else _first_of_each(reference)
        return lambda scope: [value for value, _ in every(scope)]
    first = first_value(reference)
    return lambda scope: [first(scope)]


def _first_of_each(reference: Reference) -> Callable[[Scope], list[tuple[bytes, Any]]]:
    from hl7bridge.channel.reference import every_segment

    find, path = every_segment(reference), reference.path
    assert path is not None
    read = path.first
    return lambda scope: [(read(segment, segment.delimiters), segment) for segment in find(scope)]


def _first_of(node: Node, form: Pairs, target: Reference, setting: Setting) -> Source | _Wrong:
    if not isinstance(node, Items) or not node.items:
        return setting.wrong(node, "first_of takes a list of paths", "[PID-3.1, PID-2]")
    parts: list[Constant | Values] = []
    for each in node.items:
        part = _part(each, target, setting)
        if isinstance(part, _Wrong):
            return WRONG
        parts.append(part)

    def value(scope: Scope) -> bytes | None:
        for part in parts:
            if isinstance(part, Constant):
                return part.value(scope.delimiters, scope.message.charset)
            for found in part(scope):
                if found and found != HL7_NULL:
                    return found
        return None

    return Source(one=value)


ORIGINS: Final = {"from": _from, "join": _join, "first_of": _first_of}

# Functions -----------------------------------------------------------------------------------------------------------


def _functions(node: Pairs, target: Reference, setting: Setting) -> tuple[Function, ...] | _Wrong:
    """The text functions, in the order in which they were written."""
    made: list[Function] = []
    complete = True
    for key, value in node.pairs:
        if key.text not in FORMS:
            setting.wrong(key, f"{shown(key.text)} is not a word of mappings", meant(key.text, FORMS))
            complete = False
        elif key.text in FUNCTIONS:
            function = FUNCTIONS[key.text](value, node, setting)
            if isinstance(function, _Wrong):
                complete = False
            else:
                made.append(function)
        elif (key.text == "column" and node.get("table") is None) or (
            key.text == "with" and node.get("join") is None
        ):
            other = "table" if key.text == "column" else "join"
            setting.wrong(key, f"{key.text} belongs to {other}, which does not stand here")
            complete = False
    return tuple(made) if complete else WRONG


def _piped(value: Value, functions: tuple[Function, ...]) -> Value:
    if not functions:
        return value

    def piped(scope: Scope) -> bytes | None:
        return run_functions(functions, value(scope), scope)

    return piped


def run_functions(functions: tuple[Function, ...], found: bytes | None, scope: Scope) -> bytes | None:
    """A value through the functions; what is absent or HL7's null stays as it is."""
    for function in functions:
        if not found or found == HL7_NULL:
            return found
        found = function(found, scope)
    return found


def _case(node: Node, form: Pairs, setting: Setting) -> Function | _Wrong:
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


def _replace(node: Node, form: Pairs, setting: Setting) -> Function | _Wrong:
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
        try:
            compiled = re.compile(pattern.text)
        except (re.error, OverflowError, RecursionError) as fault:
            return setting.wrong(
                pattern, f"this is not a regular expression: {fault}", "write it in 'single quotes'"
            )
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


def _date(node: Node, form: Pairs, setting: Setting) -> Function | _Wrong:
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


def _table(node: Node, form: Pairs, setting: Setting) -> Function | _Wrong:
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
    miss = f"{node.place} {node.text}"

    def look_up(raw: bytes, scope: Scope) -> bytes | None:
        separator = scope.delimiters.subcomponent
        if separator and separator in raw:
            raw = raw[: raw.index(separator)]
        charset = scope.message.charset
        found = rows.get(decoded(raw, scope.delimiters, charset))
        if found is None:
            work = scope.work
            if work.misses is None:
                work.misses = []
            work.misses.append(miss)
            return None
        return encoded(found, scope.delimiters, charset)

    return look_up


FUNCTIONS: Final = {"replace": _replace, "case": _case, "date": _date, "table": _table}
#: Every word of a mapping's right side, with what it is for.
FORMS: Final = {
    "from": "the path that the value comes from",
    "join": "paths and texts, put together; absent ones are left out",
    "with": "what stands between the values of join",
    "first_of": "the first of these that is present",
    "replace": "a regular expression and what replaces it, or a list of such pairs",
    "case": "upper, lower or title",
    "date": "a format such as YYYYMMDD or YYYY-MM-DD HH:MM",
    "table": "the table that translates the value",
    "column": "the column of the table; the second if it has two",
    "else": "what stands there without a value: a text, keep (what is there), or error",
}


def _otherwise(node: Node | None, target: Reference, setting: Setting) -> Constant | str | None | _Wrong:
    if node is None:
        return None
    if not isinstance(node, Scalar):
        return setting.wrong(node, f"{noun(node)} stands where a value, keep or error belongs")
    if node.plain and node.text in (KEEP, ERROR):
        return node.text
    if node.is_null:
        return Constant('""', True)
    made = read_constant(node, target.whole_field, setting)
    if isinstance(made, _Wrong):
        return WRONG
    if not isinstance(made, Constant):
        return setting.wrong(node, "else is always the same text", "first_of: [...] takes a second path")
    return made


def settle(
    found: bytes | None, otherwise: Constant | str | None, scope: Scope, place: Place, target: str
) -> bytes | None:
    """What is written where there is no value: b"" empties the target, None leaves it as it is."""
    if found:
        return found
    if otherwise is None:
        return b""
    if isinstance(otherwise, Constant):
        return otherwise.value(scope.delimiters, scope.message.charset)
    if otherwise == KEEP:
        return None
    raise MappingError(
        f"there is no value for {target}", code="no-value", place=str(place), hint="else: error stands there"
    )
