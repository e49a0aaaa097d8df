"""Steps of a map: what each verb does, compiled from YAML into functions of a scope.

A step is a set of keys: target fields, or one of the verbs in `VERBS`, with `when`, `each` and `where` around
it. Steps run from the top and each sees what the ones before it did. A compiled map raises `MappingError`
with the place of the step that failed; compiling raises nothing, mistakes are named.
"""

from __future__ import annotations

from collections.abc import Callable

from hl7bridge.channel.rules.assign import read_assignment
from hl7bridge.channel.rules.condition import Condition, Conditions, read_condition, read_conditions
from hl7bridge.channel.rules.each import read_each
from hl7bridge.channel.rules.program import Program, Run, Step
from hl7bridge.channel.rules.reference import looks_like_path
from hl7bridge.channel.rules.scope import Scope
from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.rules.verbs import MODIFIERS, VERBS
from hl7bridge.channel.written.mistake import Place, meant
from hl7bridge.channel.written.model import WRONG, Wrong
from hl7bridge.channel.written.yaml import Items, Node, Pairs, Scalar, noun, shown


def read_steps(node: Node, setting: Setting) -> list[Step] | Wrong:
    """The steps of a `map` or a `do`: a list, or one set of keys."""
    nodes = node.items if isinstance(node, Items) else [node]
    found: list[Step] = []
    complete = True
    for each in nodes:
        if not isinstance(each, Pairs):
            setting.wrong(each, f"{noun(each)} stands where a step belongs", "write it like MSH-5: EPIC")
            complete = False
            continue
        made = _step(each, setting)
        if isinstance(made, Wrong):
            complete = False
            continue
        found += made
        if any(key.text == "new" for key, _ in each.pairs):
            setting = setting.within(original=True)
    return found if complete else WRONG


def _step(node: Pairs, setting: Setting) -> list[Step] | Wrong:
    """One item of a map: several steps if it sets several fields."""
    each = node.get("each")
    when = node.get("when")
    where = node.get("where")
    if where is not None and each is None:
        key = node.key("where")
        assert key is not None
        return setting.wrong(
            key, "where chooses among each, which does not stand here", "write when, or add each"
        )
    inside = setting
    loop: Callable[[Program, Condition | None], Run] | Wrong | None = None
    if each is not None:
        found = read_each(each, setting)
        loop, inside = (WRONG, setting.within(it=True)) if isinstance(found, Wrong) else found
    conditions = None if when is None else read_conditions(when, setting)
    filter_ = None if where is None else read_condition(where, inside)
    body = _body(node, inside)
    if isinstance(loop, Wrong) or isinstance(conditions, Wrong) or isinstance(filter_, Wrong):
        return WRONG
    if isinstance(body, Wrong):
        return WRONG
    if not body:
        return setting.wrong(
            node, "this step does nothing", "give it a field to set, or a verb such as remove"
        )
    if loop is not None:
        assert each is not None
        body = [
            Step(
                loop(Program(body), filter_),
                node.place,
                f"each {each.text if isinstance(each, Scalar) else ''}",
            )
        ]
    if conditions is not None:
        body = [_gated(body, conditions, node.place)]
    return body


def _gated(steps: list[Step], conditions: Conditions, place: Place) -> Step:
    """Steps that run only where `when` holds."""
    program, test = Program(steps), conditions.test
    at = str(place)

    def gated(scope: Scope) -> None:
        trace = scope.work.trace
        if trace is None:
            if test(scope):
                program(scope)
            return
        if trace.when(at, conditions, scope):
            with trace.within():
                program(scope)

    return Step(gated, place, "")


def _body(node: Pairs, setting: Setting) -> list[Step] | Wrong:
    """What a step does: its keys in the order in which they stand, without those that say when and where."""
    found: list[Step] = []
    complete = True
    adds = node.get("add")
    added = adds.text if isinstance(adds, Scalar) else None
    verbs = [key for key, _ in node.pairs if key.text in VERBS]
    new = node.get("new")
    for key, value in node.pairs:
        made: Run | list[Step] | Wrong | None
        if key.text in ("when", "each", "where"):
            continue
        if key.text == "do":
            made = read_steps(value, setting)
        elif key.text in ("after", "within"):
            owner = {"after": "add", "within": "renumber"}[key.text]
            if node.get(owner) is not None:
                continue
            made = setting.wrong(key, f"{key.text} belongs to {owner}, which does not stand here")
        elif key.text == "keep" and new is not None:
            continue
        elif key.text in VERBS:
            if key is not verbs[0]:
                what = f"{key.text} and {verbs[0].text} are two steps"
                made = setting.wrong(key, what, "put each into a list item of its own")
            else:
                made = VERBS[key.text].compile(value, node, setting)
        elif looks_like_path(key.text):
            if added is not None and key.text.removeprefix("/").startswith(added):
                continue  # a field of the segment that is added
            made = read_assignment(key, value, setting)
        else:
            made = _unknown(key, value, setting)
        if isinstance(made, Wrong):
            complete = False
        elif isinstance(made, list):
            found += made
        elif made is not None:
            found.append(Step(made, key.place, _says(key, value)))
    return found if complete else WRONG


def _says(key: Scalar, value: Node) -> str:
    return f"{key.text} {value.text}" if key.text in VERBS and isinstance(value, Scalar) else key.text


def _unknown(key: Scalar, value: Node, setting: Setting) -> Wrong:
    if len(key.text) == 3 and key.text.isupper():
        return setting.wrong(key, f"{key.text} is a segment, not a field", f"name a field: {key.text}-1")
    return setting.wrong(
        key,
        f"{shown(key.text)} is neither a path nor a step",
        meant(key.text, (*MODIFIERS, *VERBS), "paths look like PID-3.1"),
    )
