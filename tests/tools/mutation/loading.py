"""The module that runs the cases on top of a mutant, and whatever else is loaded anew."""

import functools
import gc
import importlib
import importlib.abc
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from tests.support.paths import REPOSITORY
from tests.tools.mutation.mutants import Mutant

TRANSLATION = "adapter.translate"
RELOADED = (TRANSLATION, "adapter.settings", "adapter.server", "adapter.cli", "tests.support.pure")


def load_cases(mutant: Mutant | None = None) -> Any:
    """Load anew what runs the cases and all it depends on, so that no table or import keeps the original.

    A package's attribute goes too: `from adapter import settings` would take it.
    """
    for name in sorted((name for name in sys.modules if name.startswith(RELOADED)), reverse=True):
        package, _, module = name.rpartition(".")
        vars(sys.modules[package]).pop(module, None)
        del sys.modules[name]
    _find(mutant)
    return importlib.import_module("tests.support.pure")


def without_ours(mutant: Mutant | None = None) -> None:
    """Forget all modules of the project, so that whoever imports them loads them anew."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("adapter", "conformance", "tests")]:
        del sys.modules[name]
    _find(mutant)


def _find(mutant: Mutant | None) -> None:
    if mutant is not None:
        sys.meta_path.insert(0, _Finder(mutant))


def caches() -> list[Callable[[], None]]:
    """Return what empties each cache of `adapter.translate`: a result in a cache hides the code that made it."""
    byte_cache: Any = sys.modules["adapter.translate.core.byte_cache"]
    found: list[Callable[[], None]] = []
    for thing in gc.get_objects():
        if isinstance(thing, functools._lru_cache_wrapper) and thing.__module__.startswith(TRANSLATION):
            found.append(thing.cache_clear)
        elif isinstance(thing, byte_cache.ByteCache):
            found.append(functools.partial(thing.__init__, thing._max_bytes, thing._max_entry))
    return found


def replace_function(mutant: Mutant) -> Any:
    """The module that runs the cases, with the changed function's code in the place of the original's: quicker."""
    holder: Any = sys.modules[_module(mutant.path)]
    code = compile(mutant.source, str(mutant.path), "exec")
    for part in mutant.function.split("."):
        holder = vars(holder)[part]
        code = next(inner for inner in _codes(code) if inner.co_name == part)
    getattr(holder, "__func__", holder).__code__ = code
    return sys.modules["tests.support.pure"]


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    return (constant for constant in code.co_consts if isinstance(constant, types.CodeType))


def _module(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the mutant in place of the file."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = _module(mutant.path)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Find the file that is changed."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._mutant.path, loader=self)

    def exec_module(self, module: types.ModuleType) -> None:
        """Execute what it was changed to."""
        exec(compile(self._mutant.source, str(self._mutant.path), "exec"), module.__dict__)
