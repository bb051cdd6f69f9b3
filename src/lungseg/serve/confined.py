"""What the server's processes may do, and how that is said."""

from __future__ import annotations

from pathlib import Path

from lungseg.confine import Confinement, lacking, memory_for
from lungseg.predict import find_model
from lungseg.quality.files import model_files
from lungseg.serve.settings import ServerSettings


def confinement_of(settings: ServerSettings, folder: Path) -> Confinement | None:
    """What the server's processes may do; None where they are not confined.

    Args:
        settings: of the server.
        folder: of what is sent and found, the only one that they read and write.
    """
    if not settings.sandbox:
        return None
    own = None if settings.model is None else find_model(settings.model).absolute()
    return Confinement(
        () if own is None else model_files(own),
        (folder,),
        memory=memory_for(settings.workers),
        seconds=settings.job_timeout,
    )


def confinement_in_words(settings: ServerSettings) -> str:
    """What the server says in its log of how its processes are confined."""
    if not settings.sandbox:
        return "workers are not confined, as --no-sandbox says"
    memory, limits = memory_for(settings.workers), [f"{settings.job_timeout:g} s a job"]
    if memory is not None:
        limits.append(f"{memory / 1e9:.1f} GB of memory each")
    if missing := lacking():
        return f"workers are confined in part, as this system lacks {missing}: {', '.join(limits)}"
    limits = ["their folder alone", "no network", *limits]
    return f"workers are confined by Landlock and seccomp: {', '.join(limits)}"
