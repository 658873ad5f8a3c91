"""The pool's endpoints are the pods that are ready, for the API server and for the endpoint picker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llmdctl.model.proof import Reading
from llmdctl.release.verify import commands
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict, failed, passed
from llmdctl.release.verify.counting import epp_changes, number
from llmdctl.release.verify.names import READY
from llmdctl.release.verify.observed import EnginePod, Observed, last_of

_SHOWN: Final = 4


def _selects(seen: Observed) -> Verdict:
    selector, where = _selector(seen)
    ready = seen.ready()
    if not ready and seen.asleep:
        return _will_select(seen, selector, where)
    if not ready:
        raise seen.nobody_ready()
    outside = [pod for pod in ready if not selector.items() <= _labels(seen, pod).items()]
    reading = Reading(
        where=f"{where} spec.selector", after=f"{len(ready) - len(outside)} ready pods", expected=f"{len(ready)}"
    )
    if outside:
        names = ", ".join(pod.name for pod in outside[:_SHOWN])
        said = f"The pool selects {len(ready) - len(outside)} of {len(ready)} ready pods; not {names}."
        return failed(said, reading, remedy=_remedy(seen))
    return passed(f"The pool selects all {len(ready)} ready pods.", reading)


def _will_select(seen: Observed, selector: Mapping[str, str], where: str) -> Verdict:
    """Of a release that sleeps: the pods that will come, by the labels of their templates."""
    outside = [
        role.name for role in seen.stack.roles
        if not selector.items() <= {key: str(value) for key, value in role.labels.items()}.items()
    ]  # fmt: skip
    reading = Reading(where=f"{where} spec.selector", after=f"misses {', '.join(outside)}" if outside else "fits all")
    if outside:
        return failed(
            f"The pool selects no pod that {outside[0]} will have when it wakes.", reading, remedy=_remedy(seen)
        )
    return passed("No pod is ready, for it sleeps; the pool selects those that will come.", reading)


def _labels(seen: Observed, pod: EnginePod) -> dict[str, str]:
    return {key: str(value) for key, value in seen.role(pod).labels.items()}


def _counts(seen: Observed) -> Verdict:
    _selector(seen)
    if not seen.ready() and not seen.asleep:
        raise seen.nobody_ready()
    expected = len(seen.ready()) * seen.stack.endpoints_a_pod
    moment = last_of(seen.epp_scrapes)
    found = epp_changes(seen, READY, before=moment, after=moment)
    readings = tuple(each.reading(str(expected)) for each in found)
    wrong = [each for each in found if each.after != expected]
    if wrong:
        said = f"{wrong[0].pod} sees {number(wrong[0].after)} endpoints, and {expected} are ready."
        return failed(said, *readings, remedy=_remedy(seen))
    if not expected:
        return passed("The endpoint picker sees no endpoint, and there is none while it sleeps.", *readings)
    return passed(f"The endpoint picker sees all {expected} endpoints.", *readings)


def _selector(seen: Observed) -> tuple[dict[str, str], str]:
    if seen.stack.pool is None:
        raise NotConcernedError("the release has no InferencePool")
    name = str(seen.stack.pool["metadata"]["name"])
    live = seen.live.get(f"InferencePool/{name}")
    if live is None:
        raise UnknowableError(f"InferencePool {name} is not there, or cannot be read")
    labels = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return {str(key): str(value) for key, value in labels.items()}, f"InferencePool/{seen.namespace}/{name}"


def _remedy(seen: Observed) -> tuple[str, ...]:
    name = str(seen.stack.pool["metadata"]["name"]) if seen.stack.pool else ""
    return (
        commands.kubectl(seen, f"get inferencepool {name} -o yaml"),
        commands.kubectl(seen, "get pods --show-labels"),
        "Run the same `llmdctl install` again: it puts back the selector as rendered.",
    )


PROOFS: Final = (
    Claim(
        code="LV0301", slug="pool-selects-ready-pods", title="The pool selects the pods that are ready",
        claim="The InferencePool's selector matches every ready pod of this release's engines.",
        judge=_selects,
        why="A pool that selects nothing is no error anywhere: the API server takes it, and requests get 503.",
        reads="The live InferencePool and the pods.",
        remedy="Give the pool the labels of the pods, or install again.",
    ),
    Claim(
        code="LV0302", slug="scheduler-sees-pool", title="The scheduler sees every endpoint",
        claim="The endpoint picker counts as many ready endpoints as there are: ready pods times target ports.",
        judge=_counts,
        why="An endpoint picker that watches another pool, or may not list pods, starts and opens its ports.",
        reads="inference_pool_ready_pods (EPP 0.7), llm_d_epp_ready_endpoints (EPP 0.9 and later).",
        remedy="Compare --pool-name and --pool-namespace with the InferencePool; look at the endpoint picker's log.",
    ),
)  # fmt: skip
