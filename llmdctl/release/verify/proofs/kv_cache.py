"""KV events reach the scheduler, and tiers beyond the accelerator take blocks and give them back."""

from __future__ import annotations

from typing import Final

from llmdctl.model.proof import Reading
from llmdctl.release.verify import commands, prompts
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict, failed, passed
from llmdctl.release.verify.counting import changes, epp_changes, number, risen
from llmdctl.release.verify.names import EVENTS, LOADED, STORED, epp_names, first
from llmdctl.release.verify.observed import END, START, EnginePod, Observed
from llmdctl.release.verify.stack import Role

_AT_ONCE: Final = ("OffloadingConnector",)  # stores every block that is full: vLLM 0.32.0, offloading connector
_TIERS: Final = (
    *_AT_ONCE, "SimpleCPUOffloadConnector", "LMCacheConnectorV1", "LMCacheMPConnector", "MooncakeStoreConnector",
    "TPUOffloadConnector", "HF3FSKVConnector",
)  # fmt: skip
_MAPS: Final = (0, 24)  # the first vLLM that writes events as maps
_HICACHE: Final = "--enable-hierarchical-cache"


def _events(seen: Observed) -> Verdict:
    if not any(plugin.startswith("precise-prefix") for plugin in seen.stack.plugins):
        raise NotConcernedError("the scheduler of this release reads no KV events")
    mute = [role for role in seen.stack.roles if not _publishes(role)]
    if mute:
        reading = Reading(where=f"role {mute[0].name} args", after="no KV events", expected="KV events on")
        return failed(
            f"The engines of role {mute[0].name} publish no KV events.", reading,
            remedy=("Install again: the recipe sets --kv-events-config.", commands.workload(seen, mute[0])),
        )  # fmt: skip
    version = seen.stack.epp_version
    exposed = any(
        first(seen.epp_scrape(moment, pod.name), epp_names(version, EVENTS)) is not None
        for moment in seen.epp_scrapes for pod in seen.epps if pod.ready
    )  # fmt: skip
    if not exposed and version in ("0.7", "0.9"):
        raise UnknowableError(f"EPP {version} counts KV events only with the index's own metrics switched on")
    seen.answered(prompts.COLD)
    found = epp_changes(seen, EVENTS, before=START, after=END)
    readings = tuple(each.reading("more than before") for each in found)
    if risen(found) <= 0:
        return failed(
            "A new prompt was cached, and no event of it reached the scheduler.", *readings,
            remedy=(
                *_unreadable(seen),
                "Look at the events' port and topic on both sides, and at network policies from engines to the"
                " endpoint picker.",
                commands.kubectl(seen, "get networkpolicies"),
                commands.picker_log(seen),
            ),
        )  # fmt: skip
    return passed(f"{number(risen(found))} events reached the scheduler.", *readings)


def _unreadable(seen: Observed) -> tuple[str, ...]:
    """The form of the events changed in vLLM 0.24 (https://github.com/vllm-project/vllm/pull/42892)."""
    newer = [role.name for role in seen.stack.roles if role.engine.name == "vllm" and role.engine.version >= _MAPS]
    if seen.stack.epp_version != "0.7" or not newer:
        return ()
    return ("EPP 0.7 reads the events of vLLM up to 0.23 alone, and these engines are newer: take EPP 0.9.",)


def _publishes(role: Role) -> bool:
    """Whether its command line says so; one that a shell completes may say it in words that are not known here."""
    option = role.engine.line.find("--kv-events-config")
    return option is not None and (option.opaque or bool(role.json_option("--kv-events-config")))


def _takes(seen: Observed) -> Verdict:
    pods = _tiered(seen)
    seen.answered(prompts.COLD)
    found = changes(seen, pods, STORED, before=START, after=END)
    readings = tuple(each.reading("more than before") for each in found if each.after) or (found[0].reading(),)
    total = sum(each.after for each in found)
    if total > 0:
        return passed(f"The tier has taken {number(total)} (this run: {number(risen(found))}).", *readings)
    if any(name in _AT_ONCE for pod in pods for name in seen.role(pod).connectors):
        return failed(
            "A prompt of many blocks was processed, and the tier took none of them.", *readings,
            remedy=(
                "Look at the engine's log for the connector, and at the size of the tier in the values.",
                commands.engine_log(seen, pods[0]),
            ),
        )  # fmt: skip
    raise UnknowableError("the tier has taken nothing yet; this connector may store only what is evicted")


def _gives(seen: Observed) -> Verdict:
    found = changes(seen, _tiered(seen), LOADED, before=START, after=END)
    total = sum(each.after for each in found)
    if total > 0:
        readings = tuple(each.reading() for each in found if each.after)
        return passed(f"The tier has given back {number(total)} since the engines started.", *readings)
    raise UnknowableError("no block had to come back yet: that takes load that evicts blocks from the accelerator")


def _tiered(seen: Observed) -> tuple[EnginePod, ...]:
    pods = tuple(pod for pod in seen.ready() if _has_tier(seen.role(pod)))
    if pods:
        return pods
    if any(_has_tier(role) for role in seen.stack.roles):
        raise UnknowableError("no pod with a tier is ready")
    raise NotConcernedError("no engine of this release keeps KV blocks beyond the accelerator")


def _has_tier(role: Role) -> bool:
    return role.engine.line.find(_HICACHE) is not None or any(name in _TIERS for name in role.connectors)


PROOFS: Final = (
    Claim(
        code="LV0601", slug="kv-events-arrive", title="KV events reach the scheduler",
        claim="The scheduler hears of the blocks that engines have cached.",
        judge=_events, awake=True, sends=(prompts.COLD,),
        why="A scheduler without events scores every pod alike, and still answers.",
        reads="The engines' --kv-events-config; the endpoint picker's counters of KV events (EPP 0.10), or of its index"
        " where those are switched on.",
        remedy="Compare port, topic and block size of both sides.",
    ),
    Claim(
        code="LV0602", slug="tier-takes-blocks", title="The KV tier takes blocks",
        claim="Blocks of a processed prompt are stored beyond the accelerator.",
        judge=_takes, awake=True, sends=(prompts.COLD, *prompts.AGAIN),
        why="A connector that is not loaded, or a tier of no size, costs nothing and does nothing.",
        reads="vllm:kv_offload_store_bytes and its older and other names; sglang:hicache_backup_tokens.",
        remedy="Look at the engine's log for the connector.",
    ),
    Claim(
        code="LV0603", slug="tier-gives-blocks", title="The KV tier gives blocks back",
        claim="Blocks have come back from the tier since the engines started.",
        judge=_gives, awake=True,
        why="A tier that only takes is memory that nobody reads.",
        reads="vllm:kv_offload_load_bytes and its older and other names; sglang:load_back_tokens. Verify sends no load,"
        " so an idle release is unknown here.",
        remedy="Verify again under load.",
    ),
)  # fmt: skip
