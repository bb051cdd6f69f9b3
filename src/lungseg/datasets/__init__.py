"""Cases to learn from and to judge by: public layouts, splits by patient, and what a mask of each
convention does and does not say.
"""

from lungseg.datasets.cases import Case
from lungseg.datasets.ground_truth import read_labels
from lungseg.datasets.layouts import Recognised, recognise, survey
from lungseg.datasets.manifest import read_manifest, write_manifest
from lungseg.datasets.rsna import Box, read_boxes
from lungseg.datasets.split import split_by_patient, split_into_folds

__all__ = [
    "Box",
    "Case",
    "Recognised",
    "read_boxes",
    "read_labels",
    "read_manifest",
    "recognise",
    "split_by_patient",
    "split_into_folds",
    "survey",
    "write_manifest",
]
