"""NAS-Bench-Macro: chains of eight layers."""

from benchkit.spaces.nasbench_macro.counts import NASBenchMacroSize, count_macro_chain
from benchkit.spaces.nasbench_macro.encoding import NASBenchMacro
from benchkit.spaces.record import SpaceRecord

__all__ = ["RECORD"]

RECORD = SpaceRecord(
    __name__, spaces={"nasbench-macro": NASBenchMacro}, size=NASBenchMacroSize, count=count_macro_chain
)
