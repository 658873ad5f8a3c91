"""What Python distributions bring into an image."""

from __future__ import annotations

import pytest

from llmdctl.errors import ProgramError
from llmdctl.sandbox.images import distributions
from llmdctl.sandbox.images.distributions import SITE, closure, file_of
from llmdctl.sandbox.images.items import File


def test_requirements_come_with_a_distribution_and_options_do_not():
    names = {found.metadata["Name"].lower() for found in closure(["starlette"])}
    assert {"starlette", "anyio", "idna"} <= names
    assert names.isdisjoint({"trio", "jinja2", "python-multipart"})  # options of anyio and starlette


def test_one_that_is_not_installed_is_named_with_the_remedy():
    with pytest.raises(ProgramError, match="no-such-distribution") as caught:
        closure(["no-such-distribution"])
    assert "llmdctl[engine,node]" in str(caught.value.remedy)


def test_a_file_that_a_distribution_lacks_is_named():
    with pytest.raises(ProgramError, match=r"starlette .* has no file starlette/none"):
        file_of("starlette", "starlette/none")


def test_modules_come_and_traces_of_this_machine_do_not(cache):
    found = [item for item in distributions.items(["h11"]) if isinstance(item, File)]
    paths = {item.path for item in found}
    assert f"{SITE}/h11/__init__.py" in paths
    names = {path.rsplit("/", 1)[1] for path in paths}
    assert names.isdisjoint({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
    assert "METADATA" in names
    assert not any("/tests/" in path for path in paths)
