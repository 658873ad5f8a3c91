"""The endpoint picker's configuration and command line, judged without starting it.

`check(text, version)` gives the remarks about an EndpointPickerConfig; see `catalogue` for where the facts are from.
"""

from llmdctl.lint.epp.checking import Verdict, check, check_value, nearest_version
from llmdctl.lint.epp.remark import CODES, Remark

__all__ = ["CODES", "Remark", "Verdict", "check", "check_value", "nearest_version"]
