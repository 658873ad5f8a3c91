"""The pinned programs, as data. `tools/<family>/go.mod` pins the same versions; a test compares the two."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from llmdctl.errors import ProgramError

_K8S = "1.34.4"
_COMPONENT = "k8s.io/component-base/version"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pinned:
    """One program: how to build it, what to accept instead, how to ask its version."""

    name: str
    family: str  # folder under tools/
    module: str  # the go.mod requirement that carries the version
    package: str  # what `go build` builds
    version: str
    on_path: str | None  # file name looked for on PATH; None: never taken from there
    accepts: str  # versions of it that are good enough
    version_args: tuple[str, ...]  # how to ask its version; empty: it cannot tell
    stamps: tuple[tuple[str, str], ...] = ()  # Go variables set at link time; a plain build does not know its version

    @property
    def variable(self) -> str:
        """The environment variable that names its path: `LLMDCTL_KUBE_APISERVER`."""
        return "LLMDCTL_" + self.name.upper().replace("-", "_")

    @property
    def ldflags(self) -> str:
        """`-s -w` (no debug tables: a third of the size), then the version stamps."""
        return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in self.stamps)])


def _helm4(name: str, accepts: str) -> Pinned:
    return Pinned(
        name=name,
        family="helm4",
        module="helm.sh/helm/v4",
        package="helm.sh/helm/v4/cmd/helm",
        version="4.3.1",
        on_path="helm",
        accepts=accepts,
        version_args=("version", "--short"),
        # Its default Kubernetes version needs no stamp: helm 4 takes it from the client-go it is built with.
        stamps=(("helm.sh/helm/v4/internal/version.version", "v4.3.1"),),
    )


def _kubernetes(name: str) -> Pinned:
    return Pinned(
        name=name,
        family="kubernetes",
        module="k8s.io/kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        version=_K8S,
        on_path=name,
        accepts=">=1.34 <1.35",
        version_args=("--version",),
        stamps=(
            (f"{_COMPONENT}.gitVersion", f"v{_K8S}"),
            (f"{_COMPONENT}.gitMajor", "1"),
            (f"{_COMPONENT}.gitMinor", "34"),
        ),
    )


def _llmd(name: str, command: str) -> Pinned:
    return Pinned(
        name=name,
        family="epp07",
        module="github.com/llm-d/llm-d-inference-scheduler",
        package=f"github.com/llm-d/llm-d-inference-scheduler/cmd/{command}",
        version="0.7.1",
        on_path=None,  # shipped as an image only, and other versions have the same file name
        accepts=">=0.7 <0.8",
        version_args=(),
    )


def _keda(name: str, command: str) -> Pinned:
    return Pinned(
        name=name,
        family="keda",
        module="github.com/kedacore/keda/v2",
        package=f"github.com/kedacore/keda/v2/cmd/{command}",
        version="2.21.0",
        on_path=None,  # shipped as images only
        accepts=">=2.21 <2.22",
        version_args=(),
        stamps=(("github.com/kedacore/keda/v2/version.Version", "2.21.0"),),
    )


_PROGRAMS = (
    _helm4("helm", ">=3.20 <4 || >=4.2 <5"),
    _helm4("helm4", ">=4.2 <5"),
    Pinned(
        name="helm3",
        family="helm3",
        module="helm.sh/helm/v3",
        package="helm.sh/helm/v3/cmd/helm",
        version="3.22.0",
        on_path="helm",
        accepts=">=3.20 <4",
        version_args=("version", "--short"),
        stamps=(
            ("helm.sh/helm/v3/internal/version.version", "v3.22.0"),
            # Without these, helm 3 renders for Kubernetes 1.20.
            ("helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor", "1"),
            ("helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor", "34"),
            ("helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor", "1"),
            ("helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor", "34"),
        ),
    ),
    Pinned(
        name="helm-unittest",
        family="helm-unittest",
        module="github.com/helm-unittest/helm-unittest",
        package="github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
        version="1.1.2",
        on_path=None,  # it cannot tell its version, so one found by chance may be any
        accepts=">=1.1 <2",
        version_args=(),
        stamps=(("github.com/helm-unittest/helm-unittest/internal/build.version", "1.1.2"),),
    ),
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kubelet"),
    _kubernetes("kube-proxy"),
    Pinned(
        name="etcd",
        family="etcd",
        module="go.etcd.io/etcd/server/v3",
        package="go.etcd.io/etcd/server/v3",
        version="3.6.16",
        on_path="etcd",
        accepts=">=3.5.21 <3.7",  # what kube-apiserver 1.34 is run against
        version_args=("--version",),
    ),
    Pinned(
        name="kwok",
        family="kwok",
        module="sigs.k8s.io/kwok",
        package="sigs.k8s.io/kwok/cmd/kwok",
        version="0.8.0",
        on_path="kwok",
        accepts=">=0.8 <0.9",
        version_args=("--version",),
        stamps=(("sigs.k8s.io/kwok/pkg/consts.Version", "0.8.0"),),
    ),
    Pinned(
        name="lws",
        family="lws",
        module="sigs.k8s.io/lws",
        package="sigs.k8s.io/lws/cmd",
        version="0.9.0",
        on_path=None,  # shipped as an image only, whose program is called `manager`
        accepts=">=0.9 <0.10",
        version_args=("--version",),
        stamps=(("sigs.k8s.io/lws/pkg/version.GitVersion", "v0.9.0"),),
    ),
    _llmd("epp07", "epp"),
    _llmd("sidecar07", "pd-sidecar"),
    Pinned(
        name="body-router",
        family="body-router",
        module="sigs.k8s.io/gateway-api-inference-extension",
        package="sigs.k8s.io/gateway-api-inference-extension/cmd/bbr",
        version="1.5.0",
        on_path=None,  # shipped as an image only
        accepts=">=1.5 <1.6",
        version_args=(),
    ),
    _keda("keda-operator", "operator"),
    _keda("keda-adapter", "adapter"),
    Pinned(
        name="coredns",
        family="coredns",
        module="github.com/coredns/coredns",
        package="llmdctl.dev/tools/coredns",
        version="1.12.4",
        on_path=None,  # one found by chance may have other plugins
        accepts=">=1.12 <2",
        version_args=("-version",),
    ),
    Pinned(
        name="pause",
        family="pause",
        module="llmdctl.dev/tools/pause",
        package="llmdctl.dev/tools/pause",
        version="1.0.0",
        on_path=None,  # a word too common for a file name
        accepts=">=1 <2",
        version_args=("-v",),
    ),
)

# Families whose builds find in Go's cache what another one of the lane has compiled. For that, a module that several of
# them use must be of one version in all of them, as a test demands. A short lane stands first, for its first program is
# built alone, and then the longest.
LANES: tuple[tuple[str, ...], ...] = (
    ("etcd",),
    ("kubernetes", "coredns"),
    ("helm4", "kwok", "lws", "epp07", "body-router"),
    ("helm3",),
    ("helm-unittest",),
    ("keda",),
    ("pause",),
)

CATALOG: dict[str, Pinned] = {program.name: program for program in _PROGRAMS}


def pinned(name: str) -> Pinned:
    """The catalogue's entry. Raises ProgramError, with the nearest name, for one that is not in it."""
    if name in CATALOG:
        return CATALOG[name]
    near = difflib.get_close_matches(name, CATALOG, n=1)
    remedy = f"Did you mean '{near[0]}'?" if near else f"Known are: {', '.join(CATALOG)}."
    raise ProgramError(f"no program is pinned under the name '{name}'", remedy=remedy)


def lane_of(program: Pinned) -> int:
    """Which of the lanes the program is built in."""
    return next(number for number, families in enumerate(LANES) if program.family in families)
