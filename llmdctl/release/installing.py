"""Installing a release. The first install and every later one are the same command, and a run without a change
makes no revision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from llmdctl.errors import ClusterError, ForbiddenError, Interrupted, Problem
from llmdctl.helm import Begun, Change, Engine, Helm, Rendered, Renderer
from llmdctl.helm.writing import is_cluster_scoped
from llmdctl.kube import Cluster, KubernetesObject, key_of
from llmdctl.model.release import ObjectKey, ReleaseSpec, ReleaseStatus
from llmdctl.release.changes import compare, placed
from llmdctl.release.clock import SYSTEM_CLOCK, Clock
from llmdctl.release.drift import drift
from llmdctl.release.events import Noticed, ObjectChanged, Phase, PhaseFinished, PhaseStarted, Reporter, silent
from llmdctl.release.facts import from_labels, to_labels, values_label
from llmdctl.release.namespaces import ensure_namespace
from llmdctl.release.ownership import refuse_foreign
from llmdctl.release.planning import Plan, change_of, plan, render_for
from llmdctl.release.pods import Patience
from llmdctl.release.prerequisites import CrdSource, Furnisher, Missing, check, missing, notice_controllers
from llmdctl.release.record import DEPLOYED, Revision, latest
from llmdctl.release.recovery import clear_pending
from llmdctl.release.snapshot import look
from llmdctl.release.state import assemble
from llmdctl.release.waiting import there, wait

Judge = Callable[[Sequence[KubernetesObject]], object]
"""Looks at what is rendered, and raises RecipeError to refuse it."""

Gate = Callable[[Cluster, ReleaseSpec, Sequence[KubernetesObject], Reporter], ReleaseSpec]
"""Looks at the cluster before anything is changed in it. The release, with what is to be recorded of what was
overruled; raises PreflightError to refuse it. See `gating`."""

_SLACK_S = 300.0  # on top of the startup budget: image pulls, scheduling, the endpoint picker


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallOptions:
    """How to install."""

    timeout_s: float | None = None  # of the wait; None: the recipe's startup budget and five minutes
    wait: bool = True
    with_prerequisites: bool = False
    namespace_only: bool = False  # nothing outside the namespace is asked for or changed
    force_conflicts: bool = False
    take_ownership: bool = False
    crds: CrdSource = tuple  # the pinned CRDs; called only when one is missing
    judge: Judge = list  # of what is rendered, before anything is changed; by default nothing is refused
    gate: Gate | None = None  # None: somebody has judged already
    patience: Patience = field(default_factory=Patience)

    def limit_s(self, spec: ReleaseSpec) -> float:
        """How long is waited for readiness."""
        return self.timeout_s if self.timeout_s is not None else spec.startup_s + _SLACK_S


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallResult:
    """What an install did, and how the release is."""

    outcome: str  # installed | upgraded | unchanged
    revision: int
    notes: str
    status: ReleaseStatus
    engine: Engine


def install(
    spec: ReleaseSpec,
    *,
    helm: Helm,
    cluster: Cluster,
    renderer: Renderer | None = None,
    options: InstallOptions | None = None,
    clock: Clock = SYSTEM_CLOCK,
    report: Reporter = silent,
) -> InstallResult:
    """Bring the release to what `spec` says, whatever state it is in, and wait until it is ready.

    Stages: render and check (kinds served, nothing taken from another owner), prerequisites, namespace, Helm, wait.
    Each can be interrupted or fail; the next run continues, since each looks at the cluster first. Raises the errors
    of both doors, WaitError, and Interrupted, whose message says what has been done. What needs no cluster is
    rendered by `renderer`, where there is a faster one than the helm program.
    """
    work = _Install(
        spec=spec, helm=helm, cluster=cluster, renderer=renderer or helm, options=options or InstallOptions(),
        clock=clock, report=report,
    )  # fmt: skip
    try:
        return work.run()
    except KeyboardInterrupt as cause:
        raise work.interrupted() from cause
    except Interrupted as cause:
        raise work.interrupted(cause.message) from cause
    finally:
        work.abandon()


@dataclass(kw_only=True)
class _Install:
    """One run; `done` is what an interruption tells."""

    spec: ReleaseSpec
    helm: Helm
    cluster: Cluster
    renderer: Renderer
    options: InstallOptions
    clock: Clock
    report: Reporter
    begun: tuple[Change, Begun] | None = None  # a Helm that waits for the gate
    done: list[str] = field(default_factory=list)
    stage: str = "before anything was done"

    def run(self) -> InstallResult:
        """All stages."""
        with self._phase(Phase.CHECK, f"{self.spec.name} in {self.spec.namespace}"):
            self._begin_first()
            offline = render_for(self.spec, renderer=self.renderer, cluster=self.cluster)
            self.options.judge(offline.objects)
            lacking = self._lacking(offline.objects)
        last = latest(self.cluster, self.spec.name, self.spec.namespace)
        settled = not lacking and last is not None and last.helm_status == DEPLOYED
        if not settled:  # the next step changes something
            self._pass_gate(offline)
        if lacking:
            self.abandon()  # it would wait for minutes
            self._furnish(lacking, offline.objects)
        self._clear_pending()
        is_new = ensure_namespace(
            self.cluster, self.spec.namespace, may_create=not self.options.namespace_only, report=self.report
        )
        if is_new:
            self.done.append(f"namespace {self.spec.namespace} was made")
        with self._phase(Phase.RENDER, f"{self.spec.chart.name} with Helm {self.helm.engine.version}"):
            planned = plan(self.spec, helm=self.helm, cluster=self.cluster, offline=offline)
            self._check_owners(planned, new_namespace=is_new)
        if self._nothing_to_do(planned):
            assert planned.last is not None, "a release that is deployed has a revision"
            return self._finish("unchanged", planned.last, planned.rendered, planned.wanted)
        if settled:
            self._begin(planned.last)
            self._pass_gate(offline)
        rendered = self._apply(planned)
        wanted = placed(rendered.objects, self.spec.namespace, self.cluster.served())
        return self._finish("installed" if planned.shown is None else "upgraded", None, rendered, wanted)

    def _begin_first(self) -> None:
        """Begin a first install. Who may not ask for releases is told so later, after what is wrong with the recipe."""
        if self.options.gate is not None:
            with suppress(ForbiddenError):
                if latest(self.cluster, self.spec.name, self.spec.namespace) is None:
                    self._begin(None)

    def _begin(self, last: Revision | None) -> None:
        """Have Helm look around while others do. It gets its values, without which it can change nothing, when
        everything has been looked at; if then something else is asked of it, it is ended and another begun.
        """
        if self.options.gate is not None:
            self.abandon()
            change = self._change(last)
            self.begun = change, self.helm.begin(change)

    def abandon(self) -> None:
        """End a Helm that was begun and is not wanted any more."""
        if self.begun is not None:
            self.begun[1].abandon()
            self.begun = None

    def _pass_gate(self, offline: Rendered) -> None:
        if self.options.gate is not None:
            with self._phase(Phase.PREFLIGHT, f"whether this cluster can carry {self.spec.recipe}"):
                objects = placed(offline.objects, self.spec.namespace, self.cluster.served())
                self.spec = self.options.gate(self.cluster, self.spec, objects, self.report)

    def _clear_pending(self) -> None:
        clear_pending(
            self.helm, self.cluster, self.spec.name, self.spec.namespace,
            timeout_s=self.options.limit_s(self.spec), clock=self.clock, report=self.report,
        )  # fmt: skip

    def _lacking(self, objects: Sequence[KubernetesObject]) -> Missing:
        """What must be installed first. Raises what keeps the release out of this cluster."""
        if self.options.namespace_only:
            _refuse_cluster_scoped(objects)
        lacking = missing(self.cluster.served(), objects, self.spec.prerequisites)
        if not self.options.with_prerequisites:
            check(lacking)
        notice_controllers(self.cluster, self.spec.prerequisites, self.report)
        return lacking

    def _furnish(self, lacking: Missing, objects: Sequence[KubernetesObject]) -> None:
        with self._phase(Phase.PREREQUISITES, "installing what the cluster lacks"):
            self.done.append("the installation of prerequisites had begun")
            Furnisher(
                helm=self.helm, cluster=self.cluster, crds=self.options.crds,
                timeout_s=self.options.limit_s(self.spec), clock=self.clock, report=self.report,
            ).furnish(self.spec, lacking)  # fmt: skip
            check(missing(self.cluster.served(), objects, self.spec.prerequisites))
            self.done[-1] = "prerequisites were installed"

    def _check_owners(self, planned: Plan, *, new_namespace: bool) -> None:
        if self.options.take_ownership:
            return
        installed = {key_of(obj) for obj in planned.installed}
        new = [obj for obj in planned.wanted if key_of(obj) not in installed]
        if new_namespace:  # nobody has put anything into it yet
            new = [obj for obj in new if key_of(obj).namespace != self.spec.namespace]
        refuse_foreign(self.cluster, new, name=self.spec.name, namespace=self.spec.namespace)

    def _nothing_to_do(self, planned: Plan) -> bool:
        if not planned.deployed or planned.installed != planned.wanted:
            return False
        assert planned.last is not None, "a release that is deployed has a revision"
        if not self._same_values(planned.last) or not _same_facts(self.spec, planned.last):
            return False
        drifted = drift(self.cluster, planned.installed, name=self.spec.name, namespace=self.spec.namespace)
        for change in drifted:
            self.report(Noticed(message=f"{change.key} was changed or removed since: putting it back"))
        return not drifted

    def _same_values(self, last: Revision) -> bool:
        if last.values == values_label(self.spec.values, last.revision):
            return True
        return self.helm.values(self.spec.name, self.spec.namespace, last.revision) == self.spec.values

    def _change(self, last: Revision | None) -> Change:
        return change_of(
            self.spec,
            timeout_s=min(self.options.limit_s(self.spec), _SLACK_S),
            take_ownership=self.options.take_ownership,
            force_conflicts=self.options.force_conflicts,
            judged=self._judged,
            revision=_next(last),
        )

    def _apply(self, planned: Plan) -> Rendered:
        change = self._change(planned.last)
        with self._phase(Phase.RELEASE, f"{self.spec.name} as revision {_next(planned.last)}"):
            self.done.append(f"Helm was working on release {self.spec.name}")
            rendered = self._upgrade(change)
            self.done[-1] = f"release {self.spec.name} was handed to the cluster"
        for found in compare(planned.installed, planned.wanted):
            self.report(ObjectChanged(key=found.key, action=found.action))
        return rendered

    def _upgrade(self, change: Change) -> Rendered:
        if self.begun is not None and self.begun[0] == change:
            return self.begun[1].finish()
        self.abandon()
        return self.helm.upgrade(change)

    @property
    def _judged(self) -> bool:
        """Whether the API server has tried every object and refused none: the gate does, of kinds that are served."""
        return self.options.gate is not None and not self.options.with_prerequisites and not self.spec.overruled

    def _finish(
        self, outcome: str, last: Revision | None, rendered: Rendered, objects: Sequence[KubernetesObject]
    ) -> InstallResult:
        """Wait and look. The revision that Helm has just made (`last` is None) is read afterwards: while pods start,
        the server takes a tenth of a second for what it tells at once when they have.
        """
        known = there(objects)  # Helm has just made them, or `drift` has just read them
        if self.options.wait:
            with self._phase(Phase.WAIT, f"up to {self.options.limit_s(self.spec):.0f} s until everything is ready"):
                seen = wait(
                    self.cluster, objects, name=self.spec.name, namespace=self.spec.namespace,
                    timeout_s=self.options.limit_s(self.spec), patience=self.options.patience,
                    known=known, clock=self.clock, report=self.report,
                )  # fmt: skip
        else:
            seen = look(
                self.cluster, objects, name=self.spec.name, namespace=self.spec.namespace,
                now_s=self.clock.now(), patience=self.options.patience, settled=known,
            )  # fmt: skip
        last = last or latest(self.cluster, self.spec.name, self.spec.namespace)
        if last is None:
            raise ClusterError(f"Helm ended well, but stored no release {self.spec.name}")
        return InstallResult(
            outcome=outcome,
            revision=last.revision,
            notes=rendered.notes or "",
            status=assemble(self.cluster, last, objects, seen),
            engine=rendered.engine,
        )

    @contextmanager
    def _phase(self, phase: Phase, detail: str) -> Iterator[None]:
        self.stage = f"in the stage '{phase.value}'"
        started_s = self.clock.monotonic()
        self.report(PhaseStarted(phase=phase, detail=detail))
        yield
        self.report(PhaseFinished(phase=phase, detail=detail, elapsed_s=self.clock.monotonic() - started_s))

    def interrupted(self, said: str = "") -> Interrupted:
        """The error that tells how far it came."""
        done = "; ".join(self.done) or "nothing was changed"
        return Interrupted(
            f"interrupted {self.stage}: {done}" + (f" ({said})" if said else ""),
            remedy="Run the same command again to go on,"
            f" or: llmdctl uninstall {self.spec.name} --namespace {self.spec.namespace}",
        )


def _next(last: Revision | None) -> int:
    return 1 if last is None else last.revision + 1


def _same_facts(spec: ReleaseSpec, last: Revision) -> bool:
    """Whether a new revision would be recorded as the last one was.

    What was overruled at the gate then is no part of the release: a revision only to forget it would help nobody.
    """
    wanted, had = from_labels(to_labels(spec, operation=last.facts.operation)), last.facts
    return wanted == (replace(had, overruled=(), forced=wanted.forced) if had.overruled else had)


def _refuse_cluster_scoped(objects: Sequence[KubernetesObject]) -> None:
    outside: list[ObjectKey] = [key_of(obj) for obj in objects if is_cluster_scoped(obj)]
    if outside:
        raise ForbiddenError(
            "with --namespace-only nothing outside the namespace may be made",
            problems=tuple(Problem(message=f"{key} belongs to no namespace") for key in outside),
            remedy="An administrator applies the output of: llmdctl render … --scope cluster",
        )
