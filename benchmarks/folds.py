"""Cross-validation: every case scored by a run that did not learn from its patient, all folds
together.

    lungseg dataset data/cxr -o cases.csv --folds 5
    for k in 1 2 3 4 5; do lungseg train cases-fold$k.csv -o runs/fold$k; done
    python benchmarks/folds.py runs/fold1 runs/fold2 runs/fold3 runs/fold4 runs/fold5 [--source NAME
    ...] > tables.md

Exports each run's last epoch, which no validation case chose, scores it on the validation cases of
the run as users would run it, and prints the tables of `lungseg evaluate` over all runs. What the
weights had learned from before they came to a run (`start_from`, `pseudo_label_with`) is not looked
at: name the sources that they had not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lungseg.datasets import read_manifest
from lungseg.evaluate import CaseScore, score_cases
from lungseg.evaluate.summary import structures_of, summaries
from lungseg.evaluate.tables import summarise, summarise_confidence
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.train.export import export


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument(
        "--source", action="append", metavar="NAME", help="score only this source; may be repeated"
    )
    arguments = parser.parse_args()
    scores: list[CaseScore] = []
    for run in arguments.runs:
        model = run / "last.onnx"
        export(run / "last.ckpt", model)
        cases = [
            case
            for case in read_manifest(run / "cases.csv")
            if case.split == "validation" and case.mask is not None
        ]
        found, failures = score_cases(
            RadiographSegmenter(model),
            [case for case in cases if not arguments.source or case.source in arguments.source],
            workers=2,
        )
        if failures:
            sys.exit("\n".join(map(str, failures)))
        if twice := {(score.source, score.case) for score in found} & {
            (score.source, score.case) for score in scores
        }:
            sys.exit(
                f"{run}: {len(twice)} of its validation cases are another run's too, so these "
                "are no folds"
            )
        scores += found
    for structure in structures_of(scores):
        print(f"{structure}:\n\n{summarise(scores, structure).markdown()}\n")
    print(summarise_confidence(summaries(scores)).markdown())


if __name__ == "__main__":
    main()
