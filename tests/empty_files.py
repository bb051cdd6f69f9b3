"""Empty files, for what looks at names only."""

from __future__ import annotations

from pathlib import Path


def touch(folder: Path, *names: str) -> None:
    """Makes empty files in `folder`, and the folders that their names mention."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
