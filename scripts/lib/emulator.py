# SPDX-License-Identifier: BSD-2-Clause
"""Boots a disk image or a guest ELF on an emulated machine and watches its serial line.

Five ways to boot, each a name used in logs and test names alike:

    svm-uefi  QEMU with AMD-V, OVMF, EFI/BOOT/BOOTX64.EFI from the image
    svm-grub  QEMU with AMD-V, SeaBIOS, GRUB from the image's MBR
    svm-pvh   QEMU, an ELF with a PVH note loaded directly (-kernel); no firmware visible
    vmx-grub  Bochs with VT-x, its own BIOS, GRUB from the image's MBR
    vmx-uefi  Bochs with VT-x, OVMF, EFI/BOOT/BOOTX64.EFI from the image

The emulator is killed as soon as a marker stands on the serial line, or at the timeout. With nested
KVM on the host, QEMU runs take it (HELIUM_ACCEL=tcg forbids, =kvm demands it).
"""

import dataclasses
import fcntl
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import terminal
from child import bound

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HELIUM_BUILD") or ROOT / "build").resolve()
LOGS = BUILD / "logs"
PATHS = ("svm-uefi", "svm-grub", "svm-pvh", "vmx-grub", "vmx-uefi")

OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE.fd")
OVMF_VARS = Path("/usr/share/OVMF/OVMF_VARS.fd")
OVMF_WHOLE = Path("/usr/share/ovmf/OVMF.fd")
BOCHS_BIOS = Path("/usr/share/bochs/BIOS-bochs-latest")
VGA_BIOS = Path("/usr/share/vgabios/vgabios.bin")

# Features left out are those whose emulation in QEMU 7.2 is faulty (docs of the test beds).
SVM_CPU = "max,-smap,-rdtscp,-avx,-avx2"
VMX_CPU = "broadwell_ult"
BOCHS_MIPS = 100
QEMU_MIPS = 1000  # with icount and shift=0
SERIAL_NAME = "serial.txt"

# What mkdisk's grub.cfg says when GRUB could not load or start something.
GRUB_FAILED = "HELIUM-GRUB FAILED"
PANIC = "PANIC on CPU"  # the hypervisor's (hv/panic.c)

POLL_SECONDS = 0.05
FAIL_DRAIN_SECONDS = 3.0


class EmulatorError(Exception):
    """One sentence: what is missing, and what to do."""


@dataclasses.dataclass
class Machine:
    """One run. `target` is a disk image, or for svm-pvh an ELF."""

    path: str
    target: Path
    log: Path  # the console, as text; what the emulator itself says goes beside it
    timeout: float = 120.0
    markers: tuple = ()  # regular expressions: one of them on the serial line ends the run well
    failures: tuple = ()  # and one of these ends it badly, a little later
    cpus: int = 1
    memory: int = 1024  # MiB
    icount: bool = False
    mips: int = 0  # counted: a machine so slow that its clock shows a second after that many millions; 0: as usual
    cpu: str = ""  # the emulator's CPU model; empty: the default of the vendor
    may_panic: bool = False  # a panic of the hypervisor's does not end the run
    settle: float = 0.3  # seconds to run on after a marker, for what is still under way
    cmdline: str = ""  # svm-pvh only; a disk image has its own
    qemu_args: tuple = ()
    bochs_lines: tuple = ()
    clocked: tuple = ()  # regular expressions: how much CPU time the emulator has used when they come
    typed: tuple = ()  # (regular expression, text): what is typed there once that stands on the serial line
    terminal: bool = False  # the person's terminal is on the serial line as well
    line: int = 0  # the serial line's TCP port, while somebody types
    debug_port: bool = False  # the console is port 0e9h instead of COM1 (Bochs: among its own output)

    @property
    def is_typed_on(self):
        return bool(self.typed) or self.terminal

    @property
    def vendor(self):
        return self.path.split("-")[0]

    @property
    def workdir(self):
        return self.log.with_suffix(".run")


@dataclasses.dataclass
class Outcome:
    seen: bool
    sentence: str
    seconds: float
    log: Path
    emulator_log: Path
    clocked: dict  # regular expression: CPU seconds


def need(path, package):
    if not Path(path).exists():
        raise EmulatorError(f"{path} is missing: run scripts/setup (it comes from {package}).")
    return path


def bochs_binary():
    """The Bochs that scripts/setup built; HELIUM_BOCHS names another."""
    given = os.environ.get("HELIUM_BOCHS")
    if not given:
        script = '. "$0/common.sh"; . "$0/bochs.sh"; printf %s "$BOCHS"'
        given = subprocess.run(
            ["bash", "-c", script, str(ROOT / "scripts/lib")], check=True, capture_output=True, text=True
        ).stdout
    return need(given, "Debian trixie's source of Bochs")


def qemu_binary():
    found = shutil.which("qemu-system-x86_64")
    if not found:
        raise EmulatorError("qemu-system-x86_64 is missing: run scripts/setup (package qemu-system-x86).")
    return found


def nested_kvm(vendor):
    """Whether /dev/kvm can give guests the vendor's virtualization extension."""
    module = {"svm": "kvm_amd", "vmx": "kvm_intel"}[vendor]
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    nested = Path(f"/sys/module/{module}/parameters/nested")
    if not flags or vendor not in flags[1].split() or not nested.exists():
        return False
    if nested.read_text().strip() not in ("1", "Y"):
        return False
    try:
        with open("/dev/kvm", "rb+", buffering=0) as kvm:
            return fcntl.ioctl(kvm, 0xAE00) == 12  # KVM_GET_API_VERSION
    except OSError:
        return False


def use_kvm(machine):
    wish = os.environ.get("HELIUM_ACCEL", "auto")
    if wish == "tcg" or machine.icount or machine.mips or machine.path == "svm-pvh":
        return False
    if machine.vendor == "vmx" and machine.cpu:  # Bochs' name for a CPU, and what only Bochs leaves out of it
        return False
    usable = nested_kvm(machine.vendor)
    if wish == "kvm" and not usable:
        raise EmulatorError(f"HELIUM_ACCEL=kvm, but /dev/kvm does not offer nested {machine.vendor} here.")
    return usable


def accel_args(machine, kvm):
    if kvm:
        return ["-accel", "kvm", "-cpu", machine.cpu or "host"]
    cpu = ["-cpu", machine.cpu or SVM_CPU]
    if machine.icount or machine.mips:
        shift = round(math.log2(QEMU_MIPS / machine.mips)) if machine.mips else 0
        # The real-time clock keeps to the counted time, too.
        return ["-accel", "tcg,thread=single", "-icount", f"shift={shift},sleep=off", "-rtc", "clock=vm", *cpu]
    return ["-accel", "tcg,thread=multi", *cpu]


def qemu_firmware(machine, workdir):
    if machine.path.endswith("-uefi"):
        variables = workdir / "OVMF_VARS.fd"
        shutil.copyfile(need(OVMF_VARS, "ovmf"), variables)
        flash = "if=pflash,format=raw,unit="
        return ["-drive", f"{flash}0,readonly=on,file={need(OVMF_CODE, 'ovmf')}",
                "-drive", f"{flash}1,file={variables}"]
    if machine.path == "svm-pvh":
        return ["-kernel", str(machine.target), "-append", machine.cmdline]
    return []


def qemu_console(machine):
    if machine.is_typed_on:
        return ["-chardev", f"socket,id=line,host=localhost,port={machine.line},server=on,wait=on",
                "-serial", "chardev:line"]
    return ["-debugcon" if machine.debug_port else "-serial", f"file:{machine.log}"]


def qemu_command(machine, workdir, kvm):
    command = [qemu_binary(), "-M", "q35", *accel_args(machine, kvm),
               "-smp", str(machine.cpus), "-m", str(machine.memory),
               "-nodefaults", "-display", "none", "-vga", "none", "-nic", "none", "-no-reboot",
               "-monitor", "none", *qemu_console(machine), *qemu_firmware(machine, workdir)]
    if machine.path != "svm-pvh":
        command += ["-drive", f"if=none,id=disk,format=raw,snapshot=on,file={machine.target}",
                    "-device", "ide-hd,drive=disk,bootindex=0"]
    return command + list(machine.qemu_args)


def bochs_console(machine):
    if machine.is_typed_on:
        return f"com1: enabled=1, mode=socket-server, dev=localhost:{machine.line}"
    return "com1: enabled=1, mode=null" if machine.debug_port else f"com1: enabled=1, mode=file, dev={machine.log}"


def remove_bochs_locks(machine):
    """A killed Bochs leaves them beside its images."""
    paths = re.findall(r"\bpath=([^,]+)", "\n".join(machine.bochs_lines))
    for path in (machine.target, *paths):
        Path(f"{path}.lock").unlink(missing_ok=True)


def bochs_command(machine, workdir):
    bios = need(OVMF_WHOLE, "ovmf") if machine.path == "vmx-uefi" else need(BOCHS_BIOS, "bochsbios")
    remove_bochs_locks(machine)
    lines = [
        "config_interface: textconfig",
        "display_library: nogui",
        f"romimage: file={bios}",
        f"vgaromimage: file={need(VGA_BIOS, 'vgabios')}",
        f"memory: guest={machine.memory}, host={min(machine.memory, 2048)}",
        f"cpu: model={machine.cpu or VMX_CPU}, count={machine.cpus}, ips={machine.mips or BOCHS_MIPS}000000,"
        " reset_on_triple_fault=0",
        "clock: sync=none, time0=1700000000",
        "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14",
        f"ata0-master: type=disk, path={machine.target}, mode=flat",
        "boot: disk",
        bochs_console(machine),
        "log: bochs.log",
        "panic: action=fatal",
        "error: action=report, CPU0=ignore",
        "info: action=report, CPU0=ignore",
        "port_e9_hack: enabled=1",
        *machine.bochs_lines,
    ]
    config = workdir / "bochsrc"
    config.write_text("\n".join(lines) + "\n")
    return [str(bochs_binary()), "-q", "-f", str(config)]


def read_serial(log):
    try:
        return log.read_bytes().decode("latin-1").replace("\r", "")
    except FileNotFoundError:
        return ""


def first_match(patterns, text):
    for pattern in patterns:
        if re.search(pattern, text, re.M):
            return pattern
    return None


def last_words(machine):
    """What the emulator itself said last; Bochs' panics stand out."""
    lines = []
    for name in ("emulator.log", "bochs.log"):
        text = read_serial(machine.workdir / name)
        panics = [line for line in text.splitlines() if ">>PANIC<<" in line]
        lines += panics or text.splitlines()[1:][-1:]
    return lines[-1].strip() if lines else "it said nothing"


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


class Line:
    """The serial line as a connection, for runs that type on it: copies what comes to the log."""

    def __init__(self, machine, process, terminal):
        self.machine, self.typed, self.terminal = machine, list(machine.typed), terminal
        deadline = time.monotonic() + machine.timeout
        while True:
            try:
                self.connection = socket.create_connection(("localhost", machine.line))
                break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise EmulatorError(f"the emulator does not offer its serial line: {error}.") from error
                time.sleep(POLL_SECONDS)
        self.connection.setblocking(False)

    def serve(self):
        """Moves what there is; types the next text once its time has come."""
        try:
            data = self.connection.recv(65536)
        except OSError:  # nothing yet, or the emulator has ended
            data = b""
        if data:
            with open(self.machine.log, "ab") as log:
                log.write(data)
            if self.terminal:
                self.terminal.show(data)
        if self.typed and re.search(self.typed[0][0], read_serial(self.machine.log), re.M):
            self.connection.sendall(self.typed.pop(0)[1].encode())

    def wait(self):
        """For a moment, or until there is something to do."""
        if not self.terminal:
            time.sleep(POLL_SECONDS)
            return
        typed = self.terminal.wait(self.connection, POLL_SECONDS)
        if typed:
            self.connection.sendall(typed)


def cpu_seconds(process):
    """Of user and system mode, all threads (proc(5), stat's fields 14 and 15)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Clock:
    """Notes the emulator's CPU time at lines of its serial line."""

    def __init__(self, machine, process):
        self.process, self.waiting, self.seen = process, list(machine.clocked), {}

    def look(self, text):
        for pattern in [pattern for pattern in self.waiting if re.search(pattern, text, re.M)]:
            self.waiting.remove(pattern)
            self.seen[pattern] = cpu_seconds(self.process)


def end(process):
    """Ends the emulator this module started, and only that."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def watch_on_terminal(machine, process, clock):
    with terminal.Terminal() as screen:
        try:
            return watch(machine, process, clock, screen)
        except terminal.Left:
            return True, "it was left by Ctrl-A x"
        except OSError:  # the line is gone: the emulator has ended
            return False, f"the emulator ended by itself: {last_words(machine)}"


def watch(machine, process, clock, screen=None):
    """Waits for a marker, a failure, the emulator's end or the timeout; returns (seen, sentence)."""
    deadline = time.monotonic() + machine.timeout
    failures = (*machine.failures, f"^{GRUB_FAILED}", *([] if machine.may_panic else [PANIC]))
    line = Line(machine, process, screen) if machine.is_typed_on else None
    size = -1
    while True:
        ended = process.poll() is not None
        if line:
            line.serve()
        now_size = machine.log.stat().st_size if machine.log.exists() else 0
        if now_size != size or ended:
            size = now_size
            text = read_serial(machine.log)
            if not ended:
                clock.look(text)
            marker = first_match(machine.markers, text)
            if marker:
                time.sleep(machine.settle)
                return True, f"saw '{marker}'"
            failure = first_match(failures, text)
            if failure:
                time.sleep(FAIL_DRAIN_SECONDS)
                return False, f"the serial line says '{failure}'"
        if ended:
            return False, f"the emulator ended by itself (status {process.returncode}): {last_words(machine)}"
        if time.monotonic() > deadline:
            return False, f"no marker within {machine.timeout:.0f} s"
        line.wait() if line else time.sleep(POLL_SECONDS)


def run(machine):
    """Boots `machine` and returns its Outcome. Raises EmulatorError if something is not installed."""
    if machine.path not in PATHS:
        raise EmulatorError(f"there is no boot path '{machine.path}': take one of {', '.join(PATHS)}.")
    need(machine.target, "the build, or scripts/mkdisk")
    machine.log = machine.log.resolve()
    machine.target = Path(machine.target).resolve()
    workdir = machine.workdir
    shutil.rmtree(workdir, ignore_errors=True)
    workdir.mkdir(parents=True)
    machine.log.unlink(missing_ok=True)
    machine.line = free_port() if machine.is_typed_on else 0
    kvm = use_kvm(machine)
    qemu = machine.vendor == "svm" or kvm
    command = qemu_command(machine, workdir, kvm) if qemu else bochs_command(machine, workdir)
    mixed = machine.debug_port and not qemu
    emulator_log = machine.log if mixed else workdir / "emulator.log"
    start = time.monotonic()
    with open(emulator_log, "wb") as output:
        output.write((" ".join(command) + "\n").encode())
        output.flush()
        process = subprocess.Popen(bound(command, "KILL"), stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, cwd=workdir, start_new_session=True)
        clock = Clock(machine, process)
        try:
            seen, sentence = (watch_on_terminal if machine.terminal else watch)(machine, process, clock)
        finally:
            end(process)
            remove_bochs_locks(machine)
            (workdir / "OVMF_VARS.fd").unlink(missing_ok=True)
    return Outcome(seen, sentence, time.monotonic() - start, machine.log, emulator_log, clock.seen)
