"""What an expression becomes on the right side of a mapping, and which variables are known for certain where it stands.

Raises `NotRead` with why, for people.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hl7bridge.channel.rules.reference import looks_like_path
from hl7bridge.mirth.lines import Word
from hl7bridge.mirth.replacing import Replacement
from hl7bridge.mirth.script import Change, Expression, Field, NotRead, Now, Read, Sum, Text, Variable
from hl7bridge.mirth.tame import leaves

_DELIMITERS: Final = re.compile(r"[|^~\\&\r\n]")
_TRIM: Final = Replacement(r"\A\s+|\s+\Z", "")


@dataclass(frozen=True, slots=True)
class Value:
    """A constant `text`, or an `origin` (`from`, `join`) with functions behind it and what stands there without a value.

    `reads` are the fields that it depends on. `plain` is set where it is the value of that field and nothing more.
    """

    text: str | None = None
    origin: tuple[str, Any] = ("from", "")
    functions: tuple[tuple[str, Any], ...] = ()
    otherwise: str = ""
    reads: tuple[Field, ...] = ()
    plain: Field | None = None

    def changed(self, word: str, argument: Any, change: Any) -> Value:
        """The same with a text function; `change` is what that does to a text of ours."""
        if self.text is not None:
            return replace(self, text=change(self.text))
        function = (word, argument)
        return replace(
            self, functions=(*self.functions, function), otherwise=change(self.otherwise), plain=None
        )

    def form(self) -> Any:
        """As it stands in YAML."""
        if self.text is not None:
            return Quoted(self.text)
        found: dict[str, Any] = {self.origin[0]: self.origin[1]}
        replaces = [argument for word, argument in self.functions if word == "replace"]
        words = [word for word, _ in self.functions]
        if len(set(words)) < len(words):
            if set(words) != {"replace"}:
                raise NotRead("one text function stands twice")
            found["replace"] = replaces
        else:
            found.update(self.functions)
        if self.otherwise:
            found["else"] = Quoted(self.otherwise)
        return found


class Quoted(str):
    """A text that is never taken for a word of the language."""


@dataclass(slots=True)
class Known:
    """What is certain at one point of a transformer: whether there is a new message, the loop, and the variables."""

    template: bool = False
    zone: bool = False
    loop: Field | None = None
    variables: dict[str, Value | str] = field(default_factory=dict)

    def inherited(self, *, template: bool, behind_new: bool) -> Known:
        """What a destination knows: variables of the connector end, and a new message hides the one they were read from."""
        kept: dict[str, Value | str] = {}
        for key, value in self.variables.items():
            if key.startswith(("channel:", "response:")):
                hidden = "the source makes a new message, and it was read from the old one"
                kept[key] = hidden if behind_new and not isinstance(value, str) and value.reads else value
                if template and not isinstance(kept[key], str):
                    kept[key] = _original(kept[key])
        return Known(template, self.zone, None, kept)

    def put(self, scope: str, name: str, value: Value | str) -> None:
        """Notes what a step puts into a map, or (a text) why that is not known."""
        self.variables[f"{scope}:{name}"] = value

    def doubt(self, why: str, script: str | None = None) -> None:
        """A step did what is not known: no variable is certain any more but those that its script surely leaves alone."""
        for key, value in self.variables.items():
            if not isinstance(value, str):
                name = key.partition(":")[2]
                if script is None or not leaves(script, name, value.reads):
                    self.variables[key] = why

    def written(self, target: Field) -> None:
        """A field of the message that variables are read from has changed."""
        for key, value in self.variables.items():
            if not isinstance(value, str) and any(touches(target, read) for read in value.reads):
                self.variables[key] = "a step in between changes the field that it was read from"

    def find(self, variable: Variable) -> Value:
        """The value of a variable. Raises `NotRead` where it is not certain."""
        scopes = ("response", "connector", "channel") if variable.scope == "any" else (variable.scope,)
        for scope in scopes:
            found = self.variables.get(f"{scope}:{variable.name}")
            if isinstance(found, str):
                raise NotRead(f"the variable {variable.name} is not certain here: {found}")
            if found is not None:
                other = next((read for read in found.reads if read.repeats), None)
                if self.loop is not None and other is not None:
                    raise NotRead(
                        f"the variable {variable.name} was read from an {other.segment} outside of the iterator"
                    )
                return found
        raise NotRead(f"no step of the channel that is carried over sets the variable {variable.name}")

    def path(self, place: Field, *, every: bool = False) -> str:
        """Where a field is read. Raises `NotRead`."""
        if place.root == "tmp" and not self.template:
            raise NotRead("there is no outbound template, so there is no tmp")
        if self.loop is not None:
            return self._in_loop(place, every)
        if isinstance(place.occurrence, str) or isinstance(place.repetition, str):
            raise NotRead("an index is a variable of JavaScript")
        before = "original." if self.template and place.root == "msg" else ""
        return before + place.path(every=every)

    def _in_loop(self, place: Field, every: bool) -> str:
        loop = self.loop
        assert loop is not None
        if place.segment == loop.segment and (place.occurrence, place.repetition) == (
            loop.occurrence,
            loop.repetition,
        ):
            if loop.field is None:
                return place.path(every=every)
            if place.field == loop.field and place.component is not None:
                return f"it{place.rest}"
        if isinstance(place.occurrence, str) or isinstance(place.repetition, str):
            raise NotRead("its index is not that of the iterator")
        # Ours would take the one that the iterator stands at, also for an index of 0.
        if place.repeats or place.occurrence not in (None, 0):
            raise NotRead(
                f"inside the iterator it reads another {place.segment}, which could mean one of several"
            )
        return place.path(every=every)


def _original(value: Value | str) -> Value | str:
    """The same value, read from the message before the new one."""
    if isinstance(value, str) or value.text is not None or value.origin[1] == "received":
        return value
    word, argument = value.origin
    if word == "from":
        return replace(value, origin=(word, f"original.{argument}"))
    return replace(
        value,
        origin=(word, [each if isinstance(each, Quoted) else f"original.{each}" for each in argument]),
    )


def touches(target: Field, read: Field) -> bool:
    """Whether writing one may change what is read of the other."""
    return target.segment == read.segment and (
        target.field is None or read.field is None or target.field == read.field
    )


def value_of(expression: Expression, known: Known, target: Field | None = None) -> Value:
    """The value of an expression, put into `target` (or, if None, into a variable). Raises `NotRead`."""
    if isinstance(expression, Text):
        return Value(text=expression.text)
    if isinstance(expression, Read):
        return _read(expression, known, target)
    if isinstance(expression, Variable):
        return known.find(expression)
    if isinstance(expression, Now):
        if not known.zone:
            raise NotRead("the time is that of Mirth's own zone: say with --zone which that is")
        return Value(origin=("from", Word("received")), functions=(("date", expression.form),))
    if isinstance(expression, Change):
        return _changed(value_of(expression.of, known, target), expression.word)
    return _sum(expression, known)


def _changed(value: Value, word: str) -> Value:
    if word == "trim":
        return value.changed("replace", [_TRIM.pattern, ""], _TRIM.apply)
    return value.changed("case", word, str.upper if word == "upper" else str.lower)


def _read(read: Read, known: Known, target: Field | None) -> Value:
    place = read.field
    if place.component is None:
        raise NotRead("it takes a whole field or segment, which is XML in Mirth; a component was not named")
    if not read.as_text:
        # Up to 3.4 E4X then copies the element itself, with its name: it lands where it should only under the same name.
        if target is None or _name(place) != _name(target):
            raise NotRead("a field is read without .toString(), so that Mirth may copy the XML element")
        if place.several_segments:
            raise NotRead(f"it copies the elements of every {place.segment}")
    plain = place if read.as_text else None
    if place.several_segments:
        # Of several segments only one may have the field, and that one need not be the first.
        return Value(origin=("first_of", [known.path(place, every=True)]), reads=(place,), plain=plain)
    return Value(origin=("from", known.path(place)), reads=(place,), plain=plain)


def _name(place: Field) -> tuple[object, ...]:
    return place.segment, place.field, place.component, place.subcomponent


def _sum(expression: Sum, known: Known) -> Value:
    parts: list[str] = []
    reads: list[Field] = []
    alone = ""
    for each in expression.parts:
        value = value_of(each, known)
        if value.text is not None:
            alone += value.text
            if value.text:
                parts.append(Quoted(checked(value.text, whole=False)))
            continue
        if value.functions or value.otherwise or not value.reads:
            raise NotRead("a part of what is put together is changed before, or has a default")
        if value.origin[0] == "first_of":
            # A join takes all of them, one behind another.
            segment = value.reads[0].segment
            raise NotRead(f"what it puts together is one of several {segment}; write which, as in [0]")
        inner = value.origin[1]
        parts += [inner] if isinstance(inner, str) else inner
        reads += value.reads
    if not reads:
        return Value(text=alone)
    if any(looks_like_path(each) or each == "it" for each in parts if isinstance(each, Quoted)):
        raise NotRead("a text in it looks like a path of ours")
    # Without any value our join gives nothing, and Mirth the texts alone.
    return Value(origin=("join", parts), otherwise=alone, reads=tuple(reads))


def checked(text: str, *, whole: bool) -> str:
    """A text as it may stand in a field, or (not `whole`) in a component. Raises `NotRead`."""
    if "${" in text:
        raise NotRead("a text holds ${, which would be put in here")
    wrong = re.search(r"[|\r\n]", text) if whole else _DELIMITERS.search(text)
    if wrong is not None:
        raise NotRead(
            f"a text holds {wrong[0]!r}, which Mirth writes as a delimiter and hl7bridge would escape"
        )
    return text
