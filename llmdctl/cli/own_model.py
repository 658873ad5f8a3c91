"""`llmdctl recipe model`: a facet for a model of one's own, from its config.json."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from llmdctl.cli.declared import declared
from llmdctl.cli.options import OutputOptions
from llmdctl.cli.output import Format, say, session, use, write_result
from llmdctl.errors import UsageError

INDEX: Final = "model.safetensors.index.json"
_MOST_BYTES: Final = 64 * 2**20  # the index of a model with a trillion parameters has 15 MB


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model, and what its config.json does not say."""

    config: Annotated[Path, typer.Argument(help="The model's config.json.", metavar="CONFIG.json")]
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write facets/models/NAME.yaml into DIR, for --paths DIR."),
    ] = None
    id: Annotated[str, typer.Option("--id", help="What model servers load: organisation/model on the hub.")] = ""
    name: Annotated[str, typer.Option(help="Name of the facet; from --id when absent.")] = ""
    weight_bytes: Annotated[
        int,
        typer.Option(
            "--weight-bytes",
            min=0,
            help=f"Exact bytes of the weights. 0 reads {INDEX} beside the file, or works them out.",
        ),
    ] = 0
    max_model_len: Annotated[
        int, typer.Option("--max-model-len", min=0, help="Longest context in tokens; 0 takes the configuration's.")
    ] = 0
    gated: Annotated[bool, typer.Option("--gated", help="The download needs a token.")] = False


@declared(ModelOptions, OutputOptions)
def run(model: ModelOptions, output: OutputOptions) -> None:
    """Make a model facet from a config.json: on stdout, or a file that --paths DIR finds."""
    from llmdctl import assets
    from llmdctl.cli import results
    from llmdctl.cli.render import write_files
    from llmdctl.memory import ModelFacts, kv_bytes_per_token, parameters
    from llmdctl.recipe import Catalog, model_facet
    from llmdctl.recipe.reader import read
    from llmdctl.values import to_yaml

    use(output)
    facet = model_facet(
        read(model.config),
        id=model.id,
        name=model.name,
        stored_bytes=model.weight_bytes or _total_size(model.config.parent / INDEX),
        max_model_len=model.max_model_len,
        gated=model.gated,
    )
    name = str(facet["name"])
    if name in Catalog.load([assets.paths()]).names("model"):
        raise UsageError(f"A model facet is called '{name}' already.", remedy="Give yours another one with --name.")
    facts = ModelFacts.from_facts(facet["facts"])
    text = to_yaml(facet, comment=f"A model of your own, from {model.config.name}.")
    file = ""
    if model.to is not None:
        folder = model.to / "facets" / "models"
        write_files(folder, {f"{name}.yaml": text})
        file = str(folder / f"{name}.yaml")
        say(f"Wrote {file}. Use it with --paths {model.to} --model {name}.")
    result = results.ModelFacet(
        name=name,
        file=file,
        parameters=parameters(facts),
        weight_bytes=facts.stored_bytes,
        kv_bytes_per_token=kv_bytes_per_token(facts),
        facet=facet,
    )
    if session.format is Format.TEXT and not file:
        sys.stdout.write(text)
    elif session.format is not Format.TEXT:
        write_result(result, None)


def _total_size(index: Path) -> int:
    """`metadata.total_size` of a safetensors index; 0 when there is no such file.

    Raises UsageError for a file that is none.
    """
    try:
        with index.open("rb") as stream:
            found = json.loads(stream.read(_MOST_BYTES))["metadata"]["total_size"]
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise UsageError(
            f"{index} is no safetensors index.", remedy="Remove it, or say what the weights weigh with --weight-bytes."
        ) from cause
    return int(found)
