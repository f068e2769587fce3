"""Finds the entries of a table that belong to architectures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchkit.spaces import Space
from benchkit.spaces.base import Keys
from benchkit.spaces.row_index import RowIndex


@dataclass(frozen=True, slots=True)
class Lookup:
    """Map from architectures to entries.

    Attributes
    ----------
    space : Space of the table (restricted where the table covers part of it).
    keys : Sorted keys of the entries; None where entry i is architecture i of the space.
    stored : Entries by their exact choices, which spares most rows their key; with `keys` only.
    """

    space: Space
    keys: Keys | None
    stored: RowIndex | None = None

    def locate(self, batch: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return int64[n]: the entry of each architecture.

        Raises ArchitectureError for a row that is malformed, not in the space, or not among the entries.
        """
        if not self.space.complete:
            return self.space.index(self.space.shaped(batch))  # its index is that of the entries, and checks
        if self.keys is None or self.stored is None:
            return self.space.index(self.space.validate(batch))
        rows = self.space.shaped(batch)
        entry = self.stored.find(rows)
        rest = np.flatnonzero(entry < 0)  # another encoding of an entry, or not a member
        if len(rest):
            entry[rest] = np.searchsorted(self.keys, self.space.key(self.space.validate(rows[rest])))
        return entry
