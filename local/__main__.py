"""``python -m local``: serve the whole system on this machine until Ctrl-C."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from local.startup import StartError, read_options

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Exit code 0 after a stop by signal, 1 where it could not start."""
    try:
        options = read_options(os.environ, ROOT)
        # Imported late: a wrong setting is told before a server is loaded.
        from local.server import run

        run(options, ROOT, lambda text: print(text, flush=True))
    except StartError as error:
        print("\n".join(error.problems), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
