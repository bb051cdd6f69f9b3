"""How good a model is: what users run, scored case by case at the input's own resolution."""

from lungseg.evaluate.boxes import evaluate_boxes
from lungseg.evaluate.cases import CaseScore, MaskScore, SliceScores
from lungseg.evaluate.cross_dataset import evaluate_cross_dataset
from lungseg.evaluate.robustness import Perturbation, measure_robustness, perturbations
from lungseg.evaluate.run import Evaluation, evaluate
from lungseg.evaluate.scoring import Failure, score_cases

__all__ = [
    "CaseScore",
    "Evaluation",
    "Failure",
    "MaskScore",
    "Perturbation",
    "SliceScores",
    "evaluate",
    "evaluate_boxes",
    "evaluate_cross_dataset",
    "measure_robustness",
    "perturbations",
    "score_cases",
]
