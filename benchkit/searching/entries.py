"""Selects the entries of a table that a search sees: all, or those that have a value in certain columns.

Where they are fewer than the table's, the space of the search is restricted to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from benchkit.base.errors import InputError
from benchkit.data.tables.lookup import Lookup
from benchkit.data.tables.metric import Metric
from benchkit.data.tables.table import Table
from benchkit.spaces import Space

Needs = tuple[tuple[Metric, ...], ...]
"""Groups of columns; an entry must have one of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Entries of a table.

    Attributes
    ----------
    lookup : Look-up from architectures to places among these entries.
    rows : int64[m], their rows in the table, ascending; None where they are all.
    of : Number of entries of the table.
    """

    lookup: Lookup
    rows: npt.NDArray[np.int64] | None
    of: int

    @property
    def space(self) -> Space:
        """The space of these architectures; restricted where they are not the whole of it."""
        return self.lookup.space

    @property
    def n(self) -> int:
        """Number of these entries."""
        return self.of if self.rows is None else len(self.rows)

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """bool[of], which entries of the table these are."""
        mask = np.full(self.of, self.rows is None)
        if self.rows is not None:
            mask[self.rows] = True
        return mask

    def locate(self, batch: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return int64[n], the row in the table of each architecture.

        Raises
        ------
        ArchitectureError : An architecture is not among these entries.
        """
        place = self.lookup.locate(batch)
        return place if self.rows is None else self.rows[place]


@lru_cache(maxsize=8)  # a restricted space of many thousand rows is made once a process, not once a trial
def entries_with(table: Table, needs: Needs) -> Entries:
    """Return the entries that have a value in one column of every group.

    Raises
    ------
    InputError : The table lacks a column, or no entry has all.
    """
    has = np.ones(len(table), dtype=np.bool_)
    for group in needs:
        has &= np.any([table.present(metric) for metric in group], axis=0)
        if not has.any():
            names = ", ".join(dict.fromkeys(str(each[0]) for each in needs))
            raise InputError(f"no entry of table {table.name} has all of {names}")
    if has.all():
        return Entries(table.lookup, None, len(table))
    from benchkit.spaces.restricted import RestrictedSpace

    rows = np.flatnonzero(has)
    # the table's rows are in the order of their keys, and so are those of the restricted space
    space = RestrictedSpace(table.base_space, table.rows[rows], name=table.base_space.name)
    return Entries(Lookup(space, None), rows, len(table))
