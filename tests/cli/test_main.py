"""The list of commands, and that a start builds the one that is called alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from command_line import lungseg
from lungseg.cli.main import COMMANDS, build

MODULES = """
import sys
from lungseg.cli.main import main
sys.argv = ["lungseg", *sys.argv[1:]]
try:
    main()
except SystemExit:
    print(*(name for name in sys.modules if name.startswith("lungseg")), file=sys.stderr)
"""


def modules(*arguments: str) -> set[str]:
    """Those of the package that a start loads."""
    done = subprocess.run(
        [sys.executable, "-c", MODULES, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_a_start_loads_the_command_that_is_called_and_no_other() -> None:
    both = {
        *("lungseg", "lungseg.errors", "lungseg.installation", "lungseg.cli", "lungseg.cli.main"),
        *("lungseg.cli.exit_status", "lungseg.cli.messages", "lungseg.cli.interrupt"),
    }
    assert modules("--version") == modules("--help") == both
    assert modules("serve", "--help") == both | {
        *("lungseg.cli.serve", "lungseg.cli.flags", "lungseg.options", "lungseg.modality"),
    }


def test_help_lists_every_command_with_its_sentence() -> None:
    listed = lungseg("--help").stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split(maxsplit=1) for line in listed] == [list(pair) for pair in COMMANDS.items()]
    assert lungseg("-h").stdout == lungseg("--help").stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_built(name: str) -> None:
    assert build(name).name == name
    assert "Example: lungseg " in build(name).help


def test_a_command_that_there_is_not_is_corrected() -> None:
    ran = lungseg("evalute")
    assert ran.exit_code == 2
    assert "No such command 'evalute'. Did you mean 'evaluate'?" in ran.stderr
