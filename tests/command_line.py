"""The command line as a user calls it, in a process of its own."""

import os
import subprocess
import sys

import numpy as np


def sedum(*words, cwd, check=0, **kwargs):
    done = subprocess.run(
        [sys.executable, "-c", "from sedum.cli.main import run; run()", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200", **kwargs},
        timeout=300,
    )
    assert done.returncode in np.atleast_1d(check), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr
