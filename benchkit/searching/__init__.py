"""Runs searches: one loop for three evaluators, with budgets, constraints and traces."""

from benchkit.searching.budget import Budget
from benchkit.searching.loop import search
from benchkit.searching.table_evaluator import Evaluation, TableEvaluator
from benchkit.searching.trace import Trace

__all__ = ["Budget", "Evaluation", "TableEvaluator", "Trace", "search"]
