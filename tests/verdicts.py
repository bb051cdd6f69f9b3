"""Verdicts as tests expect them, by their codes."""

from __future__ import annotations

from lungseg.modality import Modality
from lungseg.verdict import REASONS, Status, Verdict


def given(modality: Modality, status: Status, *codes: str) -> Verdict:
    """With the sentences that the table has for these codes."""
    sentences = {reason.code: reason.sentence for reason in REASONS[modality]}
    return Verdict(status, codes, tuple(sentences[code] for code in codes))
