"""Regular expressions as an engineer writes them. Raises nothing; mistakes are named.

Nothing is refused here for being slow. Nested repetitions such as `(a+)+` are, for some texts, but many that look so are not, and
others that look harmless are; so an expression's time is bounded where a message is decided (engine/receiving/in_time.py): after a
second of computing, and one more for each megabyte of the message, the channel ends with an error, and other messages go on.
"""

from __future__ import annotations

import re
import warnings

from hl7bridge.channel.rules.setting import Setting
from hl7bridge.channel.written.model import Wrong
from hl7bridge.channel.written.yaml import Scalar

_MOST_LETTERS = 2000


def read_pattern(node: Scalar, text: str, setting: Setting) -> re.Pattern[str] | Wrong:
    """The expression that `text` writes; `node` is where it stands."""
    if len(text) > _MOST_LETTERS:
        return setting.wrong(
            node, "this regular expression is too long", f"at most {_MOST_LETTERS} characters"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what may change in a later Python is nothing to tell here
            return re.compile(text)
    except (re.error, OverflowError, RecursionError) as fault:
        return setting.wrong(
            node, f"this is not a regular expression: {fault}", "write it in 'single quotes'"
        )
