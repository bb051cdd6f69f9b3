"""Cases to learn from and to judge by: public layouts, splits by patient, and what a mask of each convention does and does not say."""

from lungseg.datasets.cases import Case, read_manifest, recognise, write_manifest
from lungseg.datasets.split import split_by_patient
from lungseg.datasets.truth import read_labels

__all__ = ["Case", "read_labels", "read_manifest", "recognise", "split_by_patient", "write_manifest"]
