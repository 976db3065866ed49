# SPDX-License-Identifier: BSD-2-Clause
"""The unit layer: every CMocka program in build/test/unit, one test per CMocka test."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from emulator import BUILD, LOGS

TIMEOUT = 900
TAP_LINE = re.compile(r"^(ok|not ok) \d+ - (\S+)", re.M)
TAP_PLAN = re.compile(r"^1\.\.(\d+)", re.M)


def programs(directory):
    """Executables the build left in `directory`."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir()
                  if path.is_file() and os.access(path, os.X_OK) and path.suffix == "")


def judge(name, text, status):
    """(test, reason) for each CMocka test in `text`, and one for the program where it broke off."""
    tests = TAP_LINE.findall(text)
    results = [(f"unit/{name}/{test}", None if word == "ok" else "an assertion failed")
               for word, test in tests]
    planned = sum(int(count) for count in TAP_PLAN.findall(text))
    if planned > len(tests):
        results.append((f"unit/{name}", f"{planned} tests were planned, {len(tests)} ran (status {status})"))
    elif status and all(reason is None for _, reason in results):
        results.append((f"unit/{name}", f"the program ended with status {status}"))
    elif not results:
        results.append((f"unit/{name}", None))
    return results


def run_program(program, report):
    log = LOGS / f"unit-{program.name}.log"
    environment = os.environ | {"CMOCKA_MESSAGE_OUTPUT": "TAP"}
    try:
        done = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIMEOUT, env=environment, check=False)
        output, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as expired:
        output, status = expired.stdout or b"", f"none: stopped after {TIMEOUT} s"
    log.write_bytes(output)
    report.batch(judge(program.name, output.decode("utf-8", "replace"), status), log)


def run(report, jobs, only):
    found = [program for program in programs(BUILD / "test/unit") if only.search(f"unit/{program.name}")]
    if not found:
        report.batch([("unit", f"no unit test program in {BUILD / 'test/unit'}")])
        return
    report.say(f"unit: {len(found)} programs")
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda program: run_program(program, report), found))
