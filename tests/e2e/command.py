"""Run the `skyrelief` command as a user does, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


def skyrelief(*arguments: object, timeout_s: float = 280, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `skyrelief ARGUMENTS` and return its exit code, standard output and standard error."""
    return subprocess.run(
        [sys.executable, "-m", "planner.app.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONWARNINGS": "ignore", "COLUMNS": "100"},
    )
