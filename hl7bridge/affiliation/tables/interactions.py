"""A list of interactions: groups of two sides, and ingredients (RxNorm codes) on each.

It knows pairs and no more: a pair that it does not hold may interact all the same, so that nothing here answers that question with no.
Refuses to know patients, files and doses. Raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple


@dataclass(frozen=True, slots=True)
class Group:
    """Each ingredient of the one side interacts with each of the other; what stands on both sides does not with itself.

    `number` is the list's own name of the group. The sides hold RXCUIs (of term type IN) with names. `uncoded` are ingredients that
    the list names without a code.
    """

    number: str
    title: str
    objects: Mapping[str, str]
    precipitants: Mapping[str, str]
    uncoded: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the list names the group and says nothing of what is in it."""
        return not (self.objects or self.precipitants)


class Found(NamedTuple):
    """Two medicines in a group: the ingredients of the one and of the other that interact, by name and in order."""

    group: Group
    ones: tuple[str, ...]
    others: tuple[str, ...]


class Interactions:
    """A list, with the `name` and `version` that each warning says. `groups` are in the list's order."""

    __slots__ = ("_groups_of", "groups", "name", "version")

    def __init__(self, name: str, version: str, groups: Iterable[Group]) -> None:
        self.name = name
        self.version = version
        self.groups = tuple(groups)
        self._groups_of: dict[str, list[Group]] = {}
        for group in self.groups:
            for code in group.objects.keys() | group.precipitants.keys():
                self._groups_of.setdefault(code, []).append(group)

    @property
    def called(self) -> str:
        """Name and version, as warnings say them."""
        return f"{self.name}, version {self.version}"

    @property
    def not_screened(self) -> tuple[str, ...]:
        """What the list names and cannot be screened by it: groups without ingredients, ingredients without a code."""
        groups = [group.title for group in self.groups if group.empty]
        return (*groups, *dict.fromkeys(each for group in self.groups for each in group.uncoded))

    def holds(self, ingredients: Iterable[str]) -> bool:
        """Whether any of these ingredients is in any group."""
        return any(each in self._groups_of for each in ingredients)

    def between(self, one: frozenset[str], other: frozenset[str]) -> Iterator[Found]:
        """The groups in which an ingredient of the one interacts with an ingredient of the other."""
        seen: set[str] = set()
        for code in sorted(one):
            for group in self._groups_of.get(code, ()):
                if group.number not in seen:
                    seen.add(group.number)
                    found = _within(group, one, other)
                    if found is not None:
                        yield found


def _within(group: Group, one: frozenset[str], other: frozenset[str]) -> Found | None:
    names = {**group.objects, **group.precipitants}
    pairs = [
        (mine, its)
        for mine in one
        for its in other
        if mine != its
        and (
            (mine in group.objects and its in group.precipitants)
            or (mine in group.precipitants and its in group.objects)
        )
    ]
    if not pairs:
        return None
    return Found(
        group,
        tuple(sorted({names[mine] for mine, _ in pairs})),
        tuple(sorted({names[its] for _, its in pairs})),
    )


#: No list: nothing is screened.
NO_LIST: Final = Interactions("no list", "0", ())
