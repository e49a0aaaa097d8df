"""Small charts that stand in the rows of a table: bars with their numbers, in black on white.

Bars are drawn to the scale of their own row, and each says how many it stands for. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, Literal

from reportlab.graphics.shapes import Drawing, Line, Rect, String
from reportlab.lib.colors import black, white
from reportlab.lib.colors import toColor as colour

from hl7bridge.documents.page import MONTHS
from hl7bridge.documents.typeface import REGULAR

#: Points.
HEIGHT: Final = 24.0
_TALLEST: Final = 14.0
_BASE: Final = 1.0
_LABEL: Final = 6.5
_DARK, _LIGHT = colour("#303030"), white
_Anchor = Literal["start", "middle", "end"]
#: More numbers than this have no room above their bars.
_MOST_NUMBERS: Final = 14


def bars(counts: Sequence[int], width: float) -> Drawing:
    """One bar for each part of a period."""
    return _stacked([(count, 0) for count in counts], width)


def distribution(bins: Sequence[Sequence[int]], threshold: int, width: float) -> Drawing:
    """Patients by their percentage: dark bars are under the threshold, outlined ones not; a line stands where it is."""
    drawing = _stacked(bins, width)
    x = width * threshold / 100
    drawing.add(Line(x, 0, x, HEIGHT, strokeColor=black, strokeWidth=0.7, strokeDashArray=(2, 1.5)))
    return drawing


def _stacked(pairs: Sequence[Sequence[int]], width: float) -> Drawing:
    drawing = Drawing(width, HEIGHT)
    step = width / len(pairs)
    gap = min(3.0, step * 0.15)
    most = max(max(sum(pair) for pair in pairs), 1)
    for number, (dark, light) in enumerate(pairs):
        x, bottom = number * step + gap / 2, _BASE
        for count, fill in ((dark, _DARK), (light, _LIGHT)):
            if count:
                tall = max(_TALLEST * count / most, 0.8)
                look: dict[str, Any] = {"fillColor": fill, "strokeColor": black, "strokeWidth": 0.5}
                drawing.add(Rect(x, bottom, step - gap, tall, **look))
                bottom += tall
        total = dark + light
        if total and (len(pairs) <= _MOST_NUMBERS or total == most):
            middle = x + (step - gap) / 2
            drawing.add(_words(middle, bottom + 2, f"{total:,}", "middle"))
    drawing.add(Line(0, _BASE, width, _BASE, strokeColor=black, strokeWidth=0.5))
    return drawing


def time_axis(parts: Sequence[date], by_month: bool, width: float) -> Drawing:
    """The words above `bars`: when each part begins, as many as there is room for. A January says the year."""
    drawing = Drawing(width, 10)
    step = width / len(parts)
    every = max(1, -int(-(16 if by_month else 26) // step))
    for number in range(0, len(parts), every):
        first = parts[number]
        said = MONTHS[first.month - 1]
        if not by_month:
            said += f" {first.day}"
        elif first.month == 1:
            said = str(first.year)
        middle = every == 1
        drawing.add(_words((number + 0.5 * middle) * step, 2, said, "middle" if middle else "start"))
    return drawing


def percent_axis(width: float) -> Drawing:
    """The words above `distribution`."""
    drawing = Drawing(width, 10)
    anchors: dict[int, _Anchor] = {0: "start", 50: "middle", 100: "end"}
    for percent, anchor in anchors.items():
        drawing.add(_words(width * percent / 100, 2, f"{percent} %", anchor))
    return drawing


def _words(x: float, y: float, said: str, anchor: _Anchor) -> String:
    return String(x, y, said, fontName=REGULAR, fontSize=_LABEL, textAnchor=anchor)
