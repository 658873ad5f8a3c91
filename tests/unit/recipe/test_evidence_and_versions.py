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
    run: {versions: {}, values: {modelserver: {roleDefaults: {args: {a: 1}}}}}
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


RUN = """\
kind: evidence
cells:
  - match: {path: plain, accelerator: big, engine: fast}
    level: %s
    link: https://example.com/run
    reason: A run.
    run: %s
"""
MODEL_SERVER = "{modelserver: {roleDefaults: {args: {a: %s}}, roles: {aggregate: {parallelism: {tensor: 1}}}}}"


@pytest.mark.parametrize("level", ["nightly", "benchmarked"])
@pytest.mark.parametrize(
    ("run", "differences"),
    [
        ("{values: %s}" % (MODEL_SERVER % 1), ()),
        ("{versions: {lws: 0.9.0}}", ()),
        (
            "{values: %s}" % (MODEL_SERVER % 2),
            ("modelserver.roleDefaults.args.a is 1, where the cited run has 2",),
        ),
        (
            "{values: {modelserver: {roleDefaults: {env: {A: b}}}}}",
            ('modelserver.roleDefaults.env.A is not set, where the cited run has "b"',),
        ),
        ("{values: {modelserver: {roleDefaults: {env: {A: null}}}}}", ()),
        ("{versions: {lws: 0.8.0}}", ("lws 0.9.0, where the cited run has 0.8.0",)),
        ("{versions: {engine: 0.1}}", None),  # a number is no version
        ("{versions: {engine: '0.1', pool: 1.5.0}}", ("engine unknown, where the cited run has 0.1",)),
    ],
)
def test_a_level_is_ours_only_where_nothing_differs_from_the_run(catalog, level, run, differences) -> None:
    files = {"evidence.yaml": RUN % (level, run), "versions.yaml": VERSIONS}
    if differences is None:
        with pytest.raises(RecipeError):
            catalog(files)
        return
    evidence = compose(catalog(files), Selection(path="plain")).evidence
    assert evidence.differences == differences
    assert evidence.level == ("derived" if differences else level)


def test_a_proven_level_without_its_run_is_refused(catalog) -> None:
    with pytest.raises(RecipeError) as refused:
        catalog({"evidence.yaml": RUN.replace("    run: %s\n", "") % "nightly"})
    assert any("'run' is missing" in problem.message for problem in refused.value.problems)
