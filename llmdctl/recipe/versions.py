"""paths/versions.yaml: named sets of versions that belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmdctl.errors import Problem, RecipeError
from llmdctl.merge import merge
from llmdctl.model.document import Document, json_path
from llmdctl.model.release import Prerequisite, PrerequisiteChart
from llmdctl.recipe.names import choices, nearest


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """Every set of versions of the catalogue, and which one counts unless another is named."""

    default: str = ""
    sets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)  # set -> file:line

    @property
    def chosen(self) -> Mapping[str, Any]:
        """The set that `versions.*` means in expressions; empty when the catalogue has none."""
        return self.sets.get(self.default, {})

    def prerequisites(self, names: Iterable[str]) -> tuple[Prerequisite, ...]:
        """The shared things with these names, in the order of the file.

        Raises RecipeError when a name is unknown.
        """
        known: Mapping[str, Mapping[str, Any]] = self.chosen.get("prerequisites") or {}
        wanted = dict.fromkeys(names)
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise RecipeError(
                f"Prerequisites are not in the set of versions '{self.default}': {', '.join(unknown)}.",
                problems=tuple(
                    Problem(
                        file=self.places.get(self.default, "").rpartition(":")[0] or None,
                        message=f"no prerequisite is called '{name}'.",
                        suggestion=nearest(name, known),
                        remedy=None if nearest(name, known) else choices(known),
                    )
                    for name in unknown
                ),
            )
        return tuple(_prerequisite(name, known[name]) for name in known if name in wanted)


def versions_from(documents: Iterable[Document]) -> Versions:
    """The sets of all files together; the last file that names a default wins.

    A set that `extends` another, which stands before it, is laid over that one. Raises RecipeError when two files hold
    a set of one name, or a name is unknown.
    """
    default = ""
    sets: dict[str, Mapping[str, Any]] = {}
    places: dict[str, str] = {}
    problems: list[Problem] = []
    for document in documents:
        default = document.value.get("default") or default
        for name, content in (document.value.get("sets") or {}).items():
            path = ("sets", name)
            if name in sets:
                message = f"the set '{name}' is here and already in {places[name]}."
                problems.append(
                    Problem(file=document.file, line=document.line(path), path=json_path(path), message=message)
                )
                continue
            base = content.get("extends")
            if base is not None and base not in sets:
                problems.append(_unknown(document, (*path, "extends"), base, sets))
                continue
            own = {key: value for key, value in content.items() if key != "extends"}
            sets[name] = merge(sets[base], own) if base else own
            places[name] = f"{document.file}:{document.line(path)}"
        if default and default not in sets:
            problems.append(_unknown(document, ("default",), default, sets))
    if problems:
        raise RecipeError("The sets of versions do not fit together.", problems=tuple(problems))
    return Versions(default=default, sets=sets, places=places)


def _unknown(document: Document, path: tuple[str, ...], name: str, sets: Iterable[str]) -> Problem:
    return Problem(
        file=document.file,
        line=document.line(path),
        path=json_path(path),
        message=f"no set is called '{name}'.",
        suggestion=nearest(name, sets),
    )


def _prerequisite(name: str, content: Mapping[str, Any]) -> Prerequisite:
    return Prerequisite(
        name=name,
        title=content.get("title") or name,
        kind=content.get("kind") or "platform",
        version=content.get("version") or "",
        crds=tuple(content.get("crds") or ()),
        manifest=content.get("manifest"),
        charts=tuple(
            PrerequisiteChart(
                name=chart["name"],
                version=chart["version"],
                reference=chart.get("reference"),
                repository=chart.get("repository"),
                values=chart.get("values") or {},
                skip_crds=chart.get("skip_crds") or False,
            )
            for chart in content.get("charts") or ()
        ),
        namespace=content.get("namespace"),
        api_services=tuple(content.get("api_services") or ()),
        note=content.get("note") or "",
    )
