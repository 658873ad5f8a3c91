"""The typer application, and `main`: the one place where an exception becomes a message and an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

import typer

from llmdctl.cli.output import Format, replace_unencodable, session, warn, write_result
from llmdctl.cli.verbs import LazyVerbs
from llmdctl.errors import DifferencesFound, Interrupted, LlmdctlError

app = typer.Typer(
    name="llmdctl",
    cls=LazyVerbs,
    help="Well-lit paths for serving large language models on Kubernetes: compose, check, install, prove.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # it can print local variables, and with them secrets
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root() -> None:
    """Makes it a group also in the eyes of typer, which sees no verb yet."""


EXIT_BUG = 1
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:  # noqa: PLR0911 - one way out an outcome
    """Run one command line (`sys.argv[1:]` by default) and return its exit code; never raises for a user's mistake."""
    session.format, session.quiet, session.debug = Format.TEXT, False, False
    replace_unencodable()
    try:
        app(args=list(argv) if argv is not None else None, prog_name="llmdctl")
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else (0 if leave.code is None else EXIT_BUG)
    except DifferencesFound as found:
        return found.exit_code
    except LlmdctlError as error:
        _report(error)
        return error.exit_code
    except KeyboardInterrupt:
        _report(Interrupted("Interrupted."))
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of the pipe has seen enough, as in `llmdctl render ... | head`
        sys.stderr.close()
        return 0
    except Exception as bug:  # noqa: BLE001 - the boundary: whatever reaches it is a bug of ours
        _report_bug(bug)
        return EXIT_BUG
    return 0


def _report(error: LlmdctlError) -> None:
    from llmdctl.cli import results

    if session.format is not Format.TEXT:
        failure = results.Error(
            type=type(error).__name__,
            message=error.message,
            remedy=error.remedy,
            exit_code=error.exit_code,
            problems=error.problems,
        )
        write_result(failure, None)
    warn(f"Error: {error.message}")
    for problem in error.problems:
        warn(f"  {problem}")
    if error.remedy:
        warn(error.remedy)
    if session.debug:
        traceback.print_exception(error)


def _report_bug(bug: Exception) -> None:
    if session.debug:
        traceback.print_exception(bug)
        return
    warn(f"Error: llmdctl failed ({type(bug).__name__}: {bug}). This is a bug; run again with --debug to see where.")
