"""One run of looking and asking: thin, everything that it sees is decided about elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from llmdctl.kube import Cluster
from llmdctl.prometheus import Ask, Exposition
from llmdctl.release.clock import SYSTEM_CLOCK, Clock
from llmdctl.release.verify import looking, prompts
from llmdctl.release.verify.entrance import Entrance, find
from llmdctl.release.verify.lengths import max_model_len
from llmdctl.release.verify.names import ENGINES, PROMPT, READY, epp_names, first
from llmdctl.release.verify.observed import COLD, END, START, EnginePod, EppPod, Observed, Scrape, is_asleep, last_of
from llmdctl.release.verify.reckoned import ledgers
from llmdctl.release.verify.scraping import Scraper
from llmdctl.release.verify.sending import REQUEST_S, Sender
from llmdctl.release.verify.stack import Stack

_SETTLE_TRIES: Final = 6  # until counters show a request that was answered: some engines publish once a second
_SETTLE_S: Final = 1.0
_RECOUNT_S: Final = 5.0
"""How often a picker counts its endpoints for its metrics, `--refresh-prometheus-metrics-interval` unless stated:
https://github.com/kubernetes-sigs/gateway-api-inference-extension pkg/epp/server/options.go."""
_BLOCK: Final = 128  # tokens; assumed where the engine does not say
Reporter = Callable[[str], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """What a run may do."""

    budget: int = prompts.BUDGET  # requests to the model
    long: bool = False  # also a stream of 65 s
    ask: bool = True  # False: no proof that is wanted needs a request
    seed: int = 0
    request_s: float = REQUEST_S  # the longest time of one request
    wake_s: float | None = None  # how long a release that sleeps may take to answer the first; None: it sleeps on
    prometheus: Ask | None = None  # instead of the one that KEDA asks


def observe(
    cluster: Cluster,
    stack: Stack,
    *,
    release: str,
    effort: Effort,
    clock: Clock = SYSTEM_CLOCK,
    report: Reporter = lambda _: None,
) -> Observed:
    """Everything that the proofs look at. Raises the errors of `Cluster` for what nothing can be said without."""
    report("Looking at pods, objects and logs.")
    engines, epps = looking.engine_pods(cluster, stack), looking.epp_pods(cluster, stack)
    sleeps, entrance = looking.sleeps(cluster, stack, engines), find(cluster, stack)
    sender = _sender(cluster, stack, entrance, effort, clock)
    if sender is not None and effort.wake_s is not None and is_asleep(sleeps, engines):
        report(f"Waking {', '.join(each.role for each in sleeps)} through {entrance}: at most {effort.wake_s:.0f} s.")
        sender.send(prompts.wake(stack.served[0]), limit_s=effort.wake_s)
        engines = looking.engine_pods(cluster, stack)
        sleeps = looking.sleeps(cluster, stack, engines)
    ready = [pod for pod in engines if pod.ready]
    scraper = Scraper(cluster, stack)
    models = scraper.models(ready)
    picking = [pod for pod in epps if pod.ready]
    run = _Run(scraper=scraper, ready=ready, epps=picking, clock=clock, entrance=entrance)
    reason = _no_entrance(stack, entrance, ready)
    if sender is not None and effort.ask and not reason:
        report(f"Sending requests through {entrance}.")
        _converse(sender, stack, run, effort, models)
    else:
        run.scrape(START)
    run.recount(stack)
    asked = sender is not None and sender.sent > 0
    return Observed(
        release=release, namespace=stack.namespace, stack=stack, engines=engines, epps=epps,
        live=looking.live_objects(cluster, stack), scrapes=run.scrapes, epp_scrapes=run.epp_scrapes,
        proxy_scrapes=run.proxy_scrapes, models=models, sleeps=sleeps,
        logs=_logs(cluster, stack, ready), exchanges=sender.exchanges if sender else {},
        entrance=str(entrance) if asked else "", no_entrance=reason or ("" if asked else "no request was sent"),
        ledgers=ledgers(stack), autoscaling=looking.autoscaling(cluster, stack, effort.prometheus),
        requests=sender.sent if sender else 0, budget=effort.budget,
    )  # fmt: skip


def _sender(
    cluster: Cluster, stack: Stack, entrance: Entrance | str, effort: Effort, clock: Clock
) -> Sender | None:  # fmt: skip
    """None where there is nowhere to send to, no name to ask for, or nothing to be asked."""
    if isinstance(entrance, str) or not stack.served or not (effort.ask or effort.wake_s is not None):
        return None
    return Sender(
        pods=cluster.pods, entrance=entrance, budget=effort.budget, request_s=effort.request_s, now_s=clock.monotonic
    )  # fmt: skip


def _no_entrance(stack: Stack, entrance: Entrance | str, ready: Iterable[EnginePod]) -> str:
    if isinstance(entrance, str):
        return f"no request can be sent: {entrance}"
    if not stack.served:
        return "no request can be sent: the name of the model is not known from the engine's command line"
    return "" if list(ready) else "no request can be answered: no pod of an engine is ready"


@dataclass(kw_only=True)
class _Run:
    """Scrapes by moment."""

    scraper: Scraper
    ready: list[EnginePod]
    epps: list[EppPod]
    clock: Clock
    entrance: Entrance | str

    def __post_init__(self) -> None:
        self.scrapes: dict[str, Mapping[str, Scrape]] = {}
        self.epp_scrapes: dict[str, Mapping[str, Scrape]] = {}
        self.proxy_scrapes: dict[str, Scrape] = {}

    def scrape(self, moment: str, *, after: str = "") -> None:
        """Read all. `after`: wait until the prompt counters have moved since that moment, for some seconds."""
        for attempt in range(_SETTLE_TRIES):
            if attempt:
                self.clock.sleep(_SETTLE_S)
            self.scrapes[moment] = self.scraper.engines(self.ready)
            if not after or _prompt_tokens(self.scrapes[moment]) > _prompt_tokens(self.scrapes[after]):
                break
        self.epp_scrapes[moment] = self.scraper.epps(self.epps)
        if isinstance(self.entrance, Entrance):
            self.proxy_scrapes[moment] = self.scraper.proxy(self.entrance)

    def recount(self, stack: Stack) -> None:
        """Read the pickers again while one says another number of endpoints than are ready: the last engine may have
        become ready just now, and the number is counted anew every few seconds only.
        """
        moment = last_of(self.epp_scrapes)
        endpoints = len(self.ready) * stack.endpoints_a_pod
        until_s = self.clock.monotonic() + _RECOUNT_S + _SETTLE_S
        while self._miscounts(stack, moment, endpoints) and self.clock.monotonic() < until_s:
            self.clock.sleep(_SETTLE_S)
            self.epp_scrapes[moment] = self.scraper.epps(self.epps)

    def _miscounts(self, stack: Stack, moment: str, endpoints: int) -> bool:
        candidates = epp_names(stack.epp_version, READY)
        read = [scrape for scrape in self.epp_scrapes[moment].values() if isinstance(scrape, Exposition)]
        counted = [found for scrape in read if (found := first(scrape, candidates))]
        return any(value != endpoints for _, value in counted)


def _prompt_tokens(scrapes: Mapping[str, Scrape]) -> float:
    counted = 0.0
    for scrape in scrapes.values():
        if isinstance(scrape, Exposition):
            found = (first(scrape, table[PROMPT]) for table in ENGINES.values())
            counted += sum(total for each in found if each for _, total in [each])
    return counted


def _converse(
    sender: Sender, stack: Stack, run: _Run, effort: Effort, models: Mapping[str, Mapping[str, object] | str]
) -> None:
    words = prompts.prompt_words(
        _block_size(run.scraper.engines(run.ready)), max_model_len(models), above=stack.decider_threshold or 0
    )
    planned = {
        sent.name: sent
        for sent in prompts.requests(
            stack.served[0], words=words, seed=effort.seed, long=effort.long, length=max_model_len(models)
        )
    }  # fmt: skip
    for name in (prompts.MODELS, prompts.SHORT, prompts.WRONG, prompts.STREAM):
        done = sender.send(planned[name])
        if done is not None and done.error:
            run.scrape(START)
            break  # who does not answer the first will not answer the others, and each may take a minute
    else:
        run.scrape(START)
        sender.send(planned[prompts.COLD])
        run.scrape(COLD, after=START)
        for name in prompts.AGAIN:
            sender.send(planned[name])
        run.scrape(END, after=COLD)
        if effort.long:
            sender.send(planned[prompts.LONG])


def _block_size(scrapes: Mapping[str, Scrape]) -> int:
    """The largest block of any engine, tokens."""
    found = [_BLOCK // 8]
    for scrape in scrapes.values():
        if isinstance(scrape, Exposition):
            labels = [sample.labels for sample in scrape.of("vllm:cache_config_info")]
            found += [int(each["block_size"]) for each in labels if each.get("block_size", "").isdigit()]
    return max(found) if len(found) > 1 else _BLOCK


def _logs(cluster: Cluster, stack: Stack, ready: Iterable[EnginePod]) -> dict[str, tuple[str, ...] | str]:
    """The first lines of one pod of each role that moves KV blocks: pods of a role are made alike."""
    first_of: dict[str, EnginePod] = {}
    for pod in ready:
        first_of.setdefault(pod.role, pod)
    containers = {role.name: role.engine.container.name for role in stack.roles if role.connectors}
    return {
        pod.name: looking.first_lines(cluster, pod.namespace, pod.name, containers[role])
        for role, pod in first_of.items()
        if role in containers
    }
