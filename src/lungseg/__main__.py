"""`python -m lungseg` is `lungseg`. Where typer itself is broken, that is said here."""

from __future__ import annotations

import sys

from lungseg.installation import broken_library, cure_of, problems


def main() -> None:
    """What the `lungseg` command runs."""
    try:
        from lungseg.cli.main import main as run
    except (ImportError, AttributeError) as error:
        broken = broken_library()
        if broken is None:
            raise
        if sys.argv[1:2] == ["info"]:
            for library, problem in problems():
                sys.stdout.write(f"{library.name}: {problem}; `{cure_of(library)}`\n")
            return
        sys.stderr.write(f"Error: {broken}\n")
        raise SystemExit(2) from error
    run()


if __name__ == "__main__":
    main()
