"""The import rule of the layers, held over the source itself."""

import re
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY
from tests.support.sources import read_source

PACKAGE = REPOSITORY / "adapter"

MAY_IMPORT = {
    "wire": {"wire"},
    "translate": {"wire", "translate"},
    "extras": set(),
    "upstream": {"wire", "upstream", "extras"},
    "store": {"wire", "store", "extras"},
    "server": {"wire", "translate", "upstream", "store", "server", "settings", "extras", ""},
    "settings": {"wire", "translate", "upstream", "store", "settings", "extras"},
    "emulator": {"emulator"},
    "report": {"wire", "translate", "report"},
}
"""Layer to the layers it may import; `cli` and `__main__` may import all, `` is the package itself."""

MAY_IMPORT_BY_NAME = {"extras.py", "cli/__init__.py"}
"""Files that import a module whose name stands in a string: for what an extra brings, and for commands."""

PURE = {
    "wire": {"msgspec"},
    "translate": {"msgspec", "orjson"},
}
"""Third-party modules that the pure layers may import."""

PURE_STANDARD = {
    "base64", "bisect", "collections", "copy", "datetime", "enum", "fnmatch", "functools", "hashlib", "io", "itertools",
    "json", "math", "operator", "re", "string", "struct", "threading", "types", "typing", "wave",
}  # fmt: skip
"""Modules of the standard library without a clock, randomness, environment or network; of datetime, see below."""

POSIX = {"fcntl", "grp", "pwd", "resource", "termios", "tty"}

CLOCKS = {"now", "utcnow", "today"}
"""The names of datetime that read a clock."""

FILES = sorted(PACKAGE.rglob("*.py"))


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imports_of(path: Path) -> list[tuple[str, int]]:
    """List every module that a file imports, wherever the import stands, with its line."""
    source = read_source(path)
    assert not source.relative_imports, f"{path}:{source.relative_imports}: write absolute imports here"
    return [(module if name is None else _target(module, name), line) for module, name, line in source.imports]


def loads_of(path: Path) -> list[tuple[str, int]]:
    """List every module that a file loads by its name in a string, with its line (`extras.load`)."""
    found = []
    for name, line in read_source(path).loaded:
        assert name is not None, f"{path}:{line}: name the module here"
        found.append((name, line))
    return found


def needs_of(path: Path) -> list[tuple[str, int]]:
    """List every module that a file imports or loads, with its line."""
    return [*imports_of(path), *loads_of(path)]


def _target(module: str, name: str) -> str:
    """The module that `from module import name` needs: a module of that name, or the one that defines it."""
    inner = PACKAGE.parent.joinpath(*module.split("."), name)
    return f"{module}.{name}" if inner.with_suffix(".py").exists() or inner.is_dir() else module


def test_layers_import_only_what_they_may():
    for layer, path, (module, line) in [(layer_of(file), file, one) for file in FILES for one in needs_of(file)]:
        top, _, rest = module.partition(".")
        where = f"{path}:{line}: {layer} may not import {module}"
        if top == "adapter" and layer in MAY_IMPORT:
            target = rest.partition(".")[0]
            assert target in MAY_IMPORT[layer], f"{where}, only {sorted(MAY_IMPORT[layer])}"
        elif layer in PURE and top in sys.stdlib_module_names:
            assert top in PURE_STANDARD, f"{where}; if it has no clock, randomness or I/O, add it to PURE_STANDARD"
        elif layer in PURE and top != "adapter":
            assert top in PURE[layer], f"{where}: a pure layer has few dependencies (PURE in this file)"


def test_imports_stand_at_the_top_of_the_file():
    for path in FILES:
        inner = sorted({line for _, line in imports_of(path)} - read_source(path).outer_lines)
        assert not inner, f"move the imports in lines {inner} of {path} to its top: inside functions they hide cycles"


def test_modules_that_windows_lacks_are_imported_where_the_platform_is_asked_or_with_uvloop():
    """The adapter starts on Windows too (docs/installation.md); uvloop and what needs it do not exist there."""
    found = set()
    for path in FILES:
        modules = {module for module, _line in imports_of(path)}
        if modules & POSIX and "uvloop" not in modules and 'if sys.platform == "win32":' not in path.read_text("utf-8"):
            found.add(path.relative_to(PACKAGE).as_posix())
    assert not found


def test_layers_of_the_rule_exist():
    named = {*MAY_IMPORT, *(target for targets in MAY_IMPORT.values() for target in targets)} - {""}
    missing = [layer for layer in named if not (PACKAGE / layer).is_dir() and not (PACKAGE / f"{layer}.py").is_file()]
    assert not missing


def test_only_extras_and_commands_are_imported_by_name():
    by_name = {
        path.relative_to(PACKAGE).as_posix()
        for path in FILES
        for name, _ in read_source(path).names
        if name in ("import_module", "__import__")
    }
    assert by_name == MAY_IMPORT_BY_NAME, "load it with adapter/extras.py, which says what is missing"


def test_one_file_imports_private_classes_of_uvicorn():
    importers = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        for module, _ in imports_of(path)
        if module.startswith("uvicorn.") and not module.startswith("uvicorn.supervisors")
    }
    assert importers == {"server/http/uvicorn_classes.py"}


def test_modules_form_no_cycle():
    check_no_circle(
        {module_of(path): {name for name, _ in needs_of(path) if name.startswith("adapter")} for path in FILES}
    )


@pytest.mark.parametrize("layer", ["emulator", "server", "store", "translate", "upstream"])
def test_folders_of_a_layer_form_no_circle(layer):
    """Inside a layer folders have an order, and no import runs back."""
    graph: dict[str, set[str]] = {}
    for path in (PACKAGE / layer).rglob("*.py"):
        folder = folder_of(module_of(path))
        targets = {folder_of(name) for name, _ in needs_of(path) if name.startswith(f"adapter.{layer}.")}
        graph.setdefault(folder, set()).update(targets - {folder})
    check_no_circle(graph)


def folder_of(module: str) -> str:
    """The folder below its layer that a module is in; of a file beside the folders, the module."""
    return ".".join(module.split(".")[:3])


def check_no_circle(graph: dict[str, set[str]]) -> None:
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " imports ".join([*trail[trail.index(module) :], module])
        if module in done:
            return
        for target in graph.get(module, ()):
            visit(target, (*trail, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("layer", ["wire", "translate"])
def test_pure_layers_call_nothing_of_the_world(layer):
    """No file, environment, process, clock or input: the world is an argument."""
    forbidden = {"open", "input", "print", "exec", "eval", "__import__", "breakpoint"}
    for path in (PACKAGE / layer).rglob("*.py"):
        source = read_source(path)
        for name, line in source.calls:
            assert name not in forbidden, f"{path.name}:{line} calls {name}"
        for name, line in source.attributes:
            assert name not in CLOCKS, f"{path.name}:{line} reads a clock: {name}"
        assert not source.awaits, f"{path.name} awaits"


TESTS = REPOSITORY / "tests"

IMPORTS_A_TEST = re.compile(r"^\s*(?:import|from)\s[^\n]*(?:\btest_|\([^)]*\btest_)", re.MULTILINE)


def test_no_file_of_tests_imports_a_test_file():
    """A test file can be read, moved or deleted alone; what several of them use is in a module beside them or above."""
    for path in TESTS.rglob("*.py"):
        is_of_support = path.is_relative_to(TESTS / "support")
        # To parse all of them takes seconds: those that say `test_` in what they import are looked at.
        if not (is_of_support or IMPORTS_A_TEST.search(path.read_text())):
            continue
        of_tests = [name for name, _ in imports_of(path) if name.startswith("tests.")]
        taken = [name for name in of_tests if ".test_" in name]
        assert not taken, f"move what {path.name} takes from {taken} to a module of their folder, or to tests/support/"
        if is_of_support:
            beside = [name for name in of_tests if not name.startswith("tests.support")]
            assert not beside, f"tests/support/{path.name} needs {beside}: move that to tests/support/ too"


def test_every_folder_of_tests_is_a_package():
    """Two test files of one name would hide each other. A client's folder with a lock file runs by itself."""
    folders = {path.parent for path in TESTS.rglob("test_*.py") if not (path.parent / "requirements.in").exists()}
    bare = [str(folder) for folder in folders if not (folder / "__init__.py").is_file()]
    assert not bare, f"add an empty __init__.py to {bare}"


@pytest.mark.parametrize("layer", sorted({*MAY_IMPORT, "cli"} - {"extras"}))
def test_folders_of_tests_are_those_of_the_layer(layer):
    """The tests of a file have its path under tests/."""
    folders = {path.parent.relative_to(TESTS) for path in (TESTS / layer).rglob("test_*.py")}
    assert folders, f"tests/{layer} has no tests"
    lost = sorted(str(folder) for folder in folders if not (PACKAGE / folder).is_dir())
    assert not lost, f"move the tests in tests/{lost} to where their code is in adapter/{layer}"
