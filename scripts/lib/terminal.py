# SPDX-License-Identifier: BSD-2-Clause
"""The person's terminal, joined to an emulated machine's serial line."""

import os
import select
import sys
import termios
import tty

LEAVE = b"\x1d"  # Ctrl-]


class Left(Exception):
    """The person has typed the key that ends it."""


class Terminal:
    """With this as context the terminal passes every key; without one (a pipe) nothing is typed."""

    def __init__(self):
        self.fd = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else None
        self.saved = None

    def __enter__(self):
        if self.fd is not None:
            self.saved = termios.tcgetattr(self.fd)
            tty.setraw(self.fd)
        return self

    def __exit__(self, *_):
        if self.saved is not None:
            termios.tcsetattr(self.fd, termios.TCSADRAIN, self.saved)

    def show(self, data):
        os.write(sys.stdout.fileno(), data)

    def wait(self, connection, seconds):
        """Until something is typed or comes in; returns what was typed. Raises Left."""
        watched = [connection] if self.fd is None else [connection, self.fd]
        ready, _, _ = select.select(watched, [], [], seconds)
        if self.fd is None or self.fd not in ready:
            return b""
        typed = os.read(self.fd, 1024)
        if LEAVE in typed:
            raise Left
        return typed
