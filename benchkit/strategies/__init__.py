"""How a space is searched: one file a method, and the protocols that they obey.

Adding a strategy is one new file and one line in `_STRATEGIES`.
"""

from __future__ import annotations

from importlib import import_module

from benchkit.spaces.errors import unknown
from benchkit.strategies.protocol import Ask, SearchStrategy, Strategy

__all__ = ["Ask", "SearchStrategy", "Strategy", "get_strategy", "strategy_names"]

# name -> module:class; imported when first asked for, so that listing costs nothing
_STRATEGIES = {
    "random-search": "random_search:RandomSearch",
    "regularized-evolution": "regularized_evolution:RegularizedEvolution",
    "local-search": "local_search:LocalSearch",
    "reinforce": "reinforce:Reinforce",
    "tpe": "tpe:TPE",
    "bohb": "bohb:BOHB",
    "bananas": "bananas:BANANAS",
}


def strategy_names() -> list[str]:
    """Return the names of all strategies, baselines first."""
    return list(_STRATEGIES)


def get_strategy(name: str) -> type[SearchStrategy]:
    """Return the strategy class of that name.

    Raises
    ------
    InputError : there is no such strategy; it lists those there are.
    """
    if name not in _STRATEGIES:
        raise unknown("strategy", name, _STRATEGIES)
    module, attribute = _STRATEGIES[name].split(":")
    strategy: type[SearchStrategy] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return strategy
