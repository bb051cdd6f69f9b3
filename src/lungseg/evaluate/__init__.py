"""How good a model is: what users run, scored case by case at the input's own resolution."""

from lungseg.evaluate.cases import CaseScore, score_cases
from lungseg.evaluate.changes import Change, changes, steadiness
from lungseg.evaluate.run import evaluate
from lungseg.evaluate.tables import summarise, write_scores

__all__ = ["CaseScore", "Change", "changes", "evaluate", "score_cases", "steadiness", "summarise", "write_scores"]
