"""`python -m chaoslab` is the command line."""

import sys

from chaoslab.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
