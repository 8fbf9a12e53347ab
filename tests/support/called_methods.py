"""The methods of a vendor's client that a test calls, so that a new version's new method is noticed."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest


class CalledMethods:
    """The public methods of resources by their paths (`files.create`): all of them, and those that were called."""

    def __init__(self, resources: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.every: set[str] = set()
        self.called: set[str] = set()
        for path, resource in resources.items():
            for name, value in vars(type(resource)).items():
                if inspect.isfunction(value) and not name.startswith("_"):
                    self.every.add(f"{path}.{name}")
                    monkeypatch.setattr(resource, name, self._record(f"{path}.{name}", getattr(resource, name)))

    def _record(self, path: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def record(*arguments: Any, **named: Any) -> Any:
            self.called.add(path)
            return method(*arguments, **named)

        return record
