"""benchkit: reproducible neural-architecture-search leaderboards on tables of real results."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchkit.base.version import __version__

if TYPE_CHECKING:
    from benchkit.base.errors import InputError
    from benchkit.data.tables import Metric, Table, open_table, table_names
    from benchkit.reports.api import run_study
    from benchkit.searching import TableEvaluator
    from benchkit.spaces import get_space, space_names
    from benchkit.strategies import get_strategy, strategy_names
    from benchkit.studies.spec import load_study
    from benchkit.studies.store import StudyDirectory

__all__ = [
    "InputError",
    "Metric",
    "StudyDirectory",
    "Table",
    "TableEvaluator",
    "__version__",
    "get_space",
    "get_strategy",
    "load_study",
    "open_table",
    "run_study",
    "space_names",
    "strategy_names",
    "table_names",
]

_HOME = {
    "InputError": "benchkit.base.errors",
    "StudyDirectory": "benchkit.studies.store",
    "Metric": "benchkit.data.tables",
    "Table": "benchkit.data.tables",
    "TableEvaluator": "benchkit.searching",
    "get_space": "benchkit.spaces",
    "get_strategy": "benchkit.strategies",
    "load_study": "benchkit.studies.spec",
    "open_table": "benchkit.data.tables",
    "run_study": "benchkit.reports.api",
    "space_names": "benchkit.spaces",
    "strategy_names": "benchkit.strategies",
    "table_names": "benchkit.data.tables",
}


def __getattr__(name: str) -> Any:
    # loaded when first used: `import benchkit` itself costs almost nothing
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
