"""Filter rules as our conditions.

A filter accepts where `r0 && r1 || r2 ...` holds, in which && binds tighter, as JavaScript has it. What cannot be carried over in a
row of && leaves the rest to hold; in one side of || it leaves nothing that would be true for certain. Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hl7bridge.channel.rules.condition import WORDS
from hl7bridge.mirth.elements import Part
from hl7bridge.mirth.lines import Word
from hl7bridge.mirth.script import Field, NotRead, Read, Variable, read_expression, read_text
from hl7bridge.mirth.tame import without_comments
from hl7bridge.mirth.values import Known, Quoted

#: A condition of ours: one key with what it must be. None: always true.
Condition = dict[str, Any]
PRESENT, ABSENT = Word("present"), Word("absent")


@dataclass(slots=True)
class Filter:
    """What a filter becomes: the conditions that must hold, and the rules that are not in them, each with why."""

    conditions: list[Condition] = field(default_factory=list)
    missing: list[tuple[Part, str]] = field(default_factory=list)


def filter_of(rules: Sequence[Part], known: Known) -> Filter:
    """The conditions of a filter."""
    found = Filter()
    groups: list[list[Condition]] = [[]]
    certain = True
    enabled = [rule for rule in rules if rule.enabled]
    for at, rule in enumerate(enabled):
        if at and rule.operator == "OR":
            groups.append([])
        try:
            condition = condition_of(rule, known)
        except NotRead as why:
            found.missing.append((rule, str(why)))
            certain = certain and not any(each.operator == "OR" for each in enabled[1:])
            continue
        if condition is not None:
            groups[-1].append(condition)
    if not certain:
        lost = {id(rule) for rule, _ in found.missing}
        found.missing += [
            (rule, "it stands beside OR with one that is not carried over")
            for rule in enabled
            if id(rule) not in lost
        ]
        return found
    if len(groups) == 1:
        found.conditions = groups[0]
    elif all(groups):
        found.conditions = [{"any": [joined(group) for group in groups]}]
    return found


def joined(conditions: Sequence[Condition]) -> Condition:
    """Conditions that must all hold as one set of keys; `all` where two have the same key."""
    keys = [key for condition in conditions for key in condition]
    if len(set(keys)) < len(keys):
        return {"all": list(conditions)}
    return {key: value for condition in conditions for key, value in condition.items()}


def condition_of(rule: Part, known: Known) -> Condition | None:
    """One rule; None where it always accepts. Raises `NotRead`."""
    if rule.kind == "Rule Builder":
        return _built(rule, known)
    if rule.kind == "Iterator":
        return _iterated(rule, known)
    if rule.kind == "JavaScript":
        if re.fullmatch(r"return true;?", without_comments(rule.script)):
            return None
        raise NotRead("it is JavaScript")
    raise NotRead(f"rules of the kind {rule.kind} are not carried over")


def _built(rule: Part, known: Known, *, any_of_many: bool = False) -> Condition:
    word = rule.fields.get("condition", "").strip()
    place, as_text = _field(rule.fields.get("field", ""), known)
    if word in ("EXISTS", "NOT_EXIST"):
        return (
            {_path(place, known): PRESENT if word == "EXISTS" else ABSENT}
            if as_text
            else _element(place, word, rule)
        )
    if word not in ("EQUALS", "NOT_EQUAL", "CONTAINS", "NOT_CONTAIN"):
        raise NotRead(f"the condition {word or 'of the rule'} is not known")
    if place.component is None:
        raise NotRead("it compares a whole field, which is XML in Mirth; a component was not named")
    texts = [read_text(each) for each in rule.values]
    if "CONTAIN" in word and place.several and not any_of_many:
        # What the XML of several elements contains is what one of them does, if it is not in their names.
        any_of_many = as_text and all(
            re.fullmatch(r"[\w -]+", text) and text not in _tags(place) for text in texts
        )
    if place.several and not any_of_many:
        raise NotRead(
            f"a message may have several of {place.path()}, and Mirth then compares their XML; "
            f"write {place.path()} for any of them, or with [1] for the first"
        )
    path = known.path(place) if any_of_many else _exact(place, known)
    for text in texts:
        if re.search(r"[|^~\\&\r\n]|\$\{", text):
            raise NotRead("a value that it compares with holds a delimiter")
    if "CONTAIN" in word:
        return _contains(path, texts, negative=word == "NOT_CONTAIN")
    if "" in (texts or [""]) and (any_of_many or not as_text):
        raise NotRead("it compares an element, or one of several, with nothing")
    return _equals(path, texts or [""], negative=word == "NOT_EQUAL")


def _tags(place: Field) -> str:
    """What the tags of an element hold."""
    name = f"{place.segment}.{place.field}{place.rest}"
    return f"<{name}></{name}/>"


def _field(text: str, known: Known) -> tuple[Field, bool]:
    expression = read_expression(text)
    if isinstance(expression, Variable):
        value = known.find(expression)
        if value.plain is None:
            raise NotRead(f"the variable {expression.name} is more than the value of a field")
        if value.origin[1] and "original." in str(value.origin[1]):
            raise NotRead(f"the variable {expression.name} was read from the message before the new one")
        return value.plain, True
    if isinstance(expression, Read):
        return expression.field, expression.as_text
    raise NotRead("it compares more than a field")


def _path(place: Field, known: Known) -> str:
    """Where any value is looked for: the XML of several is never empty."""
    return known.path(place) if place.several or place.field is None else _exact(place, known)


def _exact(place: Field, known: Known) -> str:
    known.path(place)  # what cannot be read there is said
    return place.exact()


def _element(place: Field, word: str, rule: Part) -> Condition:
    """Whether an element is there. The destination set filter counts elements; the rule builder asks E4X for a child named length."""
    if rule.kind == "Destination Set Filter" and place.field is None and place.occurrence is None:
        return {place.segment: PRESENT if word == "EXISTS" else ABSENT}
    raise NotRead(
        "it asks whether an element exists, without .toString(), which Mirth answers by other rules than ours"
    )


def _equals(path: str, texts: list[str], *, negative: bool) -> Condition:
    filled = [text for text in texts if text]
    # A list, so that a text such as 'present' is not taken for the word.
    one = filled[0] if len(filled) == 1 and filled[0] not in WORDS else [Quoted(each) for each in filled]
    if negative:
        tests: list[Condition] = [{path: {"not": one}}] if filled else []
        tests += [{path: {"not": ABSENT}}] if "" in texts else []
        return tests[0] if len(tests) == 1 else {"all": tests}
    found: list[Condition] = [{path: one}] if filled else []
    found += [{path: ABSENT}] if "" in texts else []
    return found[0] if len(found) == 1 else {"any": found}


def _contains(path: str, texts: list[str], *, negative: bool) -> Condition:
    if not texts or "" in texts:
        raise NotRead("it looks for an empty text")
    pattern = "|".join(re.sub(r"([^\w\s-])", r"\\\1", text) for text in texts)
    return {path: {"not": {"matches": pattern}} if negative else {"matches": pattern}}


def _iterated(rule: Part, known: Known) -> Condition:
    """A rule of one child over every segment: any of them meets it, or none does what it forbids."""
    every = rule.fields.get("intersectIterations", "").strip() == "true"
    children = [child for child in rule.children if child.enabled]
    target = read_expression(rule.fields.get("target", ""))
    variable = rule.fields.get("indexVariable", "").strip() or "i"
    if len(rule.children) != 1 or len(children) != 1 or children[0].kind != "Rule Builder":
        raise NotRead("an iterator is carried over with one rule of the rule builder in it")
    if not isinstance(target, Read) or target.as_text or target.field.field is not None:
        raise NotRead("the iterator's target is no segment")
    negative = children[0].fields.get("condition", "").strip().startswith("NOT_")
    if every is not negative:
        raise NotRead("it asks that all of them meet a rule, or that one does not")
    loop = Field("msg", target.field.segment, variable)
    inner = Known(known.template, known.zone, loop, known.variables)
    place, as_text = _field(children[0].fields.get("field", ""), inner)
    if (
        not as_text
        or place.occurrence != variable
        or place.segment != loop.segment
        or place.several_repetitions
    ):
        raise NotRead("its rule is not about one field of the segment that the iterator goes through")
    return _built(children[0], inner, any_of_many=True)


def set_filter_condition(step: Part, known: Known) -> Condition:
    """When a destination set filter takes destinations away. Raises `NotRead`."""
    return _built(step, known)
