"""Damages the text of cards and of MetaImage and NRRD headers where coverage guides it (Atheris),
until something is raised that is no sentence of lungseg.

    pip install atheris
    python tests/fuzz/guided.py card|metaimage|nrrd [--cases 100000] [--start 1]

Beside `run.py`, which reaches everything, but damages blindly. Whole files of the tests are what it
begins with. The file that was found is left in the current folder. Linux with x86-64 or 64-bit ARM.

Exit status: 0 nothing was found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import atheris

sys.path[0:0] = [str(Path(__file__).resolve().parents[1])]

with atheris.instrument_imports(include=["lungseg", "nrrd"]):
    import lungseg.card
    import lungseg.readers.metaimage
    import lungseg.readers.nrrd

from fuzz.seeds import make_seeds  # noqa: E402
from fuzz.targets import KIN  # noqa: E402

MAX_BYTES: Final = 100_000
READERS: Final = {
    "card": ("card", ".json", lungseg.card.read_card),
    "metaimage": ("volume", ".mha", lungseg.readers.read),
    "nrrd": ("volume", ".nrrd", lungseg.readers.read),
}
"""The group of seeds, the ending of files, and what reads them."""


def main() -> None:
    """Ends the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=READERS)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--start", type=int, default=1)
    arguments = parser.parse_args()
    group, ending, reader = READERS[arguments.what]
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name) / f"x{ending}"
        for place in ("made", "seeds"):
            (folder / place).mkdir()
        for number, seed in enumerate(make_seeds(folder / "made")):
            for file, content in seed.files.items():
                if seed.group == group and file.endswith(ending) and len(content) < MAX_BYTES:
                    (folder / "seeds" / f"{number}{ending}").write_bytes(content)

        def read(content: bytes) -> None:
            path.write_bytes(content)
            with suppress(*KIN):
                reader(path)

        limits = [f"-runs={arguments.cases}", f"-seed={arguments.start}", f"-max_len={MAX_BYTES}"]
        limits += ["-rss_limit_mb=2000", "-timeout=10"]
        atheris.Setup([sys.argv[0], str(folder / "seeds"), *limits], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
