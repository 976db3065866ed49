# SPDX-License-Identifier: BSD-2-Clause
"""The guests layer: each test guest under Helium on every boot path, and on the bare emulator.

What a guest prints is judged line by line:

    GUEST <name> START              by the runner, helium-test.elf
    <name>: ok <check>              by the guest: one passed test
    <name>: FAIL <check> <detail>   by the guest: one failed test
    GUEST <name> EXIT <code>        by the runner, or by the guest itself on the bare emulator
    HELIUM-TEST FAIL <complaint>    by the runner, of itself: frames not given back, and the like
    HELIUM-TEST DONE                by the runner, after the last guest

A guest that printed no check, no EXIT 0, or fewer checks than on the bare emulator has failed.

test/guests/<name>.args holds options for its command line (test/hv/runner.c lists them). One with expect=
ends in a way that only the runner can judge, so it has no reference run; one with icount=1 has it on QEMU's
counted instructions, where timers do not depend on the host. Checks named bare-* are the bare emulator's own.
"""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import emulator
from emulator import BUILD, LOGS, ROOT, EmulatorError, Machine
from report import show_end

HV_PATHS = {"svm": ("svm-uefi", "svm-grub"), "vmx": ("vmx-grub", "vmx-uefi")}
# The same once more, with exits for what guests otherwise do by themselves (test/hv/runner.c).
INTERCEPT_PATHS = {"svm": "svm-grub", "vmx": "vmx-grub"}
INTERCEPT_NOT = {"svm": ("debug",), "vmx": ()}  # QEMU's VMRUN arms no breakpoints, only a guest's own MOV DR does
DONE = r"^HELIUM-TEST DONE"
HV_TIMEOUT = 900
REFERENCE_TIMEOUT = 120
MODULES_PER_BOOT = 32
MISSING_NAMED = 5  # more missing checks than these are one line
CPUS = 2


def guest_elfs():
    return sorted((BUILD / "test/guests").glob("*.elf"))


def make_image(name, description):
    image = BUILD / "images" / f"{name}.img"
    done = subprocess.run([ROOT / "scripts/mkdisk", "-o", image, "-"], input=description, text=True,
                          capture_output=True, check=False)
    if done.returncode:
        raise EmulatorError(done.stderr.strip())
    return image


def command_line(guest):
    """The guest's name, and its options if it has some."""
    options = ROOT / "test/guests" / f"{guest.stem}.args"
    return f"{guest.stem} {options.read_text().strip() if options.exists() else ''}".strip()


def has_reference(guest):
    return " expect=" not in command_line(guest)


def reference_cpus(guest):
    return 2 if " vcpus=2" in command_line(guest) else 1


def checks_of(guest, text):
    """[(check, None or the detail)] in the order printed."""
    found = re.findall(rf"^{re.escape(guest)}: (ok|FAIL) (\S+)[ \t]*(.*)$", text, re.M)
    return [(check, None if word == "ok" else detail or "the guest says so") for word, check, detail in found]


def exit_code(guest, text):
    found = re.search(rf"^GUEST {re.escape(guest)} EXIT (\S+)", text, re.M)
    return found[1] if found else None


def judge(prefix, guest, text, sentence):
    """The results of one guest in one run; `sentence` says how the run ended."""
    results = [(f"{prefix}/{guest}/{check}", reason) for check, reason in checks_of(guest, text)]
    code = exit_code(guest, text)
    reason = None
    if code is None:
        reason = f"it never ended ({sentence})"
    elif code != "0":
        reason = f"it ended with {code}"
    elif not results:
        reason = "it checked nothing"
    return results + [(f"{prefix}/{guest}/exit", reason)]


def missing_checks(prefix, guest, text, reference):
    """What the bare emulator's run of the same guest checked and this run did not."""
    seen = {check for check, _ in checks_of(guest, text)}
    missing = [check for check in reference.get(guest, [])
               if check not in seen and not check.startswith("bare-")]
    if len(missing) > MISSING_NAMED:
        return [(f"{prefix}/{guest}/missing", f"the bare emulator's run made {len(missing)} checks that this one"
                 f" did not, the first of them {missing[0]}")]
    return [(f"{prefix}/{guest}/{check}", "the bare emulator's run checked it, this one did not")
            for check in missing]


def reference_machine(vendor, guest):
    """The same ELF with nothing under it: by its PVH note on QEMU, by GRUB on Bochs."""
    log = LOGS / f"ref-{vendor}-{guest.stem}.log"
    marker = (rf"^GUEST {re.escape(guest.stem)} EXIT \S+$",)
    if vendor == "svm":
        return Machine("svm-pvh", guest, log, REFERENCE_TIMEOUT, marker, cpus=reference_cpus(guest),
                       icount=" icount=1" in command_line(guest), cmdline=command_line(guest), debug_port=True)
    image = make_image(f"ref-{guest.stem}", f"hypervisor = {guest}\ncmdline = {command_line(guest)}\n")
    return Machine("vmx-grub", image, log, REFERENCE_TIMEOUT, marker, cpus=reference_cpus(guest), debug_port=True)


def run_reference(vendor, guest, report):
    """Returns (guest name, its checks) for the comparison with the run under Helium."""
    prefix = f"ref-{vendor}"
    try:
        outcome = emulator.run(reference_machine(vendor, guest))
    except EmulatorError as error:
        report.batch([(f"{prefix}/{guest.stem}", str(error))])
        return guest.stem, []
    text = emulator.read_serial(outcome.log)
    report.batch(judge(prefix, guest.stem, text, outcome.sentence), outcome.log)
    return guest.stem, [check for check, _ in checks_of(guest.stem, text)]


def run_path(path, guests, reference, report, number, cmdline=""):
    """One boot of helium-test.elf by `path` with `guests` as its modules."""
    prefix = f"{path}-{cmdline}" if cmdline else path
    name = prefix if number == 0 else f"{prefix}-{number}"
    lines = [f"hypervisor = {BUILD / 'helium-test.elf'}", f"efi = {BUILD / 'helium.efi'}"]
    lines += [f"cmdline = {cmdline}"] if cmdline else []
    lines += [f"module = {guest} {command_line(guest)}" for guest in guests]
    try:
        image = make_image(f"guests-{name}", "\n".join(lines) + "\n")
        outcome = emulator.run(Machine(path, image, LOGS / f"guests-{name}.log", HV_TIMEOUT, (DONE,),
                                       cpus=CPUS))
    except EmulatorError as error:
        report.batch([(prefix, str(error))])
        return
    text = emulator.read_serial(outcome.log)
    results = []
    for guest in guests:
        results += judge(prefix, guest.stem, text, outcome.sentence)
        results += missing_checks(prefix, guest.stem, text, reference)
    results += [(f"{name}/runner", complaint)
                for complaint in re.findall(r"^HELIUM-TEST FAIL (.*)$", text, re.M)]
    results.append((f"{name}/done", None if outcome.seen else outcome.sentence))
    report.say(f"{name}: {len(guests)} guests, {outcome.seconds:.0f} s")
    report.batch(results, outcome.log)
    if not outcome.seen:
        show_end(outcome.emulator_log)


def run(report, vendors, jobs, only, paths):
    present = guest_elfs()
    guests = [guest for guest in present if only.search(guest.stem)]
    if not present:
        report.batch([("guests", f"no test guest in {BUILD / 'test/guests'}")])
    if not guests:
        return
    (BUILD / "images").mkdir(exist_ok=True)
    chunks = [guests[i:i + MODULES_PER_BOOT] for i in range(0, len(guests), MODULES_PER_BOOT)]
    with ThreadPoolExecutor(jobs) as pool:
        for vendor in vendors:
            runs = [(path, "") for path in HV_PATHS[vendor]] + [(INTERCEPT_PATHS[vendor], "intercept")]
            runs = [run for run in runs if not paths or run[0] in paths]
            if not runs:
                continue
            report.say(f"guests: {len(guests)} on the bare emulator of {vendor}, then under Helium")
            referred = [guest for guest in guests if has_reference(guest)]
            reference = dict(pool.map(lambda guest: run_reference(vendor, guest, report), referred))
            boots = [(path, [guest for guest in chunk if not cmdline or guest.stem not in INTERCEPT_NOT[vendor]],
                      number, cmdline)
                     for path, cmdline in runs for number, chunk in enumerate(chunks)]
            boots = [boot for boot in boots if boot[1]]
            list(pool.map(lambda boot: run_path(boot[0], boot[1], reference, report, *boot[2:]), boots))
