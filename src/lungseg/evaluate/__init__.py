"""How good a model is: what users run, scored case by case at the input's own resolution."""

from lungseg.evaluate.boxes import evaluate_boxes
from lungseg.evaluate.cases import CaseScore, Failure, MaskScore, score_cases
from lungseg.evaluate.changes import Change, changes, steadiness
from lungseg.evaluate.matrix import cross
from lungseg.evaluate.run import Report, evaluate

__all__ = [
    "CaseScore",
    "Change",
    "Failure",
    "MaskScore",
    "Report",
    "changes",
    "cross",
    "evaluate",
    "evaluate_boxes",
    "score_cases",
    "steadiness",
]
