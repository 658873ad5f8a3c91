"""Clients that ask two addresses in turn, as a process of its own: `python clients.py PLAN`, a JSON object on a line.

The plan says `urls`, `body`, `clients`, `requests` of each address, `pause_s` between the requests of one client, and
`turns`. Printed is a JSON object: `seconds`, a list for each address, and `busy`, the share of one core that this
process took itself. It imports nothing of ours, so that it runs in another network namespace as it is.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from urllib.parse import urlsplit

PLAN = json.loads(sys.argv[1])
HEADERS = {"content-type": "application/json"}


def client(url: str, requests: int, seed: int, taken: list[float]) -> None:
    """One client with one connection. Pauses differ, or all would ask at once for ever."""
    place, chance = urlsplit(url), random.Random(seed)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    connection.connect()
    for _ in range(requests):
        time.sleep(PLAN["pause_s"] * chance.uniform(0.5, 1.5))
        started = time.perf_counter()
        connection.request("POST", "/v1/completions", body=PLAN["body"], headers=HEADERS)
        answer = connection.getresponse()
        text = answer.read()
        taken.append(time.perf_counter() - started)
        if answer.status != 200:
            raise RuntimeError(f"{url} answered {answer.status}: {text[:200]!r}")
    connection.close()


def load(url: str, requests: int) -> list[float]:
    """Seconds of each request, by all clients together."""
    taken: list[float] = []
    number = PLAN["clients"]
    shares = [len(range(one, requests, number)) for one in range(number)]
    threads = [threading.Thread(target=client, args=(url, share, at, taken)) for at, share in enumerate(shares)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(taken) != requests:
        sys.exit(f"{requests - len(taken)} of {requests} requests to {url} failed")
    return taken


def main() -> None:
    """Warm both, then ask them in turn, so that a busy machine slows both alike."""
    seconds: dict[str, list[float]] = {url: [] for url in PLAN["urls"]}
    for url in seconds:
        load(url, PLAN["clients"])
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(PLAN["turns"]):
        for url in seconds:
            seconds[url] += load(url, PLAN["requests"] // PLAN["turns"])
    busy = (time.process_time() - cpu) / (time.perf_counter() - began)
    print(json.dumps({"seconds": seconds, "busy": busy}))


if __name__ == "__main__":
    main()
