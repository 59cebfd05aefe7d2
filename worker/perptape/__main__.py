"""`python -m perptape` is the command line."""

from perptape.cli import main

if __name__ == "__main__":
    main()
