"""`python -m jaxkit` is the command `jaxkit`."""

from jaxkit.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
