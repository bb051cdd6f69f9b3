"""One word for one thing: what the field calls otherwise comes back neither as an identifier nor
in prose.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src" / "lungseg").rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("benchmarks/*.py")])

FORMER = {
    "trachea": {"windpipe", "remove_windpipe", "find_windpipe"},
    "forward pass, test-time augmentation": {"Look", "first_look", "again", "LOOKED_AT"},
    "features, fingerprint": {"Signs", "first_signs", "second_signs", "lean"},
    "out-of-distribution": {"strangers", "Stranger"},
    "degradation": {"hardened", "hardship", "wear", "worn"},
    "pseudo-label; assign": {"settle", "settled", "settle_with"},
    "worker pool, request": {"crew", "Crew", "wishes"},
    "fraction": {"shares", "SMALLEST_SHARE"},
    "MIN_LUNG_FRACTION": {"SMALLEST_LUNG"},
    "Modality, ReportFormat": {"Kind", "KINDS"},
    "OpacityBox, IndexRow, TrainingSettings": {"Line", "Row", "Settings"},
    "the plural of structures.py": {"BOTH"},
    "confidence, a mapping": {"Confidence"},
    "Reorientation, rotate_180": {"Turn", "askew", "half_turn"},
    "ImageGeometry, VolumeGeometry, SpacingPlane": {"Geometry", "Grid", "Plane"},
    "preprocess, postprocess, resize": {"prepare", "clean", "restore", "restored", "centred"},
    "progress, slots": {"Tell", "room"},
    "nouns for types": {"Found", "Stored", "Decoded", "Marked", "Sliced"},
    "to_8_bits, grey_to_rgb, refused_stamp, thumbnail": {"shades", "threefold", "stamped"},
    "skip_quality, skip_refused": {"quick", "strict"},
    "QualityModel, QuadraticModel": {"learned", "Learned", "LearnedVolume", "read_beside"},
    "evidence": {"speaks"},
    "ReportContent": {"Study"},
    "DataProblem": {"Finding", "grave"},
    "robustness, Perturbation": {"Change", "changes", "steadiness"},
    "raw, p05, hd95_at_1024": {"uncleaned", "area_error", "worst_twentieth", "hd95_of_1024"},
    "swapped, split_lungs, assign_sides": {"parted", "part_lungs", "label_sides"},
    "lung_extent": {"convention"},
    "parameters, AugmentationSettings": {"Draw", "Strength"},
    "occlusion": {"obscure", "Fluid", "Patches", "Letters"},
    "EpochSampler, load_initial_weights": {"Order", "begin_with", "Deployed", "both_sides"},
    "oversample": {"repeat"},
    "SecurityMiddleware, HTTPProblem": {"Guard", "Refusal", "Impatient", "nameless"},
    "max_upload_mb, job_timeout, retention": {"most_megabytes", "time_limit", "keep", "idle"},
    "read_errors, quiet_pydicom, duplicates": {"explained", "silence", "Guarded", "twins"},
    "discover, resplit, drop_unusable": {"survey", "recognise", "redraw", "drop_findings"},
}
"""By the word that took their place."""

PREFIXES = ("SMALLEST", "LARGEST", "LEAST", "MOST_", "FEWEST", "LONGEST", "FARTHEST")
"""Of constants; it is MIN_ and MAX_, with the unit behind."""


def identifiers(tree: ast.AST) -> set[str]:
    """Names of functions, classes, arguments, fields and variables that a file makes."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@pytest.mark.slow
def test_no_identifier_is_a_word_that_the_field_does_not_use() -> None:
    found = []
    for path in SOURCES:
        made = identifiers(ast.parse(path.read_text(encoding="utf-8")))
        found += [
            f"{path.relative_to(ROOT)}: {name} is {word}"
            for word, names in FORMER.items()
            for name in sorted(made & names)
        ]
        found += [f"{path.relative_to(ROOT)}: {name}" for name in made if name.startswith(PREFIXES)]
    assert found == []


FORMER_PROSE = {
    "trachea": r"windpipes?",
    "degraded": r"made hard(er)?|hardened|hardship",
    "eroded": r"worn off",
    "fraction": r"(?:the|a|in) shares?|shares? of",
    "ground truth": r"(?<!ground )(?<!ground-)truths?",
    "out-of-distribution inputs": r"strangers?",
    "features": r"such signs",
    "pseudo-label": r"settle[sd]?|settle-with",
    "5th percentile": r"worst twentieth",
    "robustness": r"steadiness|how steady",
    "raw": r"uncleaned",
    "worker pool": r"crew",
    "missing_slices": r"image\.gaps",
    "modality": r"kind=\"ct",
    "--skip-quality": r"--quick",
    "--show-identity, --outputs": r"--identify|--only",
}
"""Patterns, by the word that took their place in the prose of pages and docstrings."""


def test_no_page_and_no_docstring_has_a_word_that_the_field_does_not_use() -> None:
    any_word = re.compile(rf"(?<!\w)(?:{'|'.join(FORMER_PROSE.values())})(?!\w)", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]!r}"
        for path in [*PAGES, *SOURCES]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for match in any_word.finditer(line)
    ]
    assert found == []
