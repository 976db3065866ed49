# SPDX-License-Identifier: BSD-2-Clause
"""One line per test, the end of the right log after a failure, and the closing count."""

import sys
import threading
from pathlib import Path

TAIL_LINES = 40
TAIL_WIDTH = 300


class Report:
    """Counts and prints. Layers may report from several threads."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self._lock = threading.Lock()

    def say(self, text):
        with self._lock:
            print(f"==> {text}", flush=True)

    def batch(self, results, log=None):
        """`results`: (name, None or a reason) in order. `log`: what to show the end of on a failure."""
        with self._lock:
            for name, reason in results:
                if reason is None:
                    self.passed += 1
                    print(f"ok   {name}")
                else:
                    self.failed.append(name)
                    print(f"FAIL {name}: {reason}")
            if log and any(reason is not None for _, reason in results):
                show_end(log)
            sys.stdout.flush()

    def count(self):
        return self.passed + len(self.failed)

    def close(self):
        """Prints the failures once more and the count; returns the exit status."""
        if self.failed:
            print("\nfailed:")
            for name in self.failed:
                print(f"  {name}")
        print(f"{self.passed} passed, {len(self.failed)} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def show_end(log):
    log = Path(log)
    if not log.exists():
        print(f"     | {log} was never written")
        return
    text = log.read_bytes().decode("utf-8", "replace").replace("\r", "")
    lines = text.splitlines()
    print(f"     | the end of {log} ({len(lines)} lines):")
    for line in lines[-TAIL_LINES:]:
        print("     | " + "".join(c if c.isprintable() else "." for c in line[:TAIL_WIDTH]))
