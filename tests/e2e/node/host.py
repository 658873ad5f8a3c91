"""What of a machine a real node could change, as far as it can be told apart from what others change meanwhile."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

_FOLDERS = ("/run", "/var/lib", "/var/log", "/etc")
_OTHERS = ("/var/lib/apt", "/var/lib/dpkg", "/var/log/journal")  # package management and logs
_VOLATILE = (
    "/proc/sys/fs/",  # counters of open files and inodes; what of it can be set needs no watching here
    "/proc/sys/kernel/random/",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/kernel/pty/nr",
    "/proc/sys/kernel/sched_domain/",
    "/proc/sys/net/netfilter/nf_conntrack_count",
)


@dataclass(frozen=True)
class Host:
    """One look at the machine."""

    network: str
    rules: str
    parameters: dict[str, str]
    mounts: frozenset[str]
    modules: frozenset[str]
    cgroups: frozenset[str]
    files: dict[str, int]


def look() -> Host:
    """Everything now."""
    return Host(
        network="\n".join(_ip(*words.split()) for words in ("link", "address", "route show table all", "rule")),
        rules=_rules(),
        parameters=dict(_parameters()),
        mounts=frozenset(Path("/proc/self/mountinfo").read_text().splitlines()),
        modules=frozenset(line.split()[0] for line in _lines("/proc/modules")),
        cgroups=frozenset(_cgroups()),
        files=dict(_files()),
    )


def same(before: Host, after: Host) -> None:
    """Assert it part by part, so that a failure names what changed."""
    assert after.network == before.network
    assert after.rules == before.rules
    assert after.parameters == before.parameters
    assert after.mounts == before.mounts
    assert after.modules == before.modules
    assert after.cgroups ^ before.cgroups == set()
    assert {path for path in after.files if after.files[path] != before.files.get(path)} == set()
    assert set(before.files) - set(after.files) == set()


def foreign_listeners(pids: set[int]) -> list[str]:
    """Where these processes listen in the machine's own network, other than on loopback."""
    found: list[str] = []
    for pid in pids:
        try:
            if namespace_of(pid, "net") != namespace_of(os.getpid(), "net"):
                continue
            connections = psutil.Process(pid).net_connections()
        except (OSError, psutil.Error):
            continue
        listening = [one.laddr for one in connections if one.status == psutil.CONN_LISTEN]
        found += [f"{address.ip}:{address.port}" for address in listening if address.ip != "127.0.0.1"]
    return found


def namespace_of(pid: int, kind: str) -> int:
    """The inode of a process's namespace (`net`, `mnt`, `pid`). Raises OSError when it has ended."""
    return Path(f"/proc/{pid}/ns/{kind}").stat().st_ino


def inside(kind: str, inode: int) -> set[psutil.Process]:
    """The processes in a namespace. They know when they began, so another of the same pid is not taken for one."""
    found = set()
    for process in psutil.process_iter():
        try:
            if namespace_of(process.pid, kind) == inode:
                found.add(process)
        except OSError:
            continue
    return found


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout


def _rules() -> str:
    """Packet filter rules, by the very program that the node uses; the counters in brackets are left out."""
    from llmdctl.sandbox.node import tools

    found = tools.find()
    environment = dict(os.environ, LD_LIBRARY_PATH=found.library_path, XTABLES_LIBDIR=found.tables_path)
    said = "".join(
        subprocess.run([found.found[name]], env=environment, capture_output=True, text=True, check=True).stdout
        for name in ("iptables-save", "ip6tables-save")
    )
    return "\n".join(line.partition("[")[0] for line in said.splitlines() if not line.startswith("#"))


def _parameters() -> Iterator[tuple[str, str]]:
    for folder, _, files in os.walk("/proc/sys"):
        for path in (f"{folder}/{name}" for name in files):
            if path.startswith(_VOLATILE):
                continue
            try:
                yield path, Path(path).read_text(errors="replace")
            except OSError:
                continue


def _cgroups() -> Iterator[str]:
    """The first two levels of every hierarchy: what lies below belongs to sessions and services that come and go.

    Cgroups of real nodes are left out, since other sandboxes have them too; a test asks for its own by name.
    """
    root = Path("/sys/fs/cgroup")
    for folder in (*root.glob("*/"), *root.glob("*/*/")):
        if not folder.name.startswith("llmdctl-"):
            yield str(folder)


def _files() -> Iterator[tuple[str, int]]:
    for top in _FOLDERS:
        for folder, _, files in os.walk(top):
            if folder.startswith(_OTHERS):
                continue
            yield folder, 0
            for path in (f"{folder}/{name}" for name in files):
                try:
                    yield path, Path(path).lstat().st_mtime_ns
                except OSError:
                    continue


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
