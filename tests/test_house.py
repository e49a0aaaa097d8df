"""The house keeps its shape: imports point one way, pure rooms stay pure, files and functions stay readable."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hl7bridge"
FILES = sorted(PACKAGE.rglob("*.py"))

#: What each room may import of the others. Nothing else sees everything but engine/service.py.
MAY = {
    "errors": set(),
    "places": set(),
    "shipped": set(),
    "words": set(),
    "hl7": {"errors"},
    "affiliation": {"errors", "hl7"},
    "channel": {"errors", "hl7", "affiliation", "words"},
    "documents": {"errors", "affiliation"},
    "delivery": {"errors", "hl7"},
    "store": {"errors", "delivery", "words"},
    "connectors": {"errors", "hl7", "words"},
    "engine": {
        "errors",
        "places",
        "shipped",
        "hl7",
        "affiliation",
        "channel",
        "documents",
        "delivery",
        "store",
        "connectors",
        "drift",
        "words",
    },
    "observe": {"errors"},
    "reporting": {"errors", "hl7", "affiliation", "channel", "documents", "store"},
    "operations": {"errors", "hl7", "places", "shipped", "affiliation", "channel", "store", "reporting"},
    "testing": {
        "errors",
        "places",
        "hl7",
        "affiliation",
        "channel",
        "store",
        "connectors",
        "engine",
        "operations",
    },
    "sample": {"errors", "hl7"},
    "certify": {"errors", "hl7", "words"},
    "explain": {"errors", "hl7", "channel", "store", "engine", "changes", "words"},
    "mirth": {"errors", "hl7", "channel"},
    "drift": {"hl7", "channel", "store"},
    "changes": {"errors", "hl7", "affiliation", "channel", "store", "engine", "words"},
    "reconciliation": {"errors", "hl7", "channel", "store", "connectors", "engine", "words"},
    "cli": {
        "errors",
        "places",
        "hl7",
        "channel",
        "store",
        "engine",
        "observe",
        "operations",
        "certify",
        "changes",
        "explain",
        "sample",
        "mirth",
        "reconciliation",
        "testing",
        "words",
    },
}
#: The rooms within a room, from the lowest; each imports only those before it. What lies beside them is last, unless it has a place.
WITHIN = {
    "affiliation": ("facts", "who", "tables", "history", "alerts", "messages", "report"),
    "channel": ("written", "settings", "rules", "privacy", "keys", "feed", "deciding", "loading", "editors"),
    "engine": ("keeping", "delivering", "receiving", "edges", "lists", "programme", "operating"),
    "store": (
        "rows",
        "base",
        "hashes",
        "checks",
        "roster_list",
        "audit_check",
        "memory",
        "sqlite",
        "process",
    ),
}
#: What a room within the engine is handed, and so names.
HANDED = "from hl7bridge.engine.service import Engine"
PURE = ("hl7", "affiliation", "channel", "documents", "delivery", "sample", "mirth", "drift")
#: What a pure room never touches: networks, disks, clocks, chance, the process around it.
FOREIGN = {
    "twisted",
    "socket",
    "ssl",
    "sqlite3",
    "sqlite_utils",
    "random",
    "secrets",
    "subprocess",
    "threading",
    "asyncio",
    "tempfile",
    "shutil",
    "time",
}
#: Calls that read a clock, the environment or a file.
CALLS = {"open", "now", "today", "utcnow", "time", "monotonic", "getenv", "urandom"}


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, by its whole name, and the line; what is taken out of one may be a module, too."""
    here = ["hl7bridge", *path.relative_to(PACKAGE).parts[:-1]]
    tree = ast.parse(path.read_text())
    handed = set(_handed(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node not in handed:
            base = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module, node.lineno
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def _handed(tree: ast.Module) -> Iterator[ast.stmt]:
    """Imports of a type that a room is handed, for the type checker alone."""
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from (each for each in node.body if ast.unparse(each) == HANDED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_one_way(path: Path) -> None:
    mine = room(path)
    if mine in ("__init__", "__main__"):
        return
    for name, line in imports(path):
        parts = name.split(".")
        if parts[0] == "hl7bridge" and len(parts) > 1 and parts[1] != mine:
            assert parts[1] in MAY[mine], f"{path}:{line}: {mine} may not import {parts[1]}"


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if room(path) in WITHIN and path.stem != "__init__"],
    ids=lambda path: path.relative_to(PACKAGE).as_posix(),
)
def test_rooms_within_a_room_rest_on_each_other(path: Path) -> None:
    mine = room(path)
    order = WITHIN[mine]

    def height(part: str) -> int:
        return order.index(part) if part in order else len(order)

    here = height(path.relative_to(PACKAGE).with_suffix("").parts[1])
    for name, line in imports(path):
        parts = name.split(".")
        if parts[:2] == ["hl7bridge", mine] and len(parts) > 2:
            assert height(parts[2]) <= here, f"{path}:{line}: it may not import {name}"


@pytest.mark.parametrize("path", [path for path in FILES if room(path) in PURE], ids=str)
def test_pure_rooms_stay_pure(path: Path) -> None:
    for name, line in imports(path):
        assert name.split(".")[0] not in FOREIGN, f"{path}:{line}: {name} in a pure room"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            assert name not in CALLS, f"{path}:{node.lineno}: {name}() in a pure room"
        if isinstance(node, ast.Attribute):
            assert node.attr != "environ", f"{path}:{node.lineno}: the environment in a pure room"


def test_faces_know_no_sql() -> None:
    for path in FILES:
        names = {name for name, _ in imports(path)}
        if room(path) == "cli":
            assert not any(name.startswith(("sqlite", "hl7bridge.store.sqlite")) for name in names), path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_files_and_functions_stay_readable(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 420, "this file has become two"
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says what it holds"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno <= 65, f"{node.name} has grown too long"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_what_is_counted_is_said_in_one_way(path: Path) -> None:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        assert not re.search(r'"1 [a-z ]+" if ', line), f"{path}:{number}: words.counted says this"


@pytest.mark.parametrize(
    "face",
    [path for path in FILES if path.stem == "__init__" and room(path) not in ("__init__", "cli")],
    ids=lambda path: path.parent.relative_to(PACKAGE).as_posix(),
)
def test_a_face_names_what_lies_behind_it(face: Path) -> None:
    said = ast.get_docstring(ast.parse(face.read_text())) or ""
    behind = {
        path.stem for path in face.parent.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    missing = {each for each in behind - {"__init__"} if not re.search(rf"\b{each}\b", said)}
    assert not missing, f"{face}: {', '.join(sorted(missing))}"
