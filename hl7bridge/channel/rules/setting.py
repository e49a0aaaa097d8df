"""What surrounds a piece of a channel while it is compiled: tables, hooks, the affiliate it is compiled for,
what it reads, and mistakes.

Raises nothing; mistakes go where `Reading` takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hl7bridge.channel.rules.reads import WHOLE, LookUp, Read, reads_of, table_in
from hl7bridge.channel.rules.table import Table
from hl7bridge.channel.written.mistake import Place, meant
from hl7bridge.channel.written.model import WRONG, Reading, Wrong, is_secret
from hl7bridge.channel.written.yaml import Node
from hl7bridge.hl7.path import Path

if TYPE_CHECKING:
    from hl7bridge.channel.rules.reference import Reference

Hook = Callable[[Any], object]


@dataclass(frozen=True)
class Setting:
    """`affiliate` is None where steps are compiled for all destinations; `${affiliate.x}` sets `late`. `bound` is what `it` is of."""

    reading: Reading
    tables: Mapping[str, Table | None] = field(default_factory=dict)
    hooks: Callable[[str], Hook | str] = field(default=lambda name: "there are no hooks here")
    affiliate: Mapping[str, str] | None = None
    destination: str | None = None
    binds_it: bool = False
    bound: Path | None = None
    in_loop: bool = False
    in_run: bool = False
    has_original: bool = False
    late: list[Place] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)

    def reads_place(self, reference: Reference, node: Node, form: Node | None = None) -> None:
        """Notes that the message is read there; `form` is what may say in which table it is looked up."""
        self._reads(reference, node, *table_in(form))

    def asks_table(self, reference: Reference, node: Node, table: str | None) -> None:
        """The same of a place of which a table may have the code."""
        self._reads(reference, node, table, LookUp.WHETHER)

    def goes_through(self, reference: Reference, node: Node) -> None:
        """The same of what is only gone through, or passed on as it is."""
        if reference.path is not None:
            self.reads.extend(reads_of(reference.path, str(node.place), (WHOLE, None)))

    def _reads(self, reference: Reference, node: Node, table: str | None, look_up: LookUp) -> None:
        path, part = reference.path, reference.it
        if part is not None:
            path = self.bound
        elif path is not None:
            part = path.component, path.subcomponent
        if path is not None and part is not None:
            self.reads.extend(reads_of(path, str(node.place), part, table, look_up))

    def wrong(self, node: Node, what: str, hint: str | None = None) -> Wrong:
        """Names a mistake."""
        return self.reading.wrong(node, what, hint)

    def within(
        self,
        *,
        it: bool = False,
        bound: Path | None = None,
        original: bool = False,
        run: bool = False,
        loop: bool = False,
    ) -> Setting:
        """The same inside `each` (with a run, or with `it`, of what is `bound`), or behind `new` (with `original`)."""
        return replace(
            self,
            binds_it=self.binds_it or it,
            bound=bound or self.bound,
            has_original=self.has_original or original,
            in_run=self.in_run or run,
            in_loop=self.in_loop or it or run or loop,
        )

    def variable(self, name: str, node: Node) -> str | Wrong:
        """The text of `env.NAME`, `file./path` or `affiliate.x`."""
        if is_secret(name):
            return self.reading.secret(name, node.place)
        if name.startswith("affiliate."):
            key = name.removeprefix("affiliate.")
            if self.affiliate is None and self.destination is None:
                self.late.append(node.place)
                return "x"
            if self.affiliate is None:
                what = f"{self.destination} is not an affiliate, so ${{{name}}} says nothing for it"
                return self.wrong(node, what, "move the line into the affiliates' own maps")
            if key not in self.affiliate:
                what = f"the affiliate {self.destination} has no setting {key}"
                return self.wrong(
                    node, what, meant(key, self.affiliate, f"write settings: {{{key}: ...}} in its file")
                )
            return self.affiliate[key]
        return self.wrong(
            node,
            f"${{{name}}} is not known",
            "known: ${affiliate.x}, ${env.NAME}, ${file./path} and paths like ${MSH-10}",
        )


__all__ = ["WRONG", "Hook", "Setting"]
