"""Everything that was seen of a release, once; proofs look at this and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llmdctl.kube import KubernetesObject, Reply
from llmdctl.memory import RoleLedger
from llmdctl.prometheus import Exposition
from llmdctl.release.sleeping import HELPERS
from llmdctl.release.verify.claim import UnknowableError
from llmdctl.release.verify.scaling import Answered
from llmdctl.release.verify.stack import Role, Stack

START: Final = "start"
COLD: Final = "cold"  # after a long prompt that nobody has seen
END: Final = "end"  # after the same prompt again

Scrape = Exposition | str
"""What a pod exposed, or why that could not be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnginePod:
    """One pod that serves a model."""

    name: str
    namespace: str
    role: str
    ready: bool
    phase: str
    reason: str = ""  # why it is not ready, in a word
    node: str = ""
    simulated: bool = False  # its node has no kubelet
    image: str = ""
    args: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """As evidence names it."""
        return f"Pod/{self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class EppPod:
    """One pod of the endpoint picker."""

    name: str
    namespace: str
    ready: bool
    started_s: float | None = None  # of the container, since the epoch
    annotations: Mapping[str, str] = field(default_factory=dict)
    log: tuple[str, ...] | str = ()  # the first lines, or why they could not be read
    simulated: bool = False

    @property
    def place(self) -> str:
        """As evidence names it."""
        return f"Pod/{self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """One request through the entrance. `error` says why there was no answer."""

    name: str
    reply: Reply | None = None
    error: str = ""
    blind: bool = False  # nobody could be asked, so the error says nothing of the release
    seconds: float = 0.0
    longest_silence_s: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sleep:
    """A role at zero replicas that KEDA brings back when somebody asks."""

    role: str
    workload: str  # Kind/namespace/name
    waker: str  # of its ScaledObject


def last_of(scrapes: Mapping[str, object]) -> str:
    """The last moment of a run: START where no request was answered."""
    return END if END in scrapes else START


def is_asleep(sleeps: Iterable[Sleep], engines: Iterable[EnginePod]) -> bool:
    """Whether a role that requests reach first sleeps, and no pod of such a role is ready."""
    awake = any(pod.ready and pod.role not in HELPERS for pod in engines)
    return not awake and any(each.role not in HELPERS for each in sleeps)


@dataclass(frozen=True, kw_only=True, slots=True)
class Autoscaling:
    """Objects that scale this release, and what the external metrics API says. Strings say why one is missing."""

    scaled_objects: tuple[KubernetesObject, ...] | str = ()
    hpas: tuple[KubernetesObject, ...] | str = ()
    external: Mapping[str, float | str] = field(default_factory=dict)  # <HPA>/<metric> -> value, or why none
    answers: Mapping[str, Answered] = field(default_factory=dict)  # Trigger.key -> what Prometheus says


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The facts of one run of verify."""

    release: str
    namespace: str
    stack: Stack
    engines: tuple[EnginePod, ...] = ()
    epps: tuple[EppPod, ...] = ()
    live: Mapping[str, KubernetesObject | None] = field(default_factory=dict)  # Kind/name -> as it is now
    scrapes: Mapping[str, Mapping[str, Scrape]] = field(default_factory=dict)  # moment -> pod -> engine's metrics
    epp_scrapes: Mapping[str, Mapping[str, Scrape]] = field(default_factory=dict)
    proxy_scrapes: Mapping[str, Scrape] = field(default_factory=dict)  # moment -> Envoy's statistics, beside the picker
    models: Mapping[str, Mapping[str, Any] | str] = field(default_factory=dict)  # pod -> /v1/models, or why not
    logs: Mapping[str, tuple[str, ...] | str] = field(default_factory=dict)  # engine pod -> first lines
    exchanges: Mapping[str, Exchange] = field(default_factory=dict)
    entrance: str = ""
    no_entrance: str = ""  # why no request could be sent
    ledgers: Mapping[str, RoleLedger | str] = field(default_factory=dict)  # role -> as computed, or why nothing was
    autoscaling: Autoscaling = field(default_factory=Autoscaling)
    sleeps: tuple[Sleep, ...] = ()
    requests: int = 0
    budget: int = 0

    def of_role(self, role: str) -> tuple[EnginePod, ...]:
        """Pods of one role."""
        return tuple(pod for pod in self.engines if pod.role == role)

    def ready(self) -> tuple[EnginePod, ...]:
        """Pods that serve."""
        return tuple(pod for pod in self.engines if pod.ready)

    @property
    def asleep(self) -> bool:
        """Whether nobody is there to answer, and somebody comes when a request waits: a request would change that."""
        return is_asleep(self.sleeps, self.engines)

    def role(self, pod: EnginePod) -> Role:
        """What was rendered for a pod."""
        return next(role for role in self.stack.roles if role.name == pod.role)

    def nobody_ready(self) -> UnknowableError:
        """What can be said of engines while none is ready."""
        return UnknowableError(
            "no pod of an engine is ready", remedy=(f"$ llmdctl doctor {self.release} -n {self.namespace}",)
        )

    def exchange(self, name: str) -> Exchange:
        """A request that was sent. Raises UnknowableError when it was not, or when nobody could be asked."""
        if self.no_entrance:
            walk = f"$ llmdctl doctor {self.release} -n {self.namespace}"
            raise UnknowableError(self.no_entrance, remedy=(walk,))
        found = self.exchanges.get(name)
        if found is None:
            unanswered = next((each for each in self.exchanges.values() if each.error), None)
            why = (
                f"an earlier one got no answer: {unanswered.error}"
                if unanswered
                else "the budget of requests was spent"
            )
            raise UnknowableError(f"its request was not sent: {why}")
        if found.blind:
            raise UnknowableError(found.error)
        return found

    def answered(self, name: str) -> Mapping[str, Any]:
        """The JSON of a request that was answered well. Raises UnknowableError when it was not."""
        reply = self.exchange(name).reply
        document = reply.document() if reply is not None and reply.good else None
        if document is None:
            raise UnknowableError(f"its request {name} was not answered")
        return document

    def prompt_tokens(self, *names: str) -> int:
        """How many tokens the prompts of these requests had, as the engine counted. Raises UnknowableError."""
        usages = [self.answered(name).get("usage") or {} for name in names]
        return sum(int(usage.get("prompt_tokens") or 0) for usage in usages)

    def scrape(self, moment: str, pod: str) -> Exposition:
        """What an engine exposed at a moment. Raises UnknowableError with the reason."""
        return _readable(self.scrapes.get(moment, {}).get(pod), f"metrics of {pod}")

    def epp_scrape(self, moment: str, pod: str) -> Exposition:
        """What an endpoint picker exposed at a moment. Raises UnknowableError with the reason."""
        return _readable(self.epp_scrapes.get(moment, {}).get(pod), f"metrics of {pod}")

    def proxy_scrape(self, moment: str) -> Exposition:
        """What the proxy beside the endpoint picker exposed at a moment. Raises UnknowableError with the reason."""
        return _readable(self.proxy_scrapes.get(moment), "statistics of the proxy")


def _readable(scrape: Scrape | None, what: str) -> Exposition:
    if scrape is None:
        raise UnknowableError(f"{what} were not read")
    if isinstance(scrape, str):
        raise UnknowableError(f"{what} cannot be read: {scrape}")
    return scrape
