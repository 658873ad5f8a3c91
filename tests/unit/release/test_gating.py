"""The gate: when it is asked, what it lets through, what is recorded, and that it reads what its checks read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from llmdctl.errors import ForbiddenError, PreflightError, RecipeError, UsageError
from llmdctl.helm import Change
from llmdctl.model.check import Outcome
from llmdctl.model.finding import Severity
from llmdctl.model.release import ObjectKey, ReleaseSpec
from llmdctl.preflight import CHECKS, Case
from llmdctl.preflight.judging import judge
from llmdctl.release import gating, releases, status
from llmdctl.release.events import Phase, PhaseStarted
from tests.unit.preflight.cases import examples
from tests.unit.preflight.recording import sections_read
from tests.unit.release.conftest import World, spec

DEPLOYMENT = ObjectKey(api_version="apps/v1", kind="Deployment", namespace="llm", name="pd-decode")


@dataclass
class Warden:
    """A gate that refuses, or lets through what it is told to."""

    overruled: tuple[str, ...] = ()
    closed: bool = False
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, cluster, spec: ReleaseSpec, objects, report) -> ReleaseSpec:
        assert all(obj["metadata"].get("namespace") for obj in objects), "objects come with their namespace"
        self.asked.append(tuple(obj["metadata"]["name"] for obj in objects))
        if self.closed:
            raise PreflightError("no")
        return replace(spec, overruled=self.overruled, forced=bool(self.overruled))


def test_a_closed_gate_lets_nothing_be_changed(world: World):
    with pytest.raises(PreflightError):
        world.install(gate=Warden(closed=True))
    assert not [call for call in world.cluster.calls if call[0] in ("create", "apply", "delete")]
    assert "upgrade" not in world.helm.calls


def test_helm_looks_around_while_the_gate_does_and_goes_on_when_that_is_passed(world: World):
    at_the_gate: list[list[str]] = []

    def gate(cluster, spec: ReleaseSpec, objects, report) -> ReleaseSpec:
        at_the_gate.append(list(world.helm.calls))
        return spec

    world.install(gate=gate)
    assert at_the_gate == [["begin", "render"]]
    assert world.helm.calls == ["begin", "render", "upgrade"]
    world.install(spec(message="bye"), gate=gate)
    assert world.helm.calls[-2:] == ["begin", "upgrade"]
    assert [change.values for change in world.helm.changes] == [{}, {"message": "bye"}]


def test_a_helm_that_was_begun_ends_with_the_gate_that_is_closed(world: World):
    with pytest.raises(PreflightError):
        world.install(gate=Warden(closed=True))
    assert world.helm.calls == ["begin", "render", "abandon"]


def test_a_helm_that_was_begun_ends_where_the_recipe_is_refused(world: World):
    def judge(objects: Sequence[object]) -> None:
        raise RecipeError("it cannot work")

    with pytest.raises(RecipeError):
        world.install(gate=Warden(), judge=judge)
    assert world.helm.calls == ["begin", "render", "abandon"]


def test_what_the_cluster_refuses_to_tell_is_told_after_what_is_wrong_with_the_recipe(world: World):
    def judge(objects: Sequence[object]) -> None:
        raise RecipeError("it cannot work")

    world.cluster.hidden.add("Secret")
    with pytest.raises(RecipeError):
        world.install(gate=Warden(), judge=judge)
    with pytest.raises(ForbiddenError):
        world.install(gate=Warden())


def test_a_release_that_somebody_else_makes_meanwhile_is_asked_of_another_helm(world: World):
    def gate(cluster, spec: ReleaseSpec, objects, report) -> ReleaseSpec:
        world.helm.upgrade(Change(name=spec.name, namespace=spec.namespace, chart="", values={"message": "theirs"}))
        return spec

    world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "llm"}})
    assert world.install(gate=gate).outcome == "upgraded"
    assert world.helm.calls == ["begin", "render", "upgrade", "manifest", "abandon", "upgrade"]


def test_what_the_gate_records_is_asked_of_another_helm(world: World):
    world.install(gate=Warden(overruled=("LD0202",)))
    assert world.helm.calls == ["begin", "render", "abandon", "upgrade"]
    assert releases(world.cluster)[0].facts.overruled == ("LD0202",)


@pytest.mark.parametrize(
    ("overruled", "furnishing", "judged"), [((), False, True), (("LD0202",), False, False), ((), True, False)]
)
def test_helm_judges_objects_itself_where_the_gate_has_not(
    world: World, overruled: tuple[str, ...], furnishing: bool, judged: bool
):
    world.install(gate=Warden(overruled=overruled), with_prerequisites=furnishing)
    assert [change.judged for change in world.helm.changes] == [judged]


def test_helm_judges_objects_itself_without_a_gate(world: World):
    world.install()
    assert [change.judged for change in world.helm.changes] == [False]


def test_the_gate_is_asked_before_the_namespace_is_made(world: World):
    gate = Warden()
    world.install(gate=gate)
    assert [event.phase for event in world.told(PhaseStarted)][:3] == [Phase.CHECK, Phase.PREFLIGHT, Phase.RENDER]
    assert gate.asked == [("pd-config", "pd-epp", "pd-decode")]


def test_a_run_without_a_change_needs_no_leave(world: World):
    world.install()
    gate = Warden(closed=True)
    assert world.install(gate=gate).outcome == "unchanged"
    assert gate.asked == []


@pytest.mark.parametrize("cause", ["another value", "removed behind our back"])
def test_a_change_of_a_release_does(world: World, cause: str):
    world.install()
    revision = releases(world.cluster)[0].revision
    wanted = spec(message="bye") if cause == "another value" else spec()
    if cause != "another value":
        world.cluster.remove(DEPLOYMENT)
    with pytest.raises(PreflightError):
        world.install(wanted, gate=Warden(closed=True))
    assert releases(world.cluster)[0].revision == revision


def test_what_was_overruled_is_recorded_and_makes_no_revision_of_its_own(world: World):
    world.install(gate=Warden(overruled=("LD0601", "LD0801")))
    (found,) = releases(world.cluster)
    assert (found.facts.forced, found.facts.overruled) == (True, ("LD0601", "LD0801"))
    state = status("pd", "llm", helm=world.helm, cluster=world.cluster)
    assert (state.forced, state.overruled) == (True, ("LD0601", "LD0801"))
    assert world.install(gate=Warden()).outcome == "unchanged"
    world.install(spec(message="bye"), gate=Warden())
    assert releases(world.cluster)[0].facts.overruled == (), "the next revision was judged by itself"


def test_more_codes_than_a_label_holds_are_cut_whole():
    from llmdctl.release.facts import from_labels, to_labels
    from llmdctl.release.planning import change_of

    codes = tuple(f"LD{number:04}" for number in range(601, 620))
    wanted = replace(spec(), overruled=codes, forced=True)
    labels = to_labels(wanted, operation="x")
    assert len(labels["llmdctl.dev/overruled"]) <= 63
    assert from_labels(labels).overruled == codes[:9]
    assert change_of(wanted, timeout_s=1).description.endswith(f"forced against {' '.join(codes)})")


def test_what_the_gate_leaves_to_install_are_checks():
    strange = [code for code in gating.HANDLED if code in CHECKS and CHECKS[code].severity is not Severity.ERROR]
    assert strange == []
    assert not set(gating.HANDLED) & set(gating.gated())
    assert all(check.severity is Severity.ERROR for check in gating.gated().values())


def test_a_code_that_is_none_is_refused_with_the_nearest():
    with pytest.raises(UsageError) as refused:
        gating.known(["ld0601", "LD06011"])
    (problem,) = refused.value.problems
    assert problem.suggestion in gating.CHECKS


@pytest.mark.parametrize(
    "example", [each for each in examples() if each.code in gating.gated()], ids=lambda example: example.id
)
def test_no_more_is_refused_by_the_gate_than_by_preflight(example):
    """What the gate does not read is absent: its answer is the same, or unknown, never another failure."""
    case = example.case
    unprobed = {name: found for name, found in case.inventory.sections.items() if name != "probes"}
    case = replace(case, inventory=replace(case.inventory, sections=unprobed))  # an install never probes
    had = judge(case, [CHECKS[example.code]])[0].outcome
    read = {name: found for name, found in case.inventory.sections.items() if name in gating.sections()}
    less = replace(case, inventory=replace(case.inventory, sections=read))
    got = judge(less, [CHECKS[example.code]])[0].outcome
    assert got in (had, Outcome.UNKNOWN)
    if had is Outcome.FAIL:
        assert got is Outcome.FAIL, f"the gate does not read {sorted(missing(case, example.code))}"


def missing(case: Case, code: str) -> frozenset[str]:
    """The sections that a check reads and the gate does not."""
    return sections_read(case, code) - gating.sections()
