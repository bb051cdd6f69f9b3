"""Cells of a CSV that no spreadsheet takes for a formula, whatever somebody is called."""

from __future__ import annotations

from typing import Final, TypeVar

T = TypeVar("T")

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What spreadsheets take for the beginning of a formula (OWASP, "CSV Injection")."""


def harmless(cell: T) -> T | str:
    """A text with an apostrophe before what would be a formula; any other value as it is."""
    return f"'{cell}" if isinstance(cell, str) and _is_formula(cell) else cell


def as_it_was(cell: str) -> str:
    """The text of which `harmless` made a cell."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _is_formula(text: str) -> bool:
    return text.lstrip("'").startswith(FORMULA)
