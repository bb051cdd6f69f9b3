"""Completion in shells: the script that is installed, and what it is answered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = "import sys; from lungseg.cli.main import main; sys.argv[0] = 'lungseg'; main()"


def run(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def completed(shell: str, line: str) -> str:
    """What the shell is told that may follow."""
    return run(
        _LUNGSEG_COMPLETE=f"complete_{shell}",
        COMP_WORDS=line,
        COMP_CWORD=str(len(line.split()) - (not line.endswith(" "))),
        _TYPER_COMPLETE_ARGS=line,
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", ".bash_completions/lungseg.sh"),
        ("zsh", ".zfunc/_lungseg"),
        ("fish", ".config/fish/completions/lungseg.fish"),
    ],
)
def test_a_script_is_installed_for_the_shell_that_asks(
    shell: str, place: str, tmp_path: Path
) -> None:
    # typer asks which shell it was started from; here one of that name starts it.
    starter = tmp_path / shell
    starter.symlink_to("/bin/sh")
    subprocess.run(
        [starter, "-c", f'"{sys.executable}" -c "{CODE}" --install-completion; true'],
        env={**os.environ, "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    assert "_LUNGSEG_COMPLETE=complete_" + shell in (tmp_path / place).read_text()


@pytest.mark.slow
def test_commands_flags_and_values_are_completed() -> None:
    assert completed("bash", "lungseg e").split() == ["export", "evaluate"]
    assert completed("bash", "lungseg segment --skip").split() == [
        "--skip-damaged",
        "--skip-quality",
        "--skip-refused",
    ]
    assert completed("bash", "lungseg segment --modality ").split() == ["radiograph", "ct"]
    assert "serve\tServe a page to drop images on, and a REST..." in completed(
        "fish", "lungseg ser"
    )
    assert '"info":"List models, structures, outputs, formats..."' in completed(
        "zsh", "lungseg inf"
    )
