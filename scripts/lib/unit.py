# SPDX-License-Identifier: BSD-2-Clause
"""The unit layer: every CMocka program in build/test/unit, one test per CMocka test; then every libFuzzer
target of test/fuzz for a few seconds (HELIUM_FUZZ_SECONDS), one test each."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from child import bound
from emulator import BUILD, LOGS, ROOT

TIMEOUT = 900
FUZZ_SECONDS = int(os.environ.get("HELIUM_FUZZ_SECONDS", "10"))
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
        done = subprocess.run(bound([program]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIMEOUT, env=environment, check=False)
        output, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as expired:
        output, status = expired.stdout or b"", f"none: stopped after {TIMEOUT} s"
    log.write_bytes(output)
    report.batch(judge(program.name, output.decode("utf-8", "replace"), status), log)


def run_fuzz(name, report):
    """Builds one fuzz target, which the default build leaves out, and runs it; crashes stay in the logs."""
    log = LOGS / f"{name}.log"
    program = BUILD / "test/fuzz" / name
    artifacts = LOGS / name
    artifacts.mkdir(exist_ok=True)
    steps = ([ROOT / "scripts/lib/build", LOGS / f"{name}-build.log", "--target", f"test/fuzz/{name}"],
             [program, f"-max_total_time={FUZZ_SECONDS}", f"-artifact_prefix={artifacts}/",
              "-print_final_stats=1", "-verbosity=0"])
    reason = None
    with open(log, "wb") as output:
        for step in steps:
            if reason is None:
                status = subprocess.run(bound(step), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                        timeout=TIMEOUT, check=False).returncode
                reason = f"{step[0]} ended with status {status}" if status else None
    report.batch([(f"fuzz/{name.removeprefix('fuzz_')}", reason)], log)


def run(report, jobs, only):
    present = programs(BUILD / "test/unit")
    found = [program for program in present if only.search(f"unit/{program.name}")]
    if not present:
        report.batch([("unit", f"no unit test program in {BUILD / 'test/unit'}")])
        return
    report.say(f"unit: {len(found)} programs")
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda program: run_program(program, report), found))
    for source in sorted((ROOT / "test/fuzz").glob("fuzz_*.c")):
        if only.search(f"fuzz/{source.stem}"):
            run_fuzz(source.stem, report)
