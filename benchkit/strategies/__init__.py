"""Holds the methods that search a space, a file or a folder each, and the protocols that they obey.

A strategy is added by its file and one line in `_STRATEGIES` or `_WEIGHT_SHARING`. One in a package of its
own is named by ``package.module:Class`` wherever a strategy's name is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchkit.base.errors import InputError, shown, unknown
from benchkit.strategies.protocol import Ask, SearchStrategy, Strategy
from benchkit.strategies.weight_sharing import WeightSharingStrategy

__all__ = [
    "Ask",
    "SearchStrategy",
    "Strategy",
    "get_strategy",
    "get_weight_sharing",
    "strategy_names",
    "weight_sharing_names",
]


# name -> module:class; imported when first asked for, so that listing costs nothing
_STRATEGIES = {
    "random-search": "random_search:RandomSearch",
    "regularized-evolution": "regularized_evolution:RegularizedEvolution",
    "local-search": "local_search:LocalSearch",
    "reinforce": "reinforce:Reinforce",
    "tpe": "tpe:TPE",
    "bohb": "bohb:BOHB",
    "bananas": "bananas:BANANAS",
    "nasas": "nasas.queries:NASASQueries",
    "vaenas": "vaenas.queries:VAENASQueries",
    "gibbsnas": "gibbsnas.queries:GibbsNASQueries",
    "pcnas": "pcnas.queries:PCNASQueries",
    "sivdnas": "sivdnas.queries:SIVDNASQueries",
}

# the same for those that train a supernet before they search it, see `WeightSharingStrategy`
_WEIGHT_SHARING = {
    "spos": "spos:SPOS",
    "fairnas": "fairnas:FairNAS",
    "rsps": "rsps:RSPS",
    "darts": "darts:DARTS",
    "darts-v2": "darts:SecondOrderDARTS",
    "gdas": "gdas:GDAS",
    "snas": "snas:SNAS",
    "setn": "setn:SETN",
    "enas": "enas:ENAS",
    "nasas": "nasas.supernet:NASAS",
    "vaenas": "vaenas.one_shot:VAENAS",
    "vaenas-g": "vaenas.gradient:VAENASGradient",
    "gibbsnas": "gibbsnas.supernet:GibbsNAS",
    "pcnas": "pcnas.supernet:PCNAS",
    "sivdnas": "sivdnas.supernet:SIVDNAS",
}


def strategy_names() -> list[str]:
    """Return the names of all query-backed strategies, baselines first."""
    return list(_STRATEGIES)


def get_strategy(name: str) -> type[SearchStrategy]:
    """Return the strategy class of that name, or of that ``package.module:Class``.

    Raises
    ------
    InputError : There is no such strategy; the error lists those that there are. A module cannot be imported,
        or holds no such class.
    """
    return _found("strategy", name, _STRATEGIES, SearchStrategy)


def weight_sharing_names() -> list[str]:
    """Return the names of the strategies that train a supernet."""
    return list(_WEIGHT_SHARING)


def get_weight_sharing(name: str) -> type[WeightSharingStrategy]:
    """Return the weight-sharing strategy class of that name, or of that ``package.module:Class``.

    Raises
    ------
    InputError : As in `get_strategy`.
    """
    return _found("weight-sharing strategy", name, _WEIGHT_SHARING, WeightSharingStrategy)


def _found(noun: str, name: str, registry: dict[str, str], kind: type[Any]) -> type[Any]:
    if ":" in name:
        return _foreign(name, kind)
    if name not in registry:
        raise unknown(noun, name, registry)
    module, attribute = registry[name].split(":")
    strategy: type[Any] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return strategy


def _foreign(name: str, kind: type[Any]) -> type[Any]:
    """Return the class that ``package.module:Class`` names, a strategy of that kind."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute, None)
    except (ImportError, ValueError, TypeError) as error:  # the latter two: an empty or a relative name
        raise InputError(
            f"cannot import strategy {shown(name)}: {error}; is its package installed, or on PYTHONPATH?"
        ) from error
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise InputError(f"{module} has no class {shown(attribute)} that is a {kind.__name__}")
    return found
