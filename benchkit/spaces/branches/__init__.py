"""The kernel slices of multi-branch networks, which NASAS chooses among."""

from benchkit.spaces.branches.counts import count_branches
from benchkit.spaces.branches.encoding import branches_space, full_names
from benchkit.spaces.record import SpaceRecord
from benchkit.spaces.sizes import NetworkSize

__all__ = ["RECORD"]

RECORD = SpaceRecord(
    __name__,
    families={"branches": branches_space},
    usual=tuple(full_names()),
    size=NetworkSize,
    count=count_branches,
)
