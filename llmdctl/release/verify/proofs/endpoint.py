"""The entrance answers, with the right model, and refuses a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmdctl.model.proof import Reading
from llmdctl.release.verify import commands, prompts
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict, failed, passed
from llmdctl.release.verify.observed import Exchange, Observed
from llmdctl.release.verify.wording import counted

_SHOWN: Final = 160  # characters of an answer that was not expected


def _answers(seen: Observed) -> Verdict:
    if seen.no_entrance and seen.epps and not any(pod.ready for pod in seen.epps):
        readings = (Reading(where=pod.place, after="not ready", expected="ready") for pod in seen.epps)
        pods = counted(len(seen.epps), "pod")
        said = f"The endpoint picker is not ready ({pods}, none of them is), so nothing takes requests in."
        return failed(said, *readings, remedy=_walk(seen))
    done = seen.exchange(prompts.SHORT)
    bad = _bad(seen, done)
    if bad is not None:
        return bad
    document = (done.reply.document() if done.reply else None) or {}
    text = next((str(choice.get("text", "")) for choice in document.get("choices") or ()), None)
    model, wanted = str(document.get("model", "")), seen.stack.served[0]
    reading = _reading(seen, done, f"200, model {model}", f"200, model {wanted}")
    if text is None:
        return failed("The answer holds no completion.", reading, remedy=_walk(seen))
    if model != wanted:
        return failed(f"Model {wanted} was asked for, and {model or 'no model'} answered.", reading, remedy=_walk(seen))
    return passed(f"Model {wanted} answered in {done.seconds:.2f} s.", reading)


def _lists(seen: Observed) -> Verdict:
    done = seen.exchange(prompts.MODELS)
    if done.reply and done.reply.status == 404 and _by_name(seen):
        raise NotConcernedError(
            "its route takes requests that name a model in their body; this one has none, so the Gateway that models "
            "share has no list of them all"
        )
    bad = _bad(seen, done)
    if bad is not None:
        return bad
    document = (done.reply.document() if done.reply else None) or {}
    listed = [str(row.get("id")) for row in document.get("data") or () if isinstance(row, dict)]
    missing = [name for name in seen.stack.served if name not in listed]
    reading = _reading(seen, done, ", ".join(listed) or "none", ", ".join(seen.stack.served))
    if missing and not set(seen.stack.served) & set(listed):
        return failed(f"/v1/models lists no model of this release: {', '.join(listed) or 'none'}.", reading)
    return passed(f"/v1/models lists {', '.join(listed)}.", reading)


def _by_name(seen: Observed) -> bool:
    """Whether the release is reached by a header alone, which something before the routes makes of the body."""
    routes = seen.stack.of_kind("HTTPRoute", "AIGatewayRoute")
    rules = [rule for route in routes for rule in (route.get("spec") or {}).get("rules") or ()]
    matches: list[Mapping[str, Any]] = []
    for rule in rules:
        matches += rule.get("matches") or [{}]  # a rule without any takes every request
    return bool(matches) and all(match.get("headers") for match in matches)


def _refuses(seen: Observed) -> Verdict:
    done = seen.exchange(prompts.WRONG)
    if done.error:
        return failed(f"A request for a model that does not exist got no answer: {done.error}.")
    status = done.reply.status if done.reply else 0
    reading = _reading(seen, done, str(status), "404")
    if status == 404:
        return passed("A model that does not exist gets 404.", reading)
    if 200 <= status < 300:
        said = "A model that does not exist gets an answer: something on the way replaces the name."
        show = commands.kubectl(seen, "get httproutes,inferencemodelrewrites -o yaml")
        return failed(said, reading, remedy=("Who replaces it? A rewrite, a route's filter, or the engine:", show))
    return failed(f"A model that does not exist gets HTTP {status} instead of 404.", reading, remedy=_walk(seen))


def _streams(seen: Observed) -> Verdict:
    done = seen.exchange(prompts.STREAM)
    bad = _bad(seen, done)
    if bad is not None:
        return bad
    text = done.reply.text if done.reply else ""
    events = text.count("data: ") - ("data: [DONE]" in text)
    reading = _reading(seen, done, f"{events} events", "several events, then [DONE]")
    if "data: [DONE]" not in text:
        return failed(f"The stream ended after {events} events without [DONE].", reading, remedy=_walk(seen))
    if not events:
        return failed("The stream has no event.", reading, remedy=_walk(seen))
    return passed(f"{events} events came, then [DONE].", reading)


def _bad(seen: Observed, done: Exchange) -> Verdict | None:
    """The verdict of an answer that is no success; None of one that is. Raises UnknowableError: credentials lack."""
    if done.error:
        return failed(f"No answer: {done.error}.", _reading(seen, done, done.error, "200"), remedy=_walk(seen))
    reply = done.reply
    assert reply is not None, "without an error there is an answer"
    if reply.good:
        return None
    if reply.status in (401, 403):
        raise UnknowableError(f"the entrance asks for credentials (HTTP {reply.status}), and verify has none")
    said = " ".join(reply.text.split())[:_SHOWN]
    reading = _reading(seen, done, f"{reply.status} {said}".strip(), "200")
    return failed(f"HTTP {reply.status} instead of 200.", reading, remedy=_walk(seen))


def _reading(seen: Observed, done: Exchange, after: str, expected: str) -> Reading:
    return Reading(where=f"{seen.entrance}: request {done.name}", after=after, expected=expected)


def _walk(seen: Observed) -> tuple[str, ...]:
    return (commands.doctor(seen),)


PROOFS: Final = (
    Claim(
        code="LV0101", slug="endpoint-answers", title="The endpoint answers with the right model",
        claim="A completion asked for at the entrance is answered by the model of this release.",
        judge=_answers, awake=True, sends=(prompts.SHORT,),
        why="All pods ready is not served: a listener, a route, the pool or the scheduler may lead nowhere.",
        reads="The answer to one short completion, sent through the entrance that clients use.",
        remedy="Walk the hops with `llmdctl doctor`: it stops at the first one that is broken.",
    ),
    Claim(
        code="LV0102", slug="models-listed", title="The endpoint lists the model",
        claim="GET /v1/models names the models that this release serves.",
        judge=_lists, awake=True, sends=(prompts.MODELS,),
        why="Clients that choose from the list find nothing, or the model of another release.",
        reads="The answer to GET /v1/models, sent through the entrance.",
        remedy="Compare the route and the pool's selector with the pods: another release may answer.",
    ),
    Claim(
        code="LV0103", slug="wrong-model-refused", title="A model that does not exist is refused",
        claim="A request for an unknown model gets 404.",
        judge=_refuses, awake=True, sends=(prompts.WRONG,),
        why="Where a wrong name is answered, clients do not notice that they talk to another model.",
        reads="The status of one completion for a name that no model has. vLLM 0.32.0 gives 404 NotFoundError.",
        remedy="Look for a rule that rewrites model names, and at the names with `llmdctl status`.",
    ),
    Claim(
        code="LV0104", slug="endpoint-streams", title="Answers stream",
        claim="A streamed completion arrives event by event and ends with [DONE].",
        judge=_streams, awake=True, sends=(prompts.STREAM,),
        why="A proxy that gathers the answer before it passes it on makes the first token as late as the last.",
        reads="The events of one streamed completion.",
        remedy="Look for buffering in the proxies on the way.",
    ),
)  # fmt: skip
