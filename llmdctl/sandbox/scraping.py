"""What the Prometheus operator does, for the sandbox's Prometheus: watches monitors, writes its configuration, reloads.

And what Prometheus's own discovery would do: it writes down the pods. Run as `python -m llmdctl.sandbox.scraping HOME`.
`monitors` and `targets` decide; this process follows, writes and tells.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from llmdctl.errors import ClusterError
from llmdctl.sandbox import record
from llmdctl.sandbox.api import Api, NotFound, Object, Resource
from llmdctl.sandbox.certificates import Pair
from llmdctl.sandbox.home import Home
from llmdctl.sandbox.mirror import Key, Mirror
from llmdctl.sandbox.monitors import Surroundings, Translation, annotated, translate
from llmdctl.sandbox.targets import targets

COMPONENT = "scraping"
KINDS = {
    "pod_monitors": Resource(path="apis/monitoring.coreos.com/v1", plural="podmonitors"),
    "service_monitors": Resource(path="apis/monitoring.coreos.com/v1", plural="servicemonitors"),
    "services": Resource(path="api/v1", plural="services"),
    "pods": Resource(path="api/v1", plural="pods"),
}
SECRETS = Resource(path="api/v1", plural="secrets")
PODS = "pods.json"
_LOG = logging.getLogger(COMPONENT)
_SETTLE_S = 0.2  # the objects of one release arrive together
_AGAIN_S = 15.0  # a Secret that a monitor names is read again, not watched
_RELOAD_LIMIT_S = 10.0


def folder(place: Home) -> Path:
    """Where Prometheus's configuration lies."""
    return place.config / "prometheus"


def configuration(place: Home, translation: Translation) -> str:
    """The whole configuration file, as JSON, which every reader of YAML takes."""
    jobs: list[dict[str, Any]] = [*translation.jobs, annotated(folder(place) / PODS)]
    return json.dumps(
        {"global": {"scrape_interval": "5s", "evaluation_interval": "5s"}, "scrape_configs": jobs}, indent=1
    )


def replace(path: Path, text: str) -> bool:
    """Have a file, which may hold a secret, say `text`, in one step. Returns whether it said something else."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    partial = path.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)
    return True


class Secrets:
    """Values of Secrets as files that Prometheus can read."""

    def __init__(self, api: Api, place: Path) -> None:
        self._api = api
        self._place = place

    def file(self, namespace: str, name: str, key: str) -> Path | None:
        """The file with a value, written anew; None when the Secret or its key is not there."""
        try:
            value = self._api.get(SECRETS.url(name, namespace=namespace)).get("data", {}).get(key)
        except NotFound:
            value = None
        if value is None:
            _LOG.warning("there is no key %s in a Secret %s/%s", key, namespace, name)
            return None
        path = self._place / f"secret-{namespace}-{name}-{key}"
        replace(path, base64.b64decode(value).decode())
        return path


def reload(port: int) -> None:
    """Have Prometheus read its configuration again; what it says against it is logged."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/-/reload", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=_RELOAD_LIMIT_S):
            _LOG.info("Prometheus has its new configuration")
    except urllib.error.HTTPError as error:
        _LOG.error("Prometheus refuses its configuration: %s", error.read().decode(errors="replace").strip())
    except OSError as error:
        _LOG.error("Prometheus does not answer: %s", error)


def main(home_path: Path) -> None:
    """Follow, translate and reload until the process is ended."""
    place = Home(name=home_path.name, path=home_path)
    found = record.read(place)
    if found is None:
        raise SystemExit(f"{home_path} holds no sandbox")
    client = Pair(certificate=place.pki / f"{COMPONENT}.crt", key=place.pki / f"{COMPONENT}.key")
    api = Api(port=found.ports.api_server, authority=place.pki / "ca.crt", client=client)
    secrets = Secrets(api, folder(place))
    mirror = Mirror(KINDS)
    mirror.follow(api)
    said: frozenset[str] = frozenset()
    while True:
        if mirror.changed.wait(_AGAIN_S):
            time.sleep(_SETTLE_S)
            mirror.changed.clear()
        known = mirror.objects()
        if known is None:
            continue
        # Prometheus watches this file by itself.
        replace(folder(place) / PODS, json.dumps(targets(known["pods"].values()), indent=1))
        translation = _translated(place, known, secrets)
        if translation is None:
            continue
        for line in sorted(set(translation.ignored) - said):
            _LOG.warning("%s", line)
        said = frozenset(translation.ignored)
        if replace(folder(place) / "prometheus.yaml", configuration(place, translation)):
            reload(found.ports.prometheus)


def _translated(place: Home, known: dict[str, dict[Key, Object]], secrets: Secrets) -> Translation | None:
    around = Surroundings(
        pods=folder(place) / PODS,
        token=folder(place) / "token",
        secret=secrets.file,
        services=tuple(known["services"].values()),
    )
    try:
        return translate(known["pod_monitors"].values(), known["service_monitors"].values(), around)
    except (ClusterError, KeyError, ValueError) as error:
        _LOG.error("the monitors cannot be translated: %s", error)
        return None


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    main(Path(sys.argv[1]))
