"""`python -m lungseg` is `lungseg`."""

from lungseg.cli.main import main

if __name__ == "__main__":
    main()
