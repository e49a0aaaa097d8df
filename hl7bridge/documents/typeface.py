"""The typeface of our pages, and what of a text it can show.

Source Sans Pro comes as a package of its own (SIL Open Font License) and holds Latin with every accent of the European, Vietnamese and
West African languages, Greek and Cyrillic. A character that it lacks is drawn as MISSING and the page says so: a name must never look
complete where it is not. Scripts that need shaping or run from right to left are not in it, so they are never drawn wrongly.

Raises nothing.
"""

from __future__ import annotations

import unicodedata
from importlib.resources import files
from typing import Final
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

REGULAR: Final = "SourceSansPro-Regular"
BOLD: Final = "SourceSansPro-Bold"
#: Stands for a character that cannot be shown.
MISSING: Final = "\u25a0"
MISSING_NOTE: Final = (
    f"{MISSING} stands for a character that this page cannot show; the electronic record has it."
)
#: Characters of one text that are shown; a field of HL7 has no bound of its own.
MOST: Final = 300


def _registered() -> frozenset[int]:
    shown: set[int] | None = None
    for name in (REGULAR, BOLD):
        font = TTFont(name, str(files("font_source_sans_pro") / "files" / f"{name}.ttf"))
        pdfmetrics.registerFont(font)
        mine = set(font.face.charToGlyph)
        shown = mine if shown is None else shown & mine
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD)
    return frozenset(shown or ())


#: The code points that both weights can show. Both are registered as this module is imported, which happens once however many threads
#: draw: a typeface that is registered anew while a page is drawn would mix up its letters.
CHARACTERS: Final = _registered()


def shown(text: str, most: int = MOST) -> str:
    """`text` on one line as it can be drawn, at most so many characters of it; where it is cut an ellipsis says so.

    Accents that stand apart are joined to their letters first (NFC); characters without a look of their own are left out.
    """
    drawn = []
    for char in unicodedata.normalize("NFC", text):
        if char in "\n\t\r\u00a0":
            drawn.append(" ")
        elif ord(char) in CHARACTERS and unicodedata.category(char) not in ("Cf", "Cc"):
            drawn.append(char)
        elif unicodedata.category(char) != "Cf":
            drawn.append(MISSING)
    found = " ".join("".join(drawn).split())
    return found if len(found) <= most else found[: most - 1].rstrip() + "\u2026"


def markup(text: str, most: int = MOST) -> str:
    """`shown`, as reportlab's paragraphs read it."""
    return escape(shown(text, most))
