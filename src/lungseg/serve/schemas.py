"""What the interface answers with; OpenAPI is made from it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from lungseg.modality import Modality
from lungseg.report.texts import Definition

State = Literal["queued", "running", "done", "failed", "cancelled"]


class Bundle(BaseModel):
    """Which results are wanted in one zip."""

    jobs: list[str] = Field(min_length=1, max_length=10_000, description="Ids of jobs.")


class MeasurementDocument(BaseModel):
    """One number; see `docs/measurements.md`."""

    name: str
    structure: str
    value: float | None
    unit: str
    restriction: str | None
    points: list[tuple[float, float]] = []


class JobDocument(BaseModel):
    """A job and, once it is done, what was found."""

    id: str
    name: str = Field(description="Base name of the file, or of the first of several.")
    state: State
    progress: float = Field(ge=0, le=1, description="Fraction of the work that is done.")
    step: str = Field(description="What is being done, in words.")
    error: str | None = Field(None, description="Why it failed, in a sentence.")
    position: int = Field(0, description="Place in the queue, from 1; 0 where it does not wait.")
    created: str = Field(description="UTC, ISO 8601.")
    expires: str | None = Field(
        None, description="When its results are deleted; null until it is over."
    )
    modality: Modality | None = None
    shape: list[int] | None = Field(
        None, description="Slices, rows, columns as axial slices; a radiograph has one slice."
    )
    spacing: list[float] | None = Field(
        None,
        description="Millimetres between slices (CT only), rows and columns, of the same grid; "
        "null if unknown.",
    )
    hounsfield: bool | None = Field(None, description="Whether values are Hounsfield units.")
    window: list[float] | None = Field(
        None, description="Values that `slices` shows black and white unless told otherwise."
    )
    range: list[float] | None = Field(None, description="Lowest and highest value.")
    lung_slices: list[int] | None = Field(
        None, description="First and last slice with any lung; null without lungs."
    )
    verdict: str | None = None
    codes: list[str] = Field([], description="Of the reasons; they stay as they are.")
    reasons: list[str] = []
    notes: list[str] = Field([], description="What reading had to do or assume.")
    measurements: list[MeasurementDocument] = []
    files: dict[str, str] = Field(
        {},
        description="Addresses of what can be downloaded: mask, overlay, record, report and, "
        "where it can be made, pdf; crop where a size or a square was asked for; of models that "
        "find more than lungs a mask for each layer, such as opacity.",
    )


class Limits(BaseModel):
    """What a client should know before it sends anything."""

    max_upload_bytes: int
    retention_seconds: float
    job_timeout_seconds: float
    queue: int
    max_files: int


class LabelDocument(BaseModel):
    """A value of the label pictures; see `lungseg.structures`."""

    number: int
    name: str
    colour: tuple[int, int, int] = Field(description="Red, green, blue, each 0 to 255.")


class About(BaseModel):
    """The server."""

    version: str
    labels: list[LabelDocument] = Field(description="Those that the models predict.")
    verdicts: dict[str, tuple[str, str]] = Field(
        description="Heading and sentence of each verdict; reasons follow the sentence."
    )
    definitions: dict[Modality, dict[str, Definition]] = Field(
        description="Of every measurement, by its name."
    )
    models: list[dict[str, Any]]
    limits: Limits
    needs_token: bool


class Health(BaseModel):
    """Whether it works."""

    status: Literal["ok"]
    workers: int
    running: int
    queued: int


class Problem(BaseModel):
    """Every answer that is no success."""

    detail: str
