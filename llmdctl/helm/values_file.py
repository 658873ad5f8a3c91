"""Handing values to the helm program: by its input, or by a file that only this user can read and that is gone
afterwards."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# JSON allows these unescaped inside a string; YAML, which is how Helm reads the file, does not or folds them.
_UNSAFE_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def values_text(values: Mapping[str, Any]) -> bytes:
    """The values as JSON, which is YAML too. No beginning of it is JSON or YAML by itself.

    Raises ValueError for NaN and infinities, which neither Helm nor Kubernetes can hold, and for text that is none.
    """
    text = json.dumps(values, ensure_ascii=False, allow_nan=False)
    return _UNSAFE_IN_YAML.sub(lambda found: f"\\u{ord(found.group()):04x}", text).encode()


@contextmanager
def values_file(values: Mapping[str, Any]) -> Iterator[Path]:
    """A file with the values; removed at the end whatever happens. Raises what `values_text` raises."""
    text = values_text(values)
    with tempfile.TemporaryDirectory(prefix="llmdctl-") as folder:  # mode 0700
        path = Path(folder) / "values.yaml"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(text)
        yield path
