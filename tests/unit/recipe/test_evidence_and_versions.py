"""What is known of a cell, sets of versions, and prerequisites."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmdctl.errors import RecipeError
from llmdctl.model.selection import Overrides, Selection
from llmdctl.recipe import Catalog, compose, kept_cells
from tests.unit.recipe.conftest import ENGINE

EVIDENCE = """\
kind: evidence
cells:
  - match: {path: plain, accelerator: big, engine: fast}
    level: nightly
    link: https://example.com/run
    reason: Runs each night.
  - match: {path: plain, accelerator: big, engine: fast, model: odd}
    level: derived
    link: https://example.com/odd
    reason: Like it.
    differences: [another model]
  - match: {path: split, accelerator: big, engine: [fast, slow]}
    level: known-bad
    reason: It fails.
"""

VERSIONS = """\
kind: versions
default: "1"
sets:
  "1":
    title: One
    sources: []
    images: {fast: {nvidia: {registry: r, repository: p, tag: v1, version: "1", sources: []}}}
    prerequisites:
      lws: {title: LWS, kind: controller, version: 0.9.0, crds: [leaderworkersets.x.io], namespace: lws-system,
        charts: [{name: lws, reference: "oci://example.com/lws", version: 0.9.0}], sources: []}
      pool: {title: Pool, kind: crds, version: 1.5.0, crds: [pools.x.io], manifest: "https://example.com/p.yaml",
        sources: []}
      router: {title: Router, kind: crds, version: 0.9.0, crds: [objectives.x.io],
        manifest: "https://example.com/r.yaml", sources: []}
"""


@pytest.mark.parametrize(
    ("selection", "level", "link", "differences"),
    [
        (Selection(path="plain"), "nightly", "https://example.com/run", ()),
        (Selection(path="plain", model="odd"), "derived", "https://example.com/odd", ("another model",)),
        (Selection(path="plain", engine="slow"), "derived", None, ()),
    ],
)
def test_the_most_specific_cell_counts(catalog, selection, level, link, differences) -> None:
    evidence = compose(catalog({"evidence.yaml": EVIDENCE}), selection).evidence
    assert (evidence.level, evidence.link, evidence.differences) == (level, link, differences)


def test_what_is_known_to_fail_needs_force(catalog) -> None:
    loaded = catalog({"evidence.yaml": EVIDENCE})
    selection = Selection(path="split", engine="slow")
    with pytest.raises(RecipeError) as caught:
        compose(loaded, selection)
    assert caught.value.message == (
        "This combination is known to be bad: path split, model small, accelerator big, engine slow."
    )
    assert [str(problem) for problem in caught.value.problems] == ["It fails."]
    forced = compose(loaded, selection, Overrides(force=True))
    assert (forced.forced, forced.evidence.level, forced.warnings) == (True, "known-bad", ("It fails.",))


def test_a_facet_that_the_cell_does_not_name_weakens_it(catalog) -> None:
    more = "kind: fabric\nname: quick\ntitle: Q\nfacts: {rdma: true, resource: x/y}\n"
    loaded = catalog({"evidence.yaml": EVIDENCE, "facets/fabrics/quick.yaml": more})
    evidence = compose(loaded, Selection(path="plain", fabric="quick")).evidence
    assert evidence.level == "derived"
    assert evidence.differences == ("fabric quick, where the cited one has none",)


def test_settings_of_the_user_weaken_it(catalog) -> None:
    changes = Overrides(sets=("modelserver.roleDefaults.args.x=1",))
    evidence = compose(catalog({"evidence.yaml": EVIDENCE}), Selection(path="plain"), changes).evidence
    assert (evidence.level, evidence.differences) == ("derived", ("a setting of yours",))


def test_cells_with_a_values_file(catalog) -> None:
    loaded = catalog({"evidence.yaml": EVIDENCE})
    assert dict(kept_cells(loaded)) == {
        "plain/values.yaml": Selection(path="plain"),
        "plain/values/big-fast.yaml": Selection(path="plain", accelerator="big", engine="fast"),
        "split/values.yaml": Selection(path="split"),
        "split/values/big-fast.yaml": Selection(path="split", accelerator="big", engine="fast"),
        "split/values/big-slow.yaml": Selection(path="split", accelerator="big", engine="slow"),
    }


def test_expressions_see_the_chosen_versions(catalog) -> None:
    facet = (
        ENGINE.format(name="fast")
        + '      image: {tag: "{{ versions.images[engine.name][accelerator.vendor].tag }}"}\n'
    )
    recipe = compose(catalog({"versions.yaml": VERSIONS, "facets/engines/fast.yaml": facet}), Selection(path="plain"))
    assert recipe.values["modelserver"]["roleDefaults"]["image"] == {"tag": "v1"}
    assert recipe.versions == "1"


def test_prerequisites_in_the_order_of_the_file(catalog) -> None:
    facet = ENGINE.format(name="fast") + "prerequisites: {crds: [pool], controllers: []}\n"
    loaded = catalog({"versions.yaml": VERSIONS, "facets/engines/fast.yaml": facet})
    assert [one.name for one in compose(loaded, Selection(path="plain")).prerequisites] == ["pool"]
    sets = ("global.llmd.roles.aggregate.workload=LeaderWorkerSet", "scheduler.objectives.a.priority=1")
    found = compose(loaded, Selection(path="plain"), Overrides(sets=sets)).prerequisites
    assert [(one.name, one.kind, one.version) for one in found] == [
        ("lws", "controller", "0.9.0"),
        ("pool", "crds", "1.5.0"),
        ("router", "crds", "0.9.0"),
    ]
    assert found[0].charts[0].reference == "oci://example.com/lws"
    assert found[1].manifest == "https://example.com/p.yaml"


def test_an_unknown_prerequisite(catalog) -> None:
    facet = ENGINE.format(name="fast") + "prerequisites: {crds: [pol], controllers: []}\n"
    loaded = catalog({"versions.yaml": VERSIONS, "facets/engines/fast.yaml": facet})
    with pytest.raises(RecipeError) as caught:
        compose(loaded, Selection(path="plain"))
    assert "no prerequisite is called 'pol'. Did you mean 'pool'?" in str(caught.value.problems[0])


def test_sets_of_several_files(write) -> None:
    first = write({"versions.yaml": VERSIONS})
    own = write({"versions.yaml": VERSIONS.replace('"1"', '"2"')}, folder="own", only=True)
    loaded = Catalog.load([first, own])
    assert sorted(loaded.versions.sets) == ["1", "2"]
    assert loaded.versions.default == "2"  # the later file's


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (VERSIONS, "the set '1' is here and already in {first}/versions.yaml:4."),
        ('kind: versions\ndefault: "3"\nsets: {}\n', "default: no set is called '3'."),
    ],
)
def test_sets_that_do_not_fit_together(write, text: str, expected: str) -> None:
    first: Path = write({"versions.yaml": VERSIONS})
    own = write({"versions.yaml": text}, folder="own", only=True)
    with pytest.raises(RecipeError) as caught:
        Catalog.load([first, own])
    assert any(expected.format(first=first) in str(problem) for problem in caught.value.problems)
