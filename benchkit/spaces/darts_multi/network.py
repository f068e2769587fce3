"""The networks of ``darts-multi``: stacks of two cells, as `benchkit.spaces.nasnet.network` builds them."""

from benchkit.spaces.nasnet.network import NETWORKS

__all__ = ["NETWORKS"]
