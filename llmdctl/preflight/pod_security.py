"""The Pod Security Standards: what the API server's admission says of a pod in a namespace of one level.

Levels privileged, baseline and restricted, each in the version that a namespace pins. Controls bear the names that the
API server gives them in its refusals, so that both can be compared.

Sources: https://kubernetes.io/docs/concepts/security/pod-security-standards/ and, for what changed in which version,
https://github.com/kubernetes/pod-security-admission (folder policy).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Item = Mapping[str, Any]
Version = tuple[int, int]
Judge = Callable[["Pod"], list[str]]

LEVELS: Final = ("privileged", "baseline", "restricted")
LATEST: Final[Version] = (1, 37)
"""The newest version in which a control changed; what lies beyond is judged like this one."""

MODES: Final = ("enforce", "audit", "warn")
_PREFIX: Final = "pod-security.kubernetes.io/"
_DEFAULT_CAPABILITIES: Final = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
        "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
_SYSCTLS: Final[tuple[tuple[Version, tuple[str, ...]], ...]] = (
    (
        (1, 0),
        (
            "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
            "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
        ),
    ),
    ((1, 27), ("net.ipv4.ip_local_reserved_ports",)),
    (
        (1, 29),
        (
            "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
            "net.ipv4.tcp_keepalive_probes",
        ),
    ),
    ((1, 32), ("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")),
    ((1, 37), ("net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat")),
)  # fmt: skip
"""The version that added them -> sysctls that every pod may set."""

_SELINUX: Final = ("", "container_t", "container_init_t", "container_kvm_t")
_VOLUMES: Final = (
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
)  # fmt: skip
_PROFILES: Final = ("RuntimeDefault", "Localhost")
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """One control that a pod does not meet."""

    control: str  # as the API server calls it
    details: tuple[str, ...]  # where, each a few words: `engine adds IPC_LOCK`

    def __str__(self) -> str:
        return f"{self.control} ({', '.join(self.details)})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """What a namespace asks of its pods in one mode."""

    name: str  # one of LEVELS
    version: Version | None = None  # None: latest, the server's own

    def __str__(self) -> str:
        return f"{self.name}:{'latest' if self.version is None else 'v{}.{}'.format(*self.version)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """A pod as the controls read it, and the version that they are read in."""

    annotations: Mapping[str, str]
    spec: Item
    version: Version

    @property
    def security(self) -> Item:
        """The security context of the pod as a whole."""
        return self.spec.get("securityContext") or {}

    @property
    def windows(self) -> bool:
        """Whether the pod says that it is one for Windows, which counts from 1.25 on."""
        return self.version >= (1, 25) and (self.spec.get("os") or {}).get("name") == "windows"

    @property
    def own_users(self) -> bool:
        """Whether the pod has a user namespace of its own, which relaxes some controls from 1.35 on."""
        return self.version >= (1, 35) and self.spec.get("hostUsers") is False

    def containers(self) -> Iterator[tuple[str, Item]]:
        """Name and container, of every sort."""
        for field in ("initContainers", "containers", "ephemeralContainers"):
            for container in self.spec.get(field) or ():
                yield str(container.get("name", "")), container

    def contexts(self) -> Iterator[tuple[str, Item]]:
        """Name and security context of every container."""
        for name, container in self.containers():
            yield name, container.get("securityContext") or {}

    def places(self) -> Iterator[tuple[str, Item]]:
        """The pod's security context, then those of its containers."""
        yield "pod", self.security
        yield from self.contexts()


def stated(labels: Mapping[str, str], mode: str) -> Level | None:
    """What a namespace's labels ask for in one of MODES; None where they say nothing.

    A level that Kubernetes does not know counts as restricted, a version that it does not know as latest: so does the
    API server.
    """
    name = labels.get(_PREFIX + mode)
    if name is None:
        return None
    found = re.fullmatch(r"v(\d+)\.(\d+)", labels.get(f"{_PREFIX}{mode}-version", ""))
    version = (int(found[1]), int(found[2])) if found else None
    return Level(name=name if name in LEVELS else "restricted", version=version)


def violations(level: Level, annotations: Mapping[str, str], spec: Item, *, server: Version) -> tuple[Violation, ...]:
    """The controls that a pod does not meet, by name; empty when it is let in.

    `server` is the minor version of the API server: what `latest` means, and the newest that it can judge.
    """
    if level.name == "privileged":
        return ()
    pod = Pod(annotations=annotations, spec=spec, version=min(level.version or server, server, LATEST))
    found = {control: judge(pod) for control, judge in _judges(level.name, pod.version)}
    return tuple(
        Violation(control=control, details=tuple(found[control])) for control in sorted(found) if found[control]
    )


def host_ports(spec: Item, container: Item) -> tuple[int, ...]:
    """Ports of the node that a container takes; with hostNetwork all its ports, as the API server fills them in."""
    rows = container.get("ports") or ()
    taken = (row.get("hostPort") or (row.get("containerPort") if spec.get("hostNetwork") else 0) for row in rows)
    return tuple(int(number) for number in taken if number)


def _judges(level: str, version: Version) -> Iterator[tuple[str, Judge]]:
    """The controls of a level; those of restricted take the place of weaker ones of baseline."""
    replaced: set[str] = set()
    if level == "restricted":
        for since, control, judge, instead in _RESTRICTED:
            if version >= since:
                replaced |= {instead}
                yield control, judge
    for since, control, judge in _BASELINE:
        if version >= since and control not in replaced:
            yield control, judge


# Baseline


def _host_namespaces(pod: Pod) -> list[str]:
    return [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(field)]


def _privileged(pod: Pod) -> list[str]:
    return [f"{name} is privileged" for name, context in pod.contexts() if context.get("privileged")]


def _capabilities(pod: Pod) -> list[str]:
    return _added(pod, _DEFAULT_CAPABILITIES)


def _added(pod: Pod, allowed: frozenset[str]) -> list[str]:
    found = []
    for name, context in pod.contexts():
        more = [each for each in (context.get("capabilities") or {}).get("add") or () if each not in allowed]
        found += [f"{name} adds {', '.join(sorted(more))}"] if more else []
    return found


def _host_paths(pod: Pod) -> list[str]:
    return [f"volume {each.get('name')}" for each in pod.spec.get("volumes") or () if each.get("hostPath") is not None]


def _host_ports(pod: Pod) -> list[str]:
    return [
        f"{name} takes port {number} of the node"
        for name, container in pod.containers()
        for number in host_ports(pod.spec, container)
    ]


def _host_of_probes(pod: Pod) -> list[str]:
    found = []
    for name, container in pod.containers():
        lifecycle = container.get("lifecycle") or {}
        handlers = [container.get(field) for field in ("livenessProbe", "readinessProbe", "startupProbe")]
        handlers += [lifecycle.get(field) for field in ("postStart", "preStop")]
        actions = ((handler or {}).get(action) or {} for handler in handlers for action in ("httpGet", "tcpSocket"))
        found += [f"{name} probes {action['host']}" for action in actions if action.get("host")]
    return found


def _apparmor(pod: Pod) -> list[str]:
    profiles = ((where, (context.get("appArmorProfile") or {}).get("type")) for where, context in pod.places())
    found = [f"{where} sets {kind}" for where, kind in profiles if kind is not None and kind not in _PROFILES]
    return found + [
        f"annotation {key}"
        for key, value in sorted(pod.annotations.items())
        if key.startswith(_APPARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    ]


def _selinux(pod: Pod) -> list[str]:
    types = (*_SELINUX, "container_engine_t") if pod.version >= (1, 31) else _SELINUX
    found = []
    for where, context in pod.places():
        options = context.get("seLinuxOptions") or {}
        if options.get("type", "") not in types:
            found.append(f"{where} sets type {options['type']}")
        found += [f"{where} sets {field}" for field in ("user", "role") if options.get(field)]
    return found


def _proc_mount(pod: Pod) -> list[str]:
    return [
        f"{name} sets {context['procMount']}"
        for name, context in pod.contexts()
        if context.get("procMount") not in (None, "Default")
    ]


def _proc_mount_relaxed(pod: Pod) -> list[str]:
    return [] if pod.own_users else _proc_mount(pod)


def _seccomp(pod: Pod) -> list[str]:
    kinds = ((where, (context.get("seccompProfile") or {}).get("type")) for where, context in pod.places())
    return [f"{where} sets {kind}" for where, kind in kinds if kind is not None and kind not in _PROFILES]


def _sysctls(pod: Pod) -> list[str]:
    allowed = {name for since, names in _SYSCTLS if pod.version >= since for name in names}
    return [str(row.get("name")) for row in pod.security.get("sysctls") or () if row.get("name") not in allowed]


def _host_process(pod: Pod) -> list[str]:
    return [f"{where} is one" for where, each in pod.places() if (each.get("windowsOptions") or {}).get("hostProcess")]


# Restricted


def _escalation(pod: Pod) -> list[str]:
    if pod.windows:
        return []
    return [
        f"{name} does not forbid it"
        for name, context in pod.contexts()
        if context.get("allowPrivilegeEscalation") is not False
    ]


def _dropped(pod: Pod) -> list[str]:
    if pod.windows:
        return []
    keeping = [
        f"{name} does not drop ALL"
        for name, context in pod.contexts()
        if "ALL" not in ((context.get("capabilities") or {}).get("drop") or ())
    ]
    return keeping + _added(pod, frozenset({"NET_BIND_SERVICE"}))


def _volumes(pod: Pod) -> list[str]:
    rows = pod.spec.get("volumes") or ()
    return [f"volume {row.get('name')}" for row in rows if not _mild(row)]


def _mild(volume: Item) -> bool:
    """Whether a volume is of a kind that everybody may use; without a source it becomes an emptyDir."""
    kinds = [kind for kind, source in volume.items() if kind != "name" and source is not None]
    return not kinds or any(kind in _VOLUMES for kind in kinds)


def _not_root(pod: Pod) -> list[str]:
    if pod.own_users:
        return []
    whole = pod.security.get("runAsNonRoot")
    found = ["pod says false"] if whole is False else []
    for name, context in pod.contexts():
        own = context.get("runAsNonRoot")
        if own is False:
            found.append(f"{name} says false")
        elif own is None and not whole:
            found.append(f"{name} does not say true")
    return found


def _not_user_0(pod: Pod) -> list[str]:
    if pod.own_users:
        return []
    return [f"{where} runs as user 0" for where, context in pod.places() if context.get("runAsUser") == 0]


def _seccomp_stated(pod: Pod) -> list[str]:
    if pod.windows:
        return []
    whole = (pod.security.get("seccompProfile") or {}).get("type") in _PROFILES
    silent = [f"{name} states none" for name, each in pod.contexts() if not whole and not each.get("seccompProfile")]
    return _seccomp(pod) + silent


_BASELINE: Final[tuple[tuple[Version, str, Judge], ...]] = (
    ((1, 0), "forbidden AppArmor profile", _apparmor),
    ((1, 0), "non-default capabilities", _capabilities),
    ((1, 0), "host namespaces", _host_namespaces),
    ((1, 0), "hostPath volumes", _host_paths),
    ((1, 0), "hostPort", _host_ports),
    ((1, 34), "probe or lifecycle host", _host_of_probes),
    ((1, 0), "privileged", _privileged),
    ((1, 0), "procMount", _proc_mount_relaxed),
    ((1, 0), "seLinuxOptions", _selinux),
    ((1, 19), "seccompProfile", _seccomp),
    ((1, 0), "forbidden sysctls", _sysctls),
    ((1, 0), "hostProcess", _host_process),
)
"""The version from which on a control counts, its name, what it says."""

_RESTRICTED: Final[tuple[tuple[Version, str, Judge, str], ...]] = (
    ((1, 8), "allowPrivilegeEscalation != false", _escalation, ""),
    ((1, 22), "unrestricted capabilities", _dropped, "non-default capabilities"),
    ((1, 35), "procMount", _proc_mount, "procMount"),
    ((1, 0), "restricted volume types", _volumes, "hostPath volumes"),
    ((1, 0), "runAsNonRoot != true", _not_root, ""),
    ((1, 23), "runAsUser=0", _not_user_0, ""),
    ((1, 19), "seccompProfile", _seccomp_stated, "seccompProfile"),
)
"""As above, and the control of baseline whose place it takes."""
