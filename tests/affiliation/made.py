"""A site's table of medicines, made of a few words."""

from __future__ import annotations

from collections.abc import Mapping

from hl7bridge.affiliation.medicines import MedicineRow, Medicines


def medicines(makeup: Mapping[str, Mapping[str, str]]) -> Medicines:
    """Medicines by name, each with its ingredients and their classes."""
    return Medicines(
        MedicineRow("NDC", name, ingredient, class_)
        for name, made_of in makeup.items()
        for ingredient, class_ in made_of.items()
    )
