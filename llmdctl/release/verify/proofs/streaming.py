"""A stream of more than a minute survives every hop."""

from __future__ import annotations

from typing import Final

from llmdctl.model.proof import Reading
from llmdctl.release.verify import commands, prompts
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict, failed, passed
from llmdctl.release.verify.observed import Observed
from llmdctl.release.verify.timeouts import limits

_WANTED_S: Final = 60.0


def _configured(seen: Observed) -> Verdict:
    objects = [seen.live.get(f"{obj.get('kind')}/{obj['metadata']['name']}") or obj for obj in seen.stack.objects]
    gateway = next((obj for obj in objects if obj.get("kind") == "Gateway"), {})
    gateway_class = str((gateway.get("spec") or {}).get("gatewayClassName", ""))
    found = limits(objects, gateway_class=gateway_class)
    routed = any(obj.get("kind") == "HTTPRoute" for obj in objects)
    if not found and not routed:
        raise UnknowableError("no proxy's configuration is among the objects of this release")
    readings = tuple(
        Reading(
            where=f"{limit.where} {limit.field}" + (" (not set)" if limit.assumed else ""),
            after=f"{limit.seconds:.0f}s" if limit.seconds else "none", expected=f"none, or more than {_WANTED_S:.0f}s",
        )
        for limit in found
    )  # fmt: skip
    cut = next((limit for limit in found if limit.cuts(_WANTED_S)), None)
    if cut is not None:
        said = f"{cut.where} ends an answer after {cut.seconds:.0f} s ({cut.field})."
        show = commands.kubectl(seen, f"get {cut.where.split()[0].lower()} -o yaml")
        return failed(said, *readings, remedy=("Install again: the recipe renders no limit below an hour.", show))
    return passed(f"{len(found)} limits on the way are none, or longer than {_WANTED_S:.0f} s.", *readings)


def _cut(seen: Observed) -> tuple[str, ...]:
    return ("Look at LV1101, then at every proxy before the entrance.", commands.doctor(seen))


def _streamed(seen: Observed) -> Verdict:
    if prompts.LONG not in seen.exchanges and not seen.no_entrance:
        raise NotConcernedError(f"--long sends a stream of {prompts.LONG_S:.0f} s; it was not given")
    done = seen.exchange(prompts.LONG)
    reading = Reading(
        where=f"{seen.entrance}: request {done.name}",
        after=f"{done.seconds:.0f} s, longest silence {done.longest_silence_s:.1f} s",
        expected=f"{prompts.LONG_S:.0f} s",
    )  # fmt: skip
    if done.error:
        return failed(f"The stream was cut after {done.seconds:.0f} s: {done.error}.", reading, remedy=_cut(seen))
    if done.seconds >= prompts.LONG_S:
        return passed(f"A stream of {done.seconds:.0f} s was not cut.", reading)
    if done.reply is not None and done.reply.good and "data: [DONE]" in done.reply.text:
        raise UnknowableError(f"the model had nothing more to say after {done.seconds:.0f} s")
    return failed(f"The stream was cut after {done.seconds:.0f} s.", reading, remedy=_cut(seen))


PROOFS: Final = (
    Claim(
        code="LV1101", slug="no-short-timeouts", title="No hop ends a long answer",
        claim="No route, proxy or policy of the release ends an answer that takes longer than a minute.",
        judge=_configured,
        why="Envoy's routes end after 15 s unless told otherwise, Google's load balancers after 30 s: long answers are"
        " cut in the middle, short ones in tests never.",
        reads="The live proxy configuration, HTTPRoutes and backend policies.",
        remedy="Set the limits to 0s (none), or to an hour.",
        sources=("https://www.envoyproxy.io/docs/envoy/latest/faq/configuration/timeouts",),
    ),
    Claim(
        code="LV1102", slug="long-stream", title="A stream of 65 s arrives",
        claim="A streamed answer of 65 s is not cut.",
        judge=_streamed, awake=True, sends=(prompts.LONG,),
        why="Load balancers and proxies outside the release have limits of their own.",
        reads="One streamed completion, with --long alone.",
        remedy="Look at LV1101, then at every proxy before the entrance.",
    ),
)  # fmt: skip
