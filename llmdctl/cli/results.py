"""What each verb answers with `-o json`: one frozen dataclass a document, here or in the layer that makes it.

The JSON Schemas in schemas/output/ are generated from these classes (`make update`); a change here is a change of a
public format. Names are snake_case; a field is never removed without a new `apiVersion`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmdctl.errors import Problem
from llmdctl.model.check import CheckResult, NodeSummary, Placement, Platform, SectionSummary
from llmdctl.model.finding import Finding, Severity
from llmdctl.model.proof import Proof
from llmdctl.model.recipe import Evidence, Origin
from llmdctl.model.release import ObjectChange, ReleaseStatus


@dataclass(frozen=True, kw_only=True)
class RecipeSummary:
    """One well-lit path in a list."""

    name: str
    title: str
    goal: str
    defaults: Mapping[str, str]  # axis -> facet name
    evidence: str  # of the default cell
    cells: Mapping[str, int]  # evidence level -> number of cells stated in evidence.yaml
    file: str


@dataclass(frozen=True, kw_only=True)
class RecipeList:
    """`recipe list`."""

    recipes: tuple[RecipeSummary, ...]


@dataclass(frozen=True, kw_only=True)
class ModelFacet:
    """`recipe model`."""

    name: str
    file: str  # empty when nothing was written
    parameters: int
    weight_bytes: int
    kv_bytes_per_token: int
    facet: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RecipeCell:
    """One combination of the default matrix."""

    recipe: str
    facets: Mapping[str, str]  # axis -> facet name
    evidence: Evidence


@dataclass(frozen=True, kw_only=True)
class RefusedCell:
    """One combination that is left out."""

    recipe: str
    facets: Mapping[str, str]
    kind: str  # the keys of recipe.REFUSAL_KINDS
    reason: str  # as it is counted
    detail: str  # about this combination


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """One reason, and how many combinations it leaves out."""

    kind: str
    reason: str
    count: int
    recipes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RecipeCells:
    """`recipe list --cells`."""

    considered: int  # combinations
    kept: int
    cells: tuple[RecipeCell, ...]
    left_out: tuple[LeftOut, ...]
    refused: tuple[RefusedCell, ...]  # with --left-out
    defaults: Mapping[str, Mapping[str, str]]  # recipe -> axis -> facet


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """`recipe show`."""

    name: str
    title: str
    goal: str
    use_when: tuple[str, ...]
    avoid_when: tuple[str, ...]
    roles: tuple[str, ...]
    defaults: Mapping[str, str]
    facets: Mapping[str, tuple[str, ...]]  # axis -> names to choose from
    file: str


@dataclass(frozen=True, kw_only=True)
class Validation:
    """`recipe validate` of a recipe without a mistake; mistakes are an Error."""

    recipe: str
    facets: Mapping[str, str]
    evidence: str
    warnings: tuple[str, ...]
    objects: int  # rendered
    findings: tuple[Finding, ...]  # of the linter; errors among them only with --force


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """`recipe explain`."""

    recipe: str
    values: tuple[Origin, ...]


@dataclass(frozen=True, kw_only=True)
class HelmEngine:
    """A Helm that did, or would do, the work."""

    name: str
    version: str
    path: str | None


@dataclass(frozen=True, kw_only=True)
class Render:
    """`render`."""

    name: str
    namespace: str
    recipe: str
    facets: Mapping[str, str]
    evidence: str
    helm: HelmEngine
    files: tuple[str, ...]  # written, with --to
    objects: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class Install:
    """`install`."""

    action: str  # installed | upgraded | unchanged | dry-run
    evidence: str
    facets: Mapping[str, str]
    helm: HelmEngine
    notes: str | None  # what the chart prints; None where this Helm cannot tell before installing
    objects: tuple[str, ...]  # of a dry run: what would be made
    release: ReleaseStatus | None  # None after a dry run


@dataclass(frozen=True, kw_only=True)
class Diff:
    """`diff`; exit code 10 when `changes` is not empty."""

    name: str
    namespace: str
    changes: tuple[ObjectChange, ...]


@dataclass(frozen=True, kw_only=True)
class Uninstall:
    """`uninstall`."""

    name: str
    namespace: str
    removed: tuple[str, ...]
    kept: tuple[str, ...]  # shared things that stay, each with the reason


@dataclass(frozen=True, kw_only=True)
class ReleaseSummary:
    """One release in a list."""

    name: str
    namespace: str
    recipe: str
    revision: int
    helm_status: str


@dataclass(frozen=True, kw_only=True)
class ReleaseList:
    """`status` without a name."""

    releases: tuple[ReleaseSummary, ...]


@dataclass(frozen=True, kw_only=True)
class Version:
    """`version`."""

    version: str
    python: str
    helm: tuple[HelmEngine, ...]


@dataclass(frozen=True, kw_only=True)
class Error:
    """Any verb that fails; the text for people goes to stderr all the same."""

    type: str
    message: str
    remedy: str | None
    exit_code: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True)
class Lint:
    """`lint`; exit code 2 with an error among the findings, 4 with a warning under `--strict`."""

    findings: tuple[Finding, ...]
    counts: Mapping[str, int]  # severity -> number of findings
    objects: int  # that were read
    ignored: int  # findings taken out by --ignore, the configuration or an annotation


@dataclass(frozen=True, kw_only=True)
class LintRule:
    """One rule in a list."""

    code: str
    title: str
    severity: Severity
    doc: str


@dataclass(frozen=True, kw_only=True)
class LintRules:
    """`lint --list-rules`."""

    rules: tuple[LintRule, ...]


@dataclass(frozen=True, kw_only=True)
class InventorySummary:
    """`inventory --to`."""

    file: str
    server: str  # empty when unknown or redacted
    context: str
    captured_at: str  # RFC 3339, UTC; empty when a file of another program does not say it
    redacted: bool
    sections: tuple[SectionSummary, ...]


@dataclass(frozen=True, kw_only=True)
class NodeList:
    """`inventory nodes`."""

    nodes: tuple[NodeSummary, ...]


@dataclass(frozen=True, kw_only=True)
class SandboxDown:
    """`sandbox down`; `found` is false when there was none."""

    name: str
    found: bool


@dataclass(frozen=True, kw_only=True)
class PreparedProgram:
    """A program and where it came from."""

    name: str
    version: str
    path: str
    origin: str


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """`sandbox prepare`."""

    programs: tuple[PreparedProgram, ...]


@dataclass(frozen=True, kw_only=True)
class SandboxImage:
    """One image of a real node, as a docker-archive."""

    name: str
    reference: str
    archive: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class SandboxImages:
    """`sandbox images`."""

    epp_version: str  # the dialect of the endpoint picker in the images
    values: str  # file that names the images to the charts; empty where none was written
    images: tuple[SandboxImage, ...]
    unavailable: Mapping[str, str]  # place of an image in the charts' values -> why it cannot be made here


@dataclass(frozen=True, kw_only=True)
class SandboxFault:
    """One fault on purpose, and what it strikes; empty fields match everything."""

    name: str
    fault: str
    namespace: str
    pod: str
    labels: Mapping[str, str]
    node: str


@dataclass(frozen=True, kw_only=True)
class SandboxFaults:
    """`sandbox fault`."""

    sandbox: str
    faults: tuple[SandboxFault, ...]


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """`preflight`."""

    recipe: str
    facets: Mapping[str, str]
    release: str
    namespace: str
    server: str  # empty when unknown or redacted
    version: str  # of Kubernetes; empty when unknown
    captured_at: str  # RFC 3339, UTC
    llmdctl: str  # the version that judged
    verdict: str
    exit_code: int
    counts: Mapping[str, int]  # outcome -> number of results
    platform: Platform
    placement: Placement
    results: tuple[CheckResult, ...]
    nodes: tuple[NodeSummary, ...]
    sections: tuple[SectionSummary, ...]


@dataclass(frozen=True, kw_only=True)
class Verification:
    """`verify`; exit code 9 with a failure among the proofs, 4 with a warning or something unknown under `--strict`."""

    release: str
    namespace: str
    recipe: str  # empty when llmdctl did not install it
    revision: int
    server: str
    llmdctl: str  # the version that judged
    verdict: str
    exit_code: int
    counts: Mapping[str, int]  # outcome -> number of proofs
    entrance: str  # where requests went in; empty when none was sent
    asleep: tuple[str, ...]  # roles at zero that KEDA brings back when somebody asks; empty where one answers
    requests: int  # sent to the model
    budget: int  # the most that would have been sent
    seconds: float
    proofs: tuple[Proof, ...]
