"""Whether what an affiliate's agreement names is ever sent: a scope with a slip in it shares nothing, and nobody hears of it.

A contract may well name what no channel sends yet, so a scope is a mistake only where it is nearly one that is sent. Raises nothing;
mistakes are named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final

from hl7bridge.affiliation.who.agreement import CLINIC, PHARMACY
from hl7bridge.channel.written.model import Reading
from hl7bridge.channel.written.record import Values
from hl7bridge.channel.written.yaml import Items, Pairs, Scalar, shown

#: How alike two words are of which one is a slip: pharmcy and pharmacy are, clinic and clinic-labs are not.
_ALIKE: Final = 0.8


def check_agreement(affiliate: Values, channels: Iterable[Values], reading: Reading) -> None:
    """Names the scopes of an affiliate that no channel sends under, nor the programme, but nearly."""
    agreement = affiliate.nodes.get("agreement")
    sent = {PHARMACY, CLINIC, *(scope for channel in channels for scope in _sent(channel))}
    for key, _ in agreement.pairs if isinstance(agreement, Pairs) else ():
        near = None if key.text in sent else _slip(key.text, sent)
        if near is not None:
            reading.wrong(key, f"nothing is sent under {shown(key.text)}", f"did you mean {near}?")


def _sent(channel: Values) -> Iterator[str]:
    """The scopes that a channel's routes name, also where the rest of a route has mistakes."""
    routes = channel.nodes.get("send_to")
    for route in routes.items if isinstance(routes, Items) else [routes]:
        scope = route.get("affiliates") if isinstance(route, Pairs) else None
        if isinstance(scope, Scalar):
            yield scope.text


def _slip(word: str, words: Iterable[str]) -> str | None:
    """The word of which this one is a slip of the keyboard. Another number is none: clinic2 is not clinic1."""
    folded = {each.lower(): each for each in sorted(words) if _digits(each) == _digits(word)}
    found = [each for each in folded if sorted(each) == sorted(word.lower())]
    found += get_close_matches(word.lower(), folded, 1, _ALIKE)
    return folded[found[0]] if found else None


def _digits(word: str) -> list[str]:
    return re.findall(r"\d", word)
