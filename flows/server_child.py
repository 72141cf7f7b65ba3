"""`python -m flows.server_child PORT`: a Prefect server on loopback that ends when whoever started it ends.

The starter holds the other end of standard input. However it dies, even by kill -9, the pipe closes and the
server stops, so that no second scheduler stays behind on the same database.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading

HOST = "127.0.0.1"


def end_with_starter() -> None:
    """Wait for the end of standard input, then stop this process in good order."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run `prefect server start` in this process."""
    threading.Thread(target=end_with_starter, name="end-with-starter", daemon=True).start()
    sys.argv = ["prefect", "server", "start", "--host", HOST, "--port", sys.argv[1]]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
