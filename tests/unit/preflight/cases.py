"""Cases of checks: YAML under tests/cases/preflight/<category>/<code>.yaml, and what makes a `Case` of one.

    code: LD0801
    cases:
      - name: ...            # unique in the file
        expect: fail         # pass | warn | fail | skip | unknown
        message: ...         # a part of the message
        source: ...          # where the object that makes it fail or warn was captured or is described; needed for both
        recipe: {path: pd-disaggregation, accelerator: h200, engine: vllm, set: [a.b=c]}   # optional: rendered for real
        objects: [...]       # optional: rendered objects, instead of or beside those of `recipe`
        release: x           # optional, as namespace: (default: the path's name, and default)
        base: gke            # optional: an inventory of tests/fixtures/inventories that the sections are laid over
        sections:            # section -> its items, or {seen: forbidden, reason: ...}
          nodes: [...]

Sections that a case does not name are known and empty, `version` is v1.34.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from llmdctl import assets
from llmdctl.helm import open_renderer
from llmdctl.lint import lint_objects
from llmdctl.model.finding import Report
from llmdctl.model.inventory import Inventory, Section, Seen
from llmdctl.model.recipe import Recipe
from llmdctl.model.sections import NAMES
from llmdctl.model.selection import Overrides, Selection
from llmdctl.preflight.case import Case
from llmdctl.recipe import Catalog, compose
from llmdctl.values import build

TESTS = Path(__file__).resolve().parents[2]
FOLDER = TESTS / "cases" / "preflight"
INVENTORIES = TESTS / "fixtures" / "inventories"
Chosen = tuple[tuple[str, Any], ...]
Objects = tuple[Mapping[str, Any], ...]
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is some ten times faster where it is there
NOTHING = {"version": Section(seen=Seen.OK, items=({"gitVersion": "v1.34.4"},))}


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """One case of one check."""

    code: str
    file: str
    written: Mapping[str, Any]

    @property
    def id(self) -> str:
        """As pytest names it."""
        return f"{self.code}-{self.written['name']}"

    @cached_property
    def case(self) -> Case:
        """What the rule is given; the same for every test of the example, with what it has derived."""
        inventory = Inventory(captured_at="2026-11-22T00:00:00Z", llmdctl="0", sections=sections(self.written))
        chosen = self.written.get("recipe")
        namespace = self.written.get("namespace", "default")
        own = tuple(self.written.get("objects", ()))
        if chosen is None:
            return Case(
                inventory=inventory, objects=own, release=self.written.get("release", "demo"), namespace=namespace,
                accelerators=accelerators(), linted=lint_objects(own) if own else None,
            )  # fmt: skip
        name = self.written.get("release", chosen["path"])
        recipe, objects, linted = rendered(name, namespace, frozen(chosen))
        return Case(
            inventory=inventory, objects=(*objects, *own), recipe=recipe, release=name, namespace=namespace,
            accelerators=accelerators(), linted=lint_objects((*objects, *own)) if own else linted,
        )  # fmt: skip


@cache
def examples() -> tuple[Example, ...]:
    """Every case of every check."""
    found = []
    for file in sorted(FOLDER.glob("*/*.yaml")):
        document = yaml.load(file.read_text(encoding="utf-8"), Loader=LOADER)
        place = str(file.relative_to(TESTS))
        found += [Example(code=document["code"], file=place, written=entry) for entry in document["cases"]]
    return tuple(found)


def sections(written: Mapping[str, Any]) -> dict[str, Section]:
    """The inventory of a case."""
    empty = {name: Section(seen=Seen.OK) for name in NAMES}
    based = base(written["base"]) if "base" in written else {}
    return empty | NOTHING | based | {name: section(value) for name, value in written.get("sections", {}).items()}


def section(value: Any) -> Section:
    """Items, or an outcome with its reason."""
    if isinstance(value, list):
        return Section(seen=Seen.OK, items=tuple(value))
    return Section(
        seen=Seen(value["seen"]), reason=value.get("reason", value["seen"]), items=tuple(value.get("items", ())),
        seconds=value.get("seconds", 0.0), namespace=value.get("namespace", ""),
    )  # fmt: skip


@cache
def base(name: str) -> dict[str, Section]:
    """The sections of a stored inventory."""
    from llmdctl.model.inventory_file import load

    return dict(load(INVENTORIES / f"{name}.yaml").sections)


@cache
def catalog() -> Catalog:
    return Catalog.load([assets.paths()])


@cache
def accelerators() -> Mapping[str, Mapping[str, Any]]:
    loaded = catalog()
    return {name: loaded.facet("accelerator", name).facts for name in loaded.names("accelerator")}


def frozen(chosen: Mapping[str, Any]) -> Chosen:
    return tuple(sorted((key, tuple(value) if isinstance(value, list) else value) for key, value in chosen.items()))


@cache
def rendered(name: str, namespace: str, chosen: tuple[tuple[str, Any], ...]) -> tuple[Recipe, Objects, Report]:
    """A recipe, its objects, each with its namespace, and what the linter says of them."""
    facets = dict(chosen)
    overrides = Overrides(sets=facets.pop("set", ()), role_settings=facets.pop("role", ()), force=True)
    recipe = compose(catalog(), Selection(**facets), overrides)
    spec = build(recipe, name=name, namespace=namespace)
    made = open_renderer().render(spec, kube_version="1.34.4").objects
    objects = tuple(_placed(obj, namespace) for obj in made)
    return recipe, objects, lint_objects(objects)


def _placed(obj: Mapping[str, Any], namespace: str) -> Mapping[str, Any]:
    from llmdctl.helm.writing import is_cluster_scoped

    if is_cluster_scoped(obj):
        return obj
    return {**obj, "metadata": {"namespace": namespace, **obj["metadata"]}}
