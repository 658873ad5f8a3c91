"""Rules between pods: affinity, anti-affinity and spread over the domains that a node label makes.

https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from llmdctl.preflight.nodeselection import chosen, refusal
from llmdctl.preflight.selector import selects

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case
    from llmdctl.preflight.workload import PodTemplate

Item = Mapping[str, Any]
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_HASH: Final = "pod-template-hash"  # every revision has its own: only pods of this installation count


@dataclass(kw_only=True)
class Rule:
    """One rule of one sort of pods, with what it has counted so far. Domains are values of the node label `key`."""

    owner: int  # the sort of pods
    key: str
    selectors: tuple[Item, ...]  # a pod counts when all of them take it
    namespaces: frozenset[str] | None  # None: every namespace
    counts: Counter[str] = field(default_factory=Counter)  # domain -> pods that count
    held: Counter[str] = field(default_factory=Counter)  # domain -> pods of the owner (anti-affinity works both ways)
    hits: frozenset[int] = frozenset()  # sorts of pods that count
    skew: int = 0
    least: int = 1  # domains that there must be
    domains: frozenset[str] = frozenset()
    counted: frozenset[int] = frozenset()  # nodes whose pods count, of a spread
    minimum: int | None = None  # of the counts over the domains; None: to be reckoned again

    def matches(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether a pod counts."""
        inside = self.namespaces is None or namespace in self.namespaces
        return inside and all(selects(selector, labels) for selector in self.selectors)


class Topology:
    """All rules of the pods that are to be placed, and what runs already."""

    def __init__(self, case: Case, templates: tuple[PodTemplate, ...]) -> None:
        """Read the rules; count the pods that run. Raises UnknowableError."""
        self._case = case
        self._nodes = case.nodes
        self._pulls = [self._affinity(i, t, "podAffinity", together=True) for i, t in enumerate(templates)]
        self._pushes = [self._affinity(i, t, "podAntiAffinity", together=False) for i, t in enumerate(templates)]
        self._spreads = [list(self._spread(i, t)) for i, t in enumerate(templates)]
        self._rules = [
            rule for several in (self._pulls, self._pushes, self._spreads) for own in several for rule in own
        ]
        for rule in self._rules:
            rule.hits = frozenset(i for i, t in enumerate(templates) if rule.matches(_namespace(case, t), t.labels))
        self.keys = frozenset(rule.key for rule in self._rules)
        self._values = {key: tuple(node.labels.get(key) for node in self._nodes) for key in self.keys}
        self._barred: list[frozenset[tuple[str, str]]] = [frozenset()] * len(templates)
        self._count(templates)

    def concerns(self, sort: int) -> bool:
        """Whether any rule may keep pods of this sort from a node."""
        own = self._pulls[sort] or self._spreads[sort] or self._barred[sort]
        return bool(own) or any(rule.owner == sort or sort in rule.hits for several in self._pushes for rule in several)

    def follows_itself(self, sort: int) -> Rule | None:
        """The affinity by which the first pod of this sort decides for all others."""
        return next((rule for rule in self._pulls[sort] if sort in rule.hits), None)

    def signature(self, node: int) -> tuple[object, ...]:
        """What tells this node from another for the rules, as things stand."""
        values = ((rule, self._values[rule.key][node]) for rule in self._rules)
        return tuple((value, rule.counts[value], rule.held[value]) if value else None for rule, value in values)

    def refuses(self, sort: int, node: int) -> str:
        """Why the rules keep a pod of this sort from the node; empty where they do not."""
        for key, value in self._barred[sort]:
            if self._value(key, node) == value:
                return f"a pod on {key}={value} keeps others away"
        return self._pulled(sort, node) or self._pushed(sort, node) or self._uneven(sort, node)

    def put(self, sort: int, node: int, number: int = 1) -> None:
        """A pod of this sort is on the node now (or, with -1, no longer)."""
        for rule in self._rules:
            value = self._values[rule.key][node]
            if value is None:
                continue
            if sort in rule.hits and (not rule.counted or node in rule.counted):
                rule.counts[value] += number
                rule.minimum = None
            if sort == rule.owner:
                rule.held[value] += number

    def _pulled(self, sort: int, node: int) -> str:
        pulls = self._pulls[sort]
        if any(self._values[rule.key][node] is None for rule in pulls):
            return "no label for the pod affinity"
        if not pulls or all(rule.counts[self._values[rule.key][node] or ""] > 0 for rule in pulls):
            return ""
        first = all(sort in rule.hits and not any(count > 0 for count in rule.counts.values()) for rule in pulls)
        return "" if first else f"pod affinity on {pulls[0].key}"

    def _pushed(self, sort: int, node: int) -> str:
        for rule in (rule for several in self._pushes for rule in several):
            value = self._values[rule.key][node]
            if value is None:
                continue
            if (rule.owner == sort and rule.counts[value] > 0) or (sort in rule.hits and rule.held[value] > 0):
                return f"pod anti-affinity on {rule.key}"
        return ""

    def _uneven(self, sort: int, node: int) -> str:
        spreads = self._spreads[sort]
        if any(self._values[rule.key][node] is None for rule in spreads):
            return "no label for the topology spread"
        for rule in spreads:
            if rule.minimum is None:
                few = len(rule.domains) < rule.least
                rule.minimum = 0 if few else min((rule.counts[value] for value in rule.domains), default=0)
            have = rule.counts[self._values[rule.key][node] or ""] + (sort in rule.hits)
            if have - rule.minimum > rule.skew:
                return f"topology spread on {rule.key}"
        return ""

    def _value(self, key: str, node: int) -> str | None:
        known = self._values.get(key)
        return known[node] if known else self._nodes[node].labels.get(key)

    def _affinity(self, sort: int, template: PodTemplate, kind: str, *, together: bool) -> list[Rule]:
        """Affinity counts pods that all of its terms take together; anti-affinity goes term by term."""
        terms = list(_terms(template.spec, kind))
        selectors = [_selector(term, template.labels) for term in terms]
        where = [self._namespaces(term, _namespace(self._case, template)) for term in terms]
        return [
            Rule(
                owner=sort,
                key=str(term.get("topologyKey")),
                selectors=tuple(selectors) if together else (selectors[i],),
                namespaces=_common(where) if together else where[i],
            )
            for i, term in enumerate(terms)
        ]

    def _spread(self, sort: int, template: PodTemplate) -> Iterator[Rule]:
        rows = [
            row
            for row in template.spec.get("topologySpreadConstraints") or ()
            if row.get("whenUnsatisfiable") == "DoNotSchedule"
        ]
        keys = [str(row.get("topologyKey")) for row in rows]
        for row in rows:
            nodes = [
                (i, node)
                for i, node in enumerate(self._nodes)
                if all(key in node.labels for key in keys) and _takes_part(node, template.spec, row)
            ]
            yield Rule(
                owner=sort,
                key=str(row.get("topologyKey")),
                selectors=(_selector(row, template.labels),),
                namespaces=frozenset({_namespace(self._case, template)}),
                skew=int(row.get("maxSkew") or 1),
                least=int(row.get("minDomains") or 1),
                domains=frozenset(node.labels[str(row.get("topologyKey"))] for _, node in nodes),
                counted=frozenset(i for i, _ in nodes) or frozenset({-1}),
            )

    def _namespaces(self, term: Item, own: str) -> frozenset[str] | None:
        stated, selector = term.get("namespaces") or (), term.get("namespaceSelector")
        if not isinstance(selector, Mapping):
            return frozenset(stated) or frozenset({own})
        if not selector:
            return None
        labelled = ((item["metadata"]["name"], item["metadata"].get("labels") or {}) for item in self._all_namespaces())
        return frozenset((*stated, *(name for name, labels in labelled if selects(selector, labels))))

    def _all_namespaces(self) -> tuple[Item, ...]:
        return self._case.section("namespaces")

    def _count(self, templates: tuple[PodTemplate, ...]) -> None:
        places = {node.name: i for i, node in enumerate(self._nodes)}
        barred: list[set[tuple[str, str]]] = [set() for _ in templates]
        for name, pod in self._case.occupants if self._rules else ():
            node = places.get(name)
            if node is not None:
                for rule in self._rules:
                    self._count_pod(rule, node, pod)
        for name, pod in self._case.choosy:
            node = places.get(name)
            if node is None:
                continue
            for term in _terms(pod["spec"], "podAntiAffinity"):
                value = self._nodes[node].labels.get(str(term.get("topologyKey")))
                if value is not None:
                    self._bar(barred, templates, pod, term, value)
        self._barred = [frozenset(each) for each in barred]

    def _count_pod(self, rule: Rule, node: int, pod: Item) -> None:
        value = self._values[rule.key][node]
        metadata = pod.get("metadata") or {}
        if value is None or (rule.counted and (node not in rule.counted or metadata.get("deletionTimestamp"))):
            return
        if rule.matches(str(metadata.get("namespace", "")), metadata.get("labels") or {}):
            rule.counts[value] += 1

    def _bar(
        self, barred: list[set[tuple[str, str]]], templates: tuple[PodTemplate, ...], pod: Item, term: Item, value: str
    ) -> None:
        metadata = pod.get("metadata") or {}
        where = self._namespaces(term, str(metadata.get("namespace", "")))
        selector = _selector(term, metadata.get("labels") or {})
        for i, template in enumerate(templates):
            inside = where is None or _namespace(self._case, template) in where
            if inside and selects(selector, template.labels):
                barred[i].add((str(term.get("topologyKey")), value))


def _terms(spec: Item, kind: str) -> Iterator[Item]:
    rows = ((spec.get("affinity") or {}).get(kind) or {}).get(_REQUIRED) or ()
    return (row for row in rows if isinstance(row, Mapping))


def _selector(row: Item, labels: Mapping[str, str]) -> Item:
    """The selector with what matchLabelKeys and mismatchLabelKeys add to it; one that is absent takes nothing."""
    stated = row.get("labelSelector")
    if not isinstance(stated, Mapping):
        return {"matchExpressions": [{"key": "", "operator": "Exists"}]}
    added = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for field_name, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in row.get(field_name) or ()
        if key in labels and key != _HASH
    ]
    return {**stated, "matchExpressions": [*(stated.get("matchExpressions") or ()), *added]}


def _common(namespaces: list[frozenset[str] | None]) -> frozenset[str] | None:
    stated = [each for each in namespaces if each is not None]
    return frozenset.intersection(*stated) if stated else None


def _takes_part(node: Any, spec: Item, row: Item) -> bool:  # noqa: ANN401  a Node
    """Whether a node's domain counts, by the two policies of a constraint."""
    if row.get("nodeAffinityPolicy", "Honor") == "Honor" and not chosen(node, spec):
        return False
    if row.get("nodeTaintsPolicy", "Ignore") != "Honor":
        return True
    return not refusal(node, {"tolerations": spec.get("tolerations")})


def _namespace(case: Case, template: PodTemplate) -> str:
    return str(template.workload["metadata"].get("namespace") or case.namespace)
