"""Devices that DRA counts: which are left, what a pod's claims ask for, and whether a node can answer.

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from llmdctl.preflight.cel import UnsupportedError, chooses
from llmdctl.preflight.slices import PublishedDevice, by_node
from llmdctl.preflight.verdict import UnknowableError

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

Item = Mapping[str, Any]
Held = tuple[str, str, str, str]  # node, driver, pool, device
_INSTANCE: Final = "app.kubernetes.io/instance"
_STEPS: Final = 20_000  # of one allocation; https://github.com/kubernetes/kubernetes keeps its own search short too


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One way to answer a request: `count` devices (None: all there are) that every expression takes."""

    expressions: tuple[str, ...]
    count: int | None
    tolerations: tuple[Item, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request of one claim. The first choice that can be answered is."""

    claim: str
    name: str
    title: str  # the device class
    choices: tuple[Choice, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Alike:
    """Devices of these requests (all of the claim, where none are named) have one value of an attribute."""

    claim: str
    attribute: str
    requests: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What the claims of one pod ask for together."""

    requests: tuple[Request, ...] = ()
    alike: tuple[Alike, ...] = ()
    notes: tuple[str, ...] = ()  # what is left out of the reckoning


def devices_left(case: Case) -> Mapping[str, tuple[PublishedDevice, ...]]:
    """Node name -> devices of its complete pools that no claim holds, tainted ones among them.

    Raises UnknowableError without ResourceSlices or ResourceClaims.
    """
    held = {(driver, pool, device) for _, driver, pool, device in allocated(case)}
    published = by_node(case.section("resource-slices"))
    return {node: tuple(d for d in devices if d.identity not in held) for node, devices in published.items()}


def allocated(case: Case) -> set[Held]:
    """Devices that claims hold (admin access holds nothing), those of the release itself left out.

    Raises UnknowableError without ResourceSlices, ResourceClaims or pods.
    """
    own = _own_pods(case)
    where = {d.identity: node for node, found in by_node(case.section("resource-slices")).items() for d in found}
    held: set[Held] = set()
    for claim in case.section("resource-claims"):
        if _only_of(claim, own, case.namespace):
            continue
        allocation = (claim.get("status") or {}).get("allocation") or {}
        for row in (allocation.get("devices") or {}).get("results") or ():
            identity = (str(row.get("driver")), str(row.get("pool")), str(row.get("device")))
            if not row.get("adminAccess"):
                held.add((where.get(identity, ""), *identity))
    return held


def wanted(case: Case, spec: Item) -> Wanted:
    """What a pod's `resourceClaims` ask for. Raises UnknowableError where a template or an expression is not known."""
    requests: list[Request] = []
    alike: list[Alike] = []
    notes: list[str] = []
    for row in spec.get("resourceClaims") or ():
        claim, source = str(row.get("name")), str(row.get("resourceClaimTemplateName") or "")
        made = _made_by_domain(case, source)
        if made:
            notes.append(f"channels of {made} are not reckoned: its driver makes them")
            continue
        devices = _devices_of(case, source, row)
        requests += [_request(case, claim, entry) for entry in devices.get("requests") or ()]
        alike += [_alike(claim, entry) for entry in devices.get("constraints") or ()]
    kept = tuple(request for request in requests if request.choices)
    return Wanted(requests=kept, alike=tuple(alike), notes=tuple(notes))


def allocate(asked: Wanted, left: Iterable[PublishedDevice]) -> tuple[PublishedDevice, ...] | None:
    """Devices that answer all requests, the first that do in the order of the slices; None where none do."""
    return _Search(asked, tuple(left)).run()


class _Search:
    """Depth first over requests; devices of one request are taken in order, so no set is tried twice."""

    def __init__(self, asked: Wanted, left: tuple[PublishedDevice, ...]) -> None:
        self._asked = asked
        self._left = left
        self._steps = _STEPS

    def run(self) -> tuple[PublishedDevice, ...] | None:
        return self._request(0, (), {})

    def _request(
        self, index: int, taken: tuple[PublishedDevice, ...], values: Mapping[int, object]
    ) -> tuple[PublishedDevice, ...] | None:
        if index == len(self._asked.requests):
            return taken
        request = self._asked.requests[index]
        for choice in request.choices:
            able = [d for d in self._left if usable(d, choice) and d not in taken]
            count = len(able) if choice.count is None else choice.count
            if count and len(able) >= count:
                found = self._devices(index, request, able, count, taken, values)
                if found is not None:
                    return found
        return None

    def _devices(  # noqa: PLR0917  the state of one search
        self,
        index: int,
        request: Request,
        able: list[PublishedDevice],
        count: int,
        taken: tuple[PublishedDevice, ...],
        values: Mapping[int, object],
    ) -> tuple[PublishedDevice, ...] | None:
        if count == 0:
            return self._request(index + 1, taken, values)
        for place, device in enumerate(able[: len(able) - count + 1]):
            self._steps -= 1
            if self._steps < 0:
                return None
            agreed = self._agreed(request, device, values)
            if agreed is not None:
                rest = able[place + 1 :]
                found = self._devices(index, request, rest, count - 1, (*taken, device), agreed)
                if found is not None:
                    return found
        return None

    def _agreed(
        self, request: Request, device: PublishedDevice, values: Mapping[int, object]
    ) -> Mapping[int, object] | None:
        """The values that are to be alike with this device among them; None where it differs."""
        known = dict(values)
        for number, rule in enumerate(self._asked.alike):
            if rule.claim != request.claim or (rule.requests and request.name not in rule.requests):
                continue
            value = device.attributes.get(rule.attribute.removeprefix(f"{device.driver}/"))
            if value is None or known.setdefault(number, value) != value:
                return None
        return known


def usable(device: PublishedDevice, choice: Choice) -> bool:
    """Whether a device answers a choice: its taints tolerated, every expression true of it."""
    for taint in device.taints:
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerated(taint, choice.tolerations):
            return False
    return all(chooses(expression, device) for expression in choice.expressions)


def _tolerated(taint: Item, tolerations: Iterable[Item]) -> bool:
    for row in tolerations:
        same = row.get("key") in (None, "", taint.get("key")) and row.get("effect") in (None, "", taint.get("effect"))
        if same and (row.get("operator") == "Exists" or str(row.get("value") or "") == str(taint.get("value") or "")):
            return True
    return False


def _own_pods(case: Case) -> frozenset[str]:
    if not case.release:
        return frozenset()
    return frozenset(
        str(pod["metadata"].get("name"))
        for pod in case.section("pods")
        if pod["metadata"].get("namespace") == case.namespace
        and (pod["metadata"].get("labels") or {}).get(_INSTANCE) == case.release
    )


def _only_of(claim: Item, pods: frozenset[str], namespace: str) -> bool:
    users = [str(row.get("name")) for row in (claim.get("status") or {}).get("reservedFor") or ()]
    return bool(users) and claim["metadata"].get("namespace") == namespace and pods.issuperset(users)


def _made_by_domain(case: Case, source: str) -> str:
    for obj in case.rendered("ComputeDomain"):
        channel = (obj.get("spec") or {}).get("channel") or {}
        if source and (channel.get("resourceClaimTemplate") or {}).get("name") == source:
            return f"ComputeDomain/{obj['metadata']['name']}"
    return ""


def _devices_of(case: Case, source: str, row: Item) -> Item:
    for obj in case.rendered("ResourceClaimTemplate"):
        if obj["metadata"]["name"] == source:
            found: Item = (((obj.get("spec") or {}).get("spec")) or {}).get("devices") or {}
            return found
    name = source or str(row.get("resourceClaimName") or "")
    raise UnknowableError(f"what the claim {row.get('name')} ({name}) asks for is not in the recipe's objects")


def _request(case: Case, claim: str, entry: Item) -> Request:
    body = entry.get("exactly") or entry
    stated = entry.get("firstAvailable") or [body]
    admin = bool(body.get("adminAccess"))  # holds nothing, so it is always answered
    choices = () if admin else tuple(_choice(case, each) for each in stated)
    title = str(stated[0].get("deviceClassName") or "")
    return Request(claim=claim, name=str(entry.get("name")), title=title, choices=choices)


def _choice(case: Case, stated: Item) -> Choice:
    name = str(stated.get("deviceClassName") or "")
    classes = {str(item["metadata"]["name"]): item.get("spec") or {} for item in case.section("device-classes")}
    own = stated.get("selectors") or ()
    by_class = classes[name].get("selectors") or () if name in classes else ({"cel": {"expression": "false"}},)
    expressions = tuple(str((row.get("cel") or {}).get("expression", "")) for row in (*by_class, *own))
    _understood(expressions, name)
    every = stated.get("allocationMode") == "All"
    return Choice(
        expressions=expressions,
        count=None if every else int(stated.get("count") or 1),
        tolerations=tuple(stated.get("tolerations") or ()),
    )


def _understood(expressions: Iterable[str], name: str) -> None:
    probe = PublishedDevice(driver="", pool="", name="", node="", attributes={}, capacity={}, taints=())
    for expression in expressions:
        try:
            chooses(expression, probe)
        except UnsupportedError as cause:
            raise UnknowableError(f"DeviceClass {name}: `{expression}` is not understood ({cause})") from None


def _alike(claim: str, entry: Item) -> Alike:
    if not entry.get("matchAttribute"):
        raise UnknowableError(f"the claim {claim} has a constraint that is not understood: {sorted(entry)}")
    names = frozenset(str(name) for name in entry.get("requests") or ())
    return Alike(claim=claim, attribute=str(entry["matchAttribute"]), requests=names)
