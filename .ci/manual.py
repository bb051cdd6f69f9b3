"""Prints the manual page, docs/lungseg.1, from what the commands say of themselves:

    python .ci/manual.py > docs/lungseg.1

A test compares it. The wheel puts it where `man lungseg` finds it.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from lungseg.cli.main import COMMANDS, build

HEAD = """.TH LUNGSEG 1 "" "" "lungseg"
.SH NAME
lungseg \\- find the lungs in chest radiographs and CT
.SH SYNOPSIS
.B lungseg
.I COMMAND
.RI [ OPTIONS ]
.SH DESCRIPTION
Finds the right and the left lung in frontal chest radiographs and chest CT, as masks, measurements
and pictures. Models are in the package; nothing is asked of the network. Each command takes
.BR \\-h .
.SH COMMANDS
"""
TAIL = """.SH EXIT STATUS
0 all well; 1 some inputs failed, each named with reason and cure; 2 wrong use, or a broken
installation; 130 stopped with Ctrl\\-C.
.SH ENVIRONMENT
.TP
.B LUNGSEG_TOKEN
What clients of
.B lungseg serve
have to send.
.TP
.B TMPDIR
Where archives are unpacked, and where the server keeps uploads and results.
.SH FILES
.TP
.I OUT/results.jsonl
A record an input;
.I OUT/summary.csv
is the same as a table.
.SH NOTES
Not a medical device.
"""


def escaped(text: str) -> str:
    """Text of one paragraph for troff."""
    plain = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


def value_of(parameter: Any) -> str:
    """What stands behind a flag; nothing of one that takes no value."""
    if getattr(parameter, "is_flag", False):
        return ""
    choices = getattr(parameter.type, "choices", None)
    names = [str(getattr(choice, "value", choice)) for choice in choices or ()]
    number = str(parameter.type.name).lower().startswith(("int", "float"))
    return parameter.metavar or "|".join(names) or ("N" if number else "TEXT")


def entry(parameter: Any) -> str:
    """An option with its sentence."""
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    label = f".B {escaped(names)}"
    if value := value_of(parameter):
        label = f'.BI "{escaped(names)} " "{escaped(value)}"'
    return f".TP\n{label}\n{escaped(parameter.help or '')}\n"


def section(name: str) -> str:
    """A command with its options."""
    command = build(name)
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    usage = " ".join([name, *(str(one.metavar or one.name.upper()) for one in arguments)])
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    about = "\n.PP\n".join(map(escaped, paragraphs))
    return f'.SS "{escaped(usage)}"\n{about}\n{"".join(map(entry, options))}'


def manual() -> str:
    """All of the page."""
    return HEAD + "".join(map(section, COMMANDS)) + TAIL


if __name__ == "__main__":
    print(manual(), end="")
