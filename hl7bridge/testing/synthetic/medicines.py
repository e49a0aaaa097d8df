"""What the made-up pharmacies dispense: some thirty products, and the ingredients and classes behind their codes.

A product has a code in the form of an NDC. Those of four products are the samples' own; the others have the labeler 99911, which
nobody has been given. Ingredients bear their RxNorm codes (RXCUI of term type IN). Knows no message. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from hl7bridge.affiliation.tables.medicines import MedicineRow


class Product(NamedTuple):
    """One product. `daily` are units a day; `days` how long a fill may last, the usual named more often."""

    ndc: bytes
    name: bytes
    unit: bytes
    pattern: bytes
    sig: bytes
    daily: int
    days: tuple[int, ...]
    ingredients: tuple[tuple[str, str], ...]
    #: RxNorm's code and name of the product, where the samples have them.
    rxnorm: bytes = b""
    route: bytes = b"PO^Oral^HL70162"

    @property
    def code(self) -> bytes:
        """RXE-2 and RXD-2 as a feed that knows more than the NDC writes it."""
        alternate = b"^" + self.rxnorm + b"^RXNORM" if self.rxnorm else b""
        return self.ndc + b"^" + self.name + b"^NDC" + alternate

    @property
    def class_(self) -> str:
        """The class of the first ingredient; what a prescriber changes to is of the same."""
        return self.ingredients[0][1]


_LONG: Final = (30, 30, 30, 90, 90, 28)
_MONTH: Final = (30,)
_ONCE, _TWICE = b"QD", b"BID"


def _row(
    number: int,
    name: str,
    unit: str,
    pattern: bytes,
    daily: int,
    days: tuple[int, ...],
    *ingredients: tuple[str, str],
    ndc: str = "",
    rxnorm: str = "",
    route: bytes = b"PO^Oral^HL70162",
) -> Product:
    how = {b"QD": "once daily", b"BID": "twice daily", b"TID": "three times daily", b"QHS": "at bedtime"}[
        pattern
    ]
    dose = daily // {b"BID": 2, b"TID": 3}.get(pattern, 1)
    word = {"TAB": "tablet", "CAP": "capsule", "UNT": "unit"}[unit] + "s" * (dose > 1)
    verb, place = ("Inject", "under the skin") if unit == "UNT" else ("Take", "by mouth")
    return Product(
        (ndc or f"99911-{number:04d}-01").encode(),
        name.encode(),
        unit.encode(),
        pattern,
        f"{verb} {dose} {word} {place} {how}".encode(),
        daily,
        days,
        ingredients,
        rxnorm.encode(),
        route,
    )


#: Taken for years.
CHRONIC: Final[tuple[Product, ...]] = (
    _row(1, "metformin 500 mg tablet", "TAB", _TWICE, 2, _LONG, ("6809", "biguanides"), ndc="00093-1048-01",
         rxnorm="861007^metformin hydrochloride 500 MG Oral Tablet"),
    _row(2, "lisinopril 10 mg tablet", "TAB", _ONCE, 1, _LONG, ("29046", "RAS antagonists"), ndc="68180-0980-01",
         rxnorm="314076^lisinopril 10 MG Oral Tablet"),
    _row(3, "atorvastatin 20 mg tablet", "TAB", b"QHS", 1, _LONG, ("83367", "statins"), ndc="00071-0156-23",
         rxnorm="617310^atorvastatin 20 MG Oral Tablet"),
    _row(4, "warfarin 5 mg tablet", "TAB", _ONCE, 1, _MONTH, ("11289", "anticoagulants"), ndc="00056-0172-70",
         rxnorm="855332^warfarin sodium 5 MG Oral Tablet"),
    _row(5, "glipizide 5 mg tablet", "TAB", _ONCE, 1, _LONG, ("4821", "sulfonylureas")),
    _row(6, "losartan 50 mg tablet", "TAB", _ONCE, 1, _LONG, ("52175", "RAS antagonists")),
    _row(7, "lisinopril 20 mg/hydrochlorothiazide 12.5 mg tablet", "TAB", _ONCE, 1, _LONG,
         ("29046", "RAS antagonists"), ("5487", "diuretics")),
    _row(8, "simvastatin 20 mg tablet", "TAB", b"QHS", 1, _LONG, ("36567", "statins")),
    _row(9, "rosuvastatin 10 mg tablet", "TAB", _ONCE, 1, _LONG, ("301542", "statins")),
    _row(10, "amlodipine 5 mg tablet", "TAB", _ONCE, 1, _LONG, ("17767", "calcium channel blockers")),
    _row(11, "hydrochlorothiazide 25 mg tablet", "TAB", _ONCE, 1, _LONG, ("5487", "diuretics")),
    _row(12, "furosemide 40 mg tablet", "TAB", _TWICE, 2, _LONG, ("4603", "diuretics")),
    _row(13, "levothyroxine 50 mcg tablet", "TAB", _ONCE, 1, _LONG, ("10582", "thyroid hormones")),
    _row(14, "omeprazole 20 mg capsule", "CAP", _ONCE, 1, _LONG, ("7646", "proton pump inhibitors")),
    _row(15, "pantoprazole 40 mg tablet", "TAB", _ONCE, 1, _LONG, ("40790", "proton pump inhibitors")),
    _row(16, "clopidogrel 75 mg tablet", "TAB", _ONCE, 1, _LONG, ("32968", "antiplatelets")),
    _row(17, "sertraline 50 mg tablet", "TAB", _ONCE, 1, _LONG, ("36437", "antidepressants")),
    _row(18, "citalopram 20 mg tablet", "TAB", _ONCE, 1, _LONG, ("2556", "antidepressants")),
    _row(19, "gabapentin 300 mg capsule", "CAP", b"TID", 3, _LONG, ("25480", "gabapentinoids")),
    _row(20, "amiodarone 200 mg tablet", "TAB", _ONCE, 1, _MONTH, ("703", "antiarrhythmics")),
    _row(21, "insulin glargine 100 units/mL", "UNT", b"QHS", 20, _MONTH, ("274783", "insulins"),
         route=b"SC^Subcutaneous^HL70162"),
    _row(22, "lithium carbonate 300 mg capsule", "CAP", _TWICE, 2, _MONTH, ("6448", "mood stabilisers")),
    _row(23, "dolutegravir 50 mg tablet", "TAB", _ONCE, 1, _MONTH, ("1433868", "antiretrovirals")),
)  # fmt: skip
#: Taken once, for days.
ACUTE: Final[tuple[Product, ...]] = (
    _row(31, "amoxicillin 500 mg capsule", "CAP", b"TID", 3, (7, 10), ("723", "penicillins"), ndc="00093-3109-05",
         rxnorm="308191^amoxicillin 500 MG Oral Capsule"),
    _row(32, "azithromycin 250 mg tablet", "TAB", _ONCE, 1, (5,), ("18631", "macrolides")),
    _row(33, "clarithromycin 500 mg tablet", "TAB", _TWICE, 2, (7, 14), ("21212", "macrolides")),
    _row(34, "prednisone 20 mg tablet", "TAB", _ONCE, 2, (5, 7), ("8640", "corticosteroids")),
    _row(35, "ibuprofen 600 mg tablet", "TAB", b"TID", 3, (5, 10), ("5640", "NSAIDs")),
    _row(36, "tramadol 50 mg tablet", "TAB", _TWICE, 2, (3, 5), ("10689", "opioids")),
)  # fmt: skip

_BY_CLASS: Final[dict[str, list[Product]]] = {}
for _each in CHRONIC:
    _BY_CLASS.setdefault(_each.class_, []).append(_each)


def alternatives(product: Product) -> list[Product]:
    """The other products of its class; none for some."""
    return [each for each in _BY_CLASS.get(product.class_, ()) if each is not product]


def rows() -> Iterator[MedicineRow]:
    """The site's table of all of them: NDC to ingredients and classes."""
    for product in (*CHRONIC, *ACUTE):
        for ingredient, class_ in product.ingredients:
            yield MedicineRow("NDC", product.ndc.decode(), ingredient, class_)
