"""What stands in for a person's values: made with a key, so that the same value has the same stand-in in every sample of that key, and
nobody without it can go back or test a guess.

Raises nothing.
"""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import blake2b
from typing import Final

#: A patient's days are moved by so many weeks at most, back or forth, so that weekdays and intervals stay.
MOST_WEEKS: Final = 52
_CONSONANTS, _VOWELS = "BDFGKLMNPRSTVZ", "AEIOU"


class StandIns:
    """Stand-ins by one key of at least 16 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def _bytes(self, kind: str, value: str, size: int = 32) -> bytes:
        person = kind.encode()[:16]
        return blake2b(
            value.encode("utf-8", "surrogatepass"), key=self._key[:64], person=person, digest_size=size
        ).digest()

    def name(self, value: str) -> str:
        """A name that nobody bears, of syllables, as long as that of a person; in capitals where the value is."""
        found = self._bytes("name", value.casefold())
        syllables = 2 + found[0] % 2
        made = "".join(
            _CONSONANTS[found[1 + 2 * at] % 14] + _VOWELS[found[2 + 2 * at] % 5] for at in range(syllables)
        )
        return made if value.isupper() else made.capitalize()

    def number(self, value: str) -> str:
        """The same shape: a digit for a digit, a letter for a letter; what stands between them stays.

        Nine digits are made a number that no person has: the Social Security Administration gives none that begins with 9, nor the
        Internal Revenue Service, of those, one whose fourth digit is below 5.
        """
        found = self._bytes("number", value, 64)
        digits = [at for at, letter in enumerate(value) if letter.isdigit()]
        begins, fourth = (digits[0], digits[3]) if len(digits) == 9 else (-1, -1)
        made = []
        for at, letter in enumerate(value):
            chance = found[at % 64] + at // 64
            if at == begins:
                made.append("9")
            elif at == fourth:
                made.append(str(chance % 5))
            elif letter.isdigit():
                # A number that begins with a zero, or with none, still does.
                made.append(
                    letter if letter == "0" and not at else str(chance % 9 + 1 if not at else chance % 10)
                )
            elif letter.isalpha():
                made.append(chr((65 if letter.isupper() else 97) + chance % 26))
            else:
                made.append(letter)
        return "".join(made)

    def words(self, value: str) -> str:
        """The shape of a text: X for a capital, x for a letter, 9 for a digit; what else stands there stays."""
        return "".join(
            "9" if each.isdigit() else ("X" if each.isupper() else "x") if each.isalpha() else each
            for each in value
        )

    def phone(self, value: str) -> str:
        """A number that is kept for fiction (555-0100 through 555-0199)."""
        return f"(555)555-01{self._bytes('phone', value)[0] % 100:02d}"

    def system(self, begins: str, value: str) -> str:
        """The name of an application or a facility, such as APP48213, which also the shortest field has room for."""
        return f"{begins}{10_000 + int.from_bytes(self._bytes('system', value)[:4], 'big') % 90_000}"

    def weeks(self, patient: str) -> timedelta:
        """By how much a patient's days are moved; never by nothing."""
        found = int.from_bytes(self._bytes("weeks", patient)[:4], "big") % (2 * MOST_WEEKS)
        return timedelta(weeks=found - MOST_WEEKS if found < MOST_WEEKS else found - MOST_WEEKS + 1)

    def moved(self, stamp: str, by: timedelta, oldest: date) -> str:
        """A time stamp (HL7 v2.5.1 chapter 2.A.22) with its day moved; what has no day is "". `oldest`: days before it become that
        day, since an age over 89 tells of a person.
        """
        year, month, day, rest = stamp[:4], stamp[4:6], stamp[6:8], stamp[8:]
        if not (stamp.isascii() and year.isdigit() and len(year) == 4):
            return ""
        try:
            found = date(int(year), int(month or "1"), int(day or "1")) + by
        except (ValueError, OverflowError):
            return ""
        found = max(found, oldest)
        written = f"{found:%Y%m%d}"
        if not month or not day:
            return written[: 6 if month else 4]
        return written + ("" if rest.strip("0123456789.+-") else rest)
