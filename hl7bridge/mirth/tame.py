"""Whether a script of JavaScript surely leaves a variable, and the fields that it was read from, as they were.

It says no wherever it is not sure: after any call of a function that the script does not bring along from the language itself, any
use of a whole message, and any name that is put together. Raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from hl7bridge.mirth.elements import Connector, Part
from hl7bridge.mirth.script import Field

_WORDS: Final = (
    "if for while switch catch return typeof String Number parseInt parseFloat isNaN Date RegExp Boolean"
)
#: What may stand before a bracket and changes no message: words of the language, and its own functions.
_HARMLESS: Final = frozenset(_WORDS.split())
_METHOD_WORDS: Final = (
    "toString trim toUpperCase toLowerCase substring substr slice split join concat charAt charCodeAt indexOf lastIndexOf match"
    " search test replace replaceAll startsWith endsWith contains equals equalsIgnoreCase isEmpty length toFixed push getTime"
    " getFullYear getMonth getDate getHours getMinutes getSeconds getCurrentDate put get remove containsKey info debug warn error"
)
#: Methods of texts, lists, times, maps and the log; those of another object could do anything.
_METHODS: Final = frozenset(_METHOD_WORDS.split())
_ASKED: Final = re.compile(r"\.\s*([A-Za-z_$][\w$]*)\s*\(")
#: A bracket behind what only running the script can tell.
_HIDDEN: Final = re.compile(r"[\])]\s*\(")
_CALLED: Final = re.compile(r"(?<![\w$.])([A-Za-z_$][\w$]*)\s*\(")
_MESSAGE: Final = re.compile(r"(?<![\w$.])(?:msg|tmp)(?![\w$])(?!\s*\[\s*['\"][A-Z][A-Z0-9]{2}['\"]\s*\])")
_FILLED: Final = re.compile(
    r"(?:Map\s*\.\s*(?:put|get|remove|containsKey)|\$(?:co|c|gc|g|s|r|cfg)?)\s*\((?!\s*(?:'[^'\\\n]*'|\"[^\"\\\n]*\")\s*[,)])"
)
_WILD: Final = re.compile(
    r"(?<![\w$])(?:eval|Function|this|with|Packages|java|import\w*|connectorMessage|message|destinationSet|parent)(?![\w$])|\\[xu]"
)
_MAPS: Final = frozenset(["$", "$c", "$co", "$gc", "$g", "$s", "$r", "$cfg"])
#: What is left of scripts into which nobody has written anything.
_NOTHING: Final = ("", "return;", "return", "return message;", "return null;")


def without_comments(script: str) -> str:
    """A script without comments, as far as that is certain: behind a text with // in it nothing is taken away."""
    script = re.sub(r"^\s*//[^\n]*$", "", script, flags=re.MULTILINE)
    if "'" in script or '"' in script:
        return script.strip()
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", script, flags=re.DOTALL).strip()


def does_nothing(script: str) -> bool:
    """Whether a script of a channel is as Mirth makes it."""
    return without_comments(script) in _NOTHING


def leaves(script: str, name: str, reads: Sequence[Field]) -> bool:
    """Whether the script changes neither the variable of that name nor the fields in `reads`, for certain."""
    if _MESSAGE.search(script) or _FILLED.search(script) or _WILD.search(script):
        return False
    if re.search(r"Map(?![\w$]|\s*\.\s*(?:put|get|remove|containsKey)\s*\()", script):
        return False
    if any(called not in _HARMLESS and called not in _MAPS for called in _CALLED.findall(script)):
        return False
    if any(asked not in _METHODS for asked in _ASKED.findall(script)) or _HIDDEN.search(script):
        return False
    if name and re.search(re.escape(name), script):
        return False
    return not any(re.search(rf"['\".]{read.segment}\b", script) for read in reads)


def may_set(parts: Sequence[Part], name: str) -> bool:
    """Whether one of these steps or rules may put a variable of this name into the map of the channel."""
    return any(_sets(part, name) or may_set(part.children, name) for part in parts if part.enabled)


def _sets(part: Part, name: str) -> bool:
    if part.kind == "JavaScript":
        return not leaves(part.script, name, ())
    if part.kind == "Mapper":
        return part.fields.get("variable", "").strip() == name
    if part.kind == "XSLT Step":
        return part.fields.get("resultVariable", "").strip() == name
    return part.kind not in ("Message Builder", "Rule Builder", "Destination Set Filter", "Iterator")


def set_elsewhere(destination: Connector, others: Sequence[Connector], name: str) -> bool:
    """Whether a variable of the channel may be other than the source left it when the steps of a destination begin.

    Destinations follow one another or run side by side, and share the map; a filter runs before the steps.
    """
    if may_set(destination.rules, name):
        return True
    for other in others:
        if other is destination or not other.enabled:
            continue
        if may_set((*other.rules, *other.steps, *other.responses), name):
            return True
        if not all(leaves(script, name, ()) for script in other.scripts):
            return True
    return False
