"""The package `helm-python-sdk`, for who wants it imported early: a Go runtime starts, a tenth of a second in which the
interpreter is free for other threads.

Raises ImportError where it is not installed.
"""

import helm_python  # noqa: F401
