# SPDX-License-Identifier: BSD-2-Clause
"""The person's terminal, joined to an emulated machine's serial line."""

import os
import select
import sys
import termios
import tty

# As QEMU has it, and away from what else leaves something: Ctrl-] is vmctl console's.
COMMAND, END = 0x01, ord("x")  # Ctrl-A x ends it; Ctrl-A Ctrl-A is a Ctrl-A


class Left(Exception):
    """The person has typed the keys that end it."""


class Terminal:
    """With this as context the terminal passes every key; without one (a pipe) nothing is typed."""

    def __init__(self):
        self.fd = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else None
        self.saved = None
        self.commanded = False  # the last key was COMMAND

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
        return bytes(key for key in os.read(self.fd, 1024) if self.passes(key))

    def passes(self, key):
        """Whether the key is the machine's."""
        if self.commanded and key == END:
            raise Left
        self.commanded = key == COMMAND and not self.commanded
        return not self.commanded
