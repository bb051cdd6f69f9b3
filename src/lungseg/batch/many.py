"""Many inputs segmented side by side, each written and recorded as soon as it is done."""

from __future__ import annotations

import operator
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import closing, nullcontext, suppress
from pathlib import Path

from lungseg.batch.inputs import name_inputs
from lungseg.batch.moved import follow_moved
from lungseg.batch.plan import LayersOutputs, layers_outputs, left_something, plan
from lungseg.cell_bar import CellBar, in_notebook
from lungseg.errors import InstallationError, UsageError
from lungseg.options import SegmentOptions
from lungseg.predict import processors
from lungseg.readers import LeftOut, Probe
from lungseg.report import write_index
from lungseg.runner import Job, Outcome, RunOptions, failed
from lungseg.runner.executors import workers_of
from lungseg.runner.job import absolute
from lungseg.runner.work import work
from lungseg.segmenter import Segmenter
from lungseg.verdict import WHY_LEFT_OUT
from lungseg.writers import OUTPUTS, Ledger, Record, input_path
from lungseg.writers import left_out as record_left_out

WAITING_PER_WORKER = 2
"""Jobs that may wait or run, for each worker; no more are planned meanwhile."""


def segment_many(
    inputs: Sequence[str | Path | Probe] | str | Path | Probe,
    options: SegmentOptions,
    run: RunOptions,
    executor: int | Executor | None = None,
    *,
    segmenter: Segmenter | None = None,
    left_out: Sequence[LeftOut] = (),
    progress: bool | None = None,
) -> Generator[Outcome, None, None]:
    """Segments inputs, writes outputs, `results.jsonl` and `summary.csv`, and yields what became of
    each as soon as it is known, in whatever order.

    Each worker takes one input the whole way (read, segment, write), so decoding, network and
    encoding of different inputs overlap, and no more images are in memory than there are workers,
    of volumes only a few. An input that fails does not stop the others. Where the caller stops
    early or is interrupted, inputs begun are finished and recorded, the others left. In the end
    records and table are in the order of the inputs; a run with reports also writes their index.

    Args:
        inputs: paths of images, volumes and folders with a DICOM series, or what was learned of
            them when they were found; one given twice is done once. One alone needs no list.
        options: how they are segmented.
        run: what is written.
        executor: number of threads, one for each processor where not given; or anything with the
            interface of `concurrent.futures.Executor`, which is left open.
        segmenter: that does it, with few threads of its own where there are many workers: the two
            multiply. Each process of an executor loads the models once.
        left_out: files that were found beside the inputs, each of which gets a record, too.
        progress: draw a bar in the output of a notebook's cell; None for wherever there is one.

    Raises:
        InstallationError: a library that this needs is missing or broken.
        ModelError: the model or its card is missing or broken.
        OutputError: the folder or the record in it cannot be written, another program writes into
            it, or it was removed meanwhile.
        UsageError: there is no worker, or the model is for the other modality.
    """
    if isinstance(inputs, str | Path | Probe):
        inputs = [inputs]
    sources = {
        absolute(given.source if isinstance(given, Probe) else given): given for given in inputs
    }
    if executor is None:
        executor = processors()
    if not hasattr(executor, "submit"):
        executor = operator.index(executor)
        if executor < 1:
            raise UsageError(f"at least one worker is needed, not {executor}")
        executor = min(executor, max(1, len(sources)))
    if segmenter is None:
        workers = executor if isinstance(executor, int) else workers_of(executor)
        segmenter = Segmenter(threads=max(1, processors() // workers))
    segmenter.modality(options)
    outcomes = _run(sources, options, run, executor, segmenter, left_out)
    drawn = in_notebook() if progress is None else progress
    return _with_bar(outcomes, len(sources)) if drawn else outcomes


def _with_bar(
    outcomes: Generator[Outcome, None, None], total: int
) -> Generator[Outcome, None, None]:
    """The same outcomes, counted in a notebook's cell."""
    bar = CellBar()
    bar.show(0, f"0 of {total}")
    with closing(outcomes):
        for done, outcome in enumerate(outcomes, 1):
            bar.show(done / total, f"{done} of {total}")
            yield outcome


def _run(
    sources: Mapping[Path, str | Path | Probe],
    options: SegmentOptions,
    run: RunOptions,
    executor: int | Executor,
    segmenter: Segmenter,
    left_out: Sequence[LeftOut],
) -> Generator[Outcome, None, None]:
    opened = (
        ThreadPoolExecutor(executor, "lungseg")
        if isinstance(executor, int)
        else nullcontext(executor)
    )
    with Ledger(run.folder) as ledger, opened as pool:
        limit = WAITING_PER_WORKER * workers_of(pool)
        follow_moved(ledger, sources, options, run)
        layers = layers_outputs(segmenter, options)
        names = _named(sources, ledger, run, layers)
        others = _add_left_out(
            ledger, [one for one in left_out if absolute(one.path) not in sources], run
        )
        waiting: dict[Future[Outcome], Job] = {}
        try:
            for source, given in sources.items():
                known = given if isinstance(given, Probe) else None
                job = plan(
                    Job(source, names[source], options, run, probe=known),
                    _earlier(ledger, source, run),
                    segmenter,
                    layers=layers,
                    inputs=sources,
                    unfinished=str(source) in ledger.unfinished,
                )
                if isinstance(job, Outcome):
                    yield job
                    continue
                ledger.begin(str(source), names[source])
                waiting[pool.submit(work, job, segmenter)] = job
                yield from _finished(
                    waiting, ledger, layers, timeout=None if len(waiting) > limit else 0
                )
            while waiting:
                yield from _finished(waiting, ledger, layers, timeout=None)
        finally:
            # Reached with something waiting only where the run was stopped: what has begun is
            # finished and recorded.
            for future in waiting:
                future.cancel()
            while waiting:
                with suppress(InstallationError):  # said already
                    _finished(waiting, ledger, layers, timeout=None)
            ledger.sort([*map(run.called, sources), *others])
        if run.reports:
            write_index(ledger.records(), run.folder, show_identity=run.show_identity)


def _named(
    sources: Mapping[Path, object], ledger: Ledger, run: RunOptions, layers: LayersOutputs
) -> dict[Path, str]:
    """A name for the outputs of each input: the one that it has, or a new one."""
    known = {input_path(record): str(record.get("name", "")) for record in ledger.records()}
    known |= ledger.unfinished
    known = {path: name for path, name in known.items() if name}
    outputs = (*OUTPUTS, *(output for own in layers.values() for output in own))
    return name_inputs(list(sources), known, run.folder, outputs)


def _add_left_out(ledger: Ledger, left_out: Sequence[LeftOut], run: RunOptions) -> list[str]:
    """Records what is no input, and gives back what it is called."""
    called = [run.called(absolute(one.path)) for one in left_out]
    for name, one in zip(called, left_out, strict=True):
        entry = record_left_out(name, one.code, f"{one.what}: {WHY_LEFT_OUT[one.code]}")
        entry |= run.named(absolute(one.path))
        ledger.add(entry)
    return called


def _earlier(ledger: Ledger, source: Path, run: RunOptions) -> Record | None:
    """The record of an input, not that of one which is gone and was called the same."""
    record = ledger.record(run.called(source))
    return record if record is not None and input_path(record) == str(source) else None


def _finished(
    waiting: dict[Future[Outcome], Job],
    ledger: Ledger,
    layers: LayersOutputs,
    *,
    timeout: float | None,
) -> Iterable[Outcome]:
    """Those that are done, or the first where none is and there is time: recorded, and only then
    taken off, so that an interruption loses nothing.
    """
    done, _ = wait(waiting, timeout, FIRST_COMPLETED)
    outcomes = []
    for future in done:
        if future.cancelled():
            ledger.give_up(str(waiting[future].source))
        else:
            problem = future.exception()  # of the executor; work raises nothing of an input
            if isinstance(problem, InstallationError):
                del waiting[future]
                raise problem
            outcome = future.result() if problem is None else failed(waiting[future], problem)
            if outcome.record is not None:
                ledger.add(outcome.record)
            job = waiting[future]
            if outcome.status == "failed" and left_something(job, layers):
                ledger.begin(str(job.source), job.name)  # what it left is ours to replace
            outcomes.append(outcome)
        del waiting[future]
    return outcomes
