"""Runs that are cut off: by Ctrl-C at the beginning of a stage or while Helm works, or by SIGKILL."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from typing import Any

import psutil

from tests.e2e.sandbox.objects import SECRETS, WEBHOOKS, wait

HELM_WORKS = "helm"
LIMIT_S = 60.0


class Keyboard(io.StringIO):
    """A stream at which somebody sits who presses Ctrl-C when a line begins with a certain word."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word

    def write(self, text: str) -> int:
        count = super().write(text)
        if text.startswith(self._word):
            signal.raise_signal(signal.SIGINT)
        return count


def interrupted(plane: Any, namespace: str, run: Callable[[], int], at: str) -> tuple[int, str]:
    """Exit code and stderr of a run that gets Ctrl-C when the stage `at` begins, or while Helm works."""
    stderr = io.StringIO() if at == HELM_WORKS else Keyboard(f"{at}: ")
    with redirect_stderr(stderr):
        if at != HELM_WORKS:
            return run(), stderr.getvalue()
        with silent_webhook(plane, namespace):
            presser = threading.Thread(
                target=lambda: (until_pending(plane, namespace), os.kill(os.getpid(), signal.SIGINT))
            )
            presser.start()
            code = run()
            presser.join()
    return code, stderr.getvalue()


def killed(plane: Any, namespace: str, words: Sequence[str]) -> None:
    """Run llmdctl as a process of its own, and end it and its Helm with SIGKILL once the release is pending."""
    with silent_webhook(plane, namespace):
        llmdctl = subprocess.Popen([sys.executable, "-m", "llmdctl", *words], stderr=subprocess.DEVNULL)
        try:
            until_pending(plane, namespace)
            helm = psutil.Process(llmdctl.pid).children()
            llmdctl.kill()
            for process in helm:
                process.kill()
        finally:
            llmdctl.kill()
            llmdctl.wait()


def until_pending(plane: Any, namespace: str) -> None:
    """Wait until Helm works on a release of the namespace."""
    url = f"{SECRETS.url(namespace=namespace)}?labelSelector=owner%3Dhelm,status%3Dpending-install"
    wait("Helm's beginning", lambda: plane.api.items(url), limit_s=LIMIT_S)


@contextmanager
def silent_webhook(plane: Any, namespace: str) -> Iterator[None]:
    """An admission webhook that never answers when a Deployment of the namespace is really made: Helm waits."""
    name = f"silent-{namespace}"
    with socket.create_server(("127.0.0.1", 0)) as listener:  # takes connections and says nothing
        webhook = {
            "name": "silent.example.com",
            "clientConfig": {"url": f"https://127.0.0.1:{listener.getsockname()[1]}/"},
            "rules": [
                {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE"]}
            ],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            # Not when it is only tried: preflight's dry run comes before Helm, and would wait for it.
            "matchConditions": [{"name": "really-made", "expression": "!(has(request.dryRun) && request.dryRun)"}],
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "timeoutSeconds": 30,
        }
        body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [webhook],
        }
        plane.api.create(WEBHOOKS.url(), body)
        try:
            yield
        finally:
            plane.api.delete(WEBHOOKS.url(name))
