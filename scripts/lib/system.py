# SPDX-License-Identifier: BSD-2-Clause
"""The system layer: every executable test/system/*.sh, once per vendor, the vendors side by side.

A script finds VENDOR (svm or vmx), HELIUM_ROOT, HELIUM_BUILD and LOGS (a directory of its own for the
logs of its emulators) in its environment and prints `ok <what>` or `FAIL <what> <why>` lines.
"""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from child import bound
from emulator import BUILD, LOGS, ROOT

TIMEOUT = {"svm": 1800, "vmx": 5400}  # seconds for one script
LINE = re.compile(r"^(ok|FAIL) (\S+)[ \t]*(.*)$", re.M)


def judge(prefix, text, status):
    results = [(f"{prefix}/{what}", None if word == "ok" else why or "the script says so")
               for word, what, why in LINE.findall(text)]
    if not results:
        results.append((prefix, f"the script judged nothing (status {status})"))
    elif status and all(reason is None for _, reason in results):
        results.append((prefix, f"the script ended with status {status}"))
    return results


def run_script(script, vendor, report):
    prefix = f"system-{vendor}/{script.stem}"
    logs = LOGS / f"system-{vendor}-{script.stem}"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / "script.log"
    environment = os.environ | {"VENDOR": vendor, "HELIUM_ROOT": str(ROOT), "HELIUM_BUILD": str(BUILD),
                                "LOGS": str(logs)}
    with open(log, "wb") as output:
        # `timeout` ends the whole process group, emulators included.
        done = subprocess.run(bound(["timeout", "--kill-after=10", str(TIMEOUT[vendor]), script]), env=environment,
                              stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                              cwd=ROOT, check=False)
    report.batch(judge(prefix, log.read_text(errors="replace"), done.returncode), log)


def run_vendor(vendor, scripts, report):
    for script in scripts:
        report.say(f"system: {script.name} on {vendor}")
        run_script(script, vendor, report)


def run(report, vendors, jobs, only):
    scripts = sorted(path for path in (ROOT / "test/system").glob("*.sh") if os.access(path, os.X_OK))
    if not scripts:
        report.batch([("system", "no executable script in test/system")])
        return
    chosen = [script for script in scripts if only.search(script.stem)]
    with ThreadPoolExecutor(min(jobs, len(vendors))) as pool:
        list(pool.map(lambda vendor: run_vendor(vendor, chosen, report), vendors))
