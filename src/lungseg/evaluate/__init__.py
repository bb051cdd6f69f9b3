"""How good a model is: what users run, scored case by case at the input's own resolution."""

from lungseg.evaluate.boxes import evaluate_boxes
from lungseg.evaluate.cases import CaseScore, MaskScore, SliceScores
from lungseg.evaluate.cross_dataset import cross
from lungseg.evaluate.robustness import Change, changes, steadiness
from lungseg.evaluate.run import Report, evaluate
from lungseg.evaluate.scoring import Failure, score_cases

__all__ = [
    "CaseScore",
    "Change",
    "Failure",
    "MaskScore",
    "Report",
    "SliceScores",
    "changes",
    "cross",
    "evaluate",
    "evaluate_boxes",
    "score_cases",
    "steadiness",
]
