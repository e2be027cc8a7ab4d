"""`python -m triptych`: the command line, for launchers that start modules."""

from triptych.cli import main

if __name__ == "__main__":
    main()
