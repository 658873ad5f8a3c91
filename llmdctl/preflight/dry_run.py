"""What the server's answer to a dry run does and does not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_BINDINGS: Final = frozenset({"RoleBinding", "ClusterRoleBinding"})


def waits_for_its_role(row: Mapping[str, Any]) -> bool:
    """A binding that was tried before its role is there: no refusal, since an install makes the role first.

    To one who may not `bind`, the server looks for the role's rules, and answers 404 with the role's name. Whether the
    binding may then be made is asked by LD0206.
    """
    message = str(row.get("message", ""))
    return row.get("kind") in _BINDINGS and row.get("code") == 404 and message.endswith("not found")
