"""The networks of ``darts``: stacks of two cells, as `benchkit.spaces.nasnet.network` builds them."""

from benchkit.spaces.nasnet.network import NETWORKS

__all__ = ["NETWORKS"]
