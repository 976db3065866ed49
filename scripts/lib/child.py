# SPDX-License-Identifier: BSD-2-Clause
"""Children that do not outlive who has started them."""

import os
import signal


def bound(command, with_signal="TERM"):
    """The command, sent the signal when the thread that starts it ends, however that is."""
    return ["setpriv", "--pdeathsig", with_signal, *command]


def end_at_once():
    """From here on SIGINT and SIGTERM end this process and so its bound children, whatever its threads wait for."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os._exit(128 + number))
