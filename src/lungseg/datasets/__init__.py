"""Cases to learn from and to judge by: public layouts, splits by patient, and what a mask does and
does not say.
"""

from lungseg.datasets.cases import Case
from lungseg.datasets.ground_truth import read_labels
from lungseg.datasets.layouts import DataSet, discover, discover_cases
from lungseg.datasets.manifest import read_manifest, write_manifest
from lungseg.datasets.rsna import OpacityBox, read_boxes
from lungseg.datasets.split import split_by_patient, split_into_folds

__all__ = [
    "Case",
    "DataSet",
    "OpacityBox",
    "discover",
    "discover_cases",
    "read_boxes",
    "read_labels",
    "read_manifest",
    "split_by_patient",
    "split_into_folds",
    "write_manifest",
]
