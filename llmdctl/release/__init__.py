"""Use cases on a release: install, look, compare, remove. Doors come in as Protocols, progress goes out as events."""

from llmdctl.release import events
from llmdctl.release.client_facts import client_section
from llmdctl.release.clock import SYSTEM_CLOCK, Clock
from llmdctl.release.differing import diff
from llmdctl.release.installing import InstallOptions, InstallResult, install
from llmdctl.release.live import LiveObjects, live_objects
from llmdctl.release.pods import Patience
from llmdctl.release.record import Revision, releases
from llmdctl.release.removing import Inventory, UninstallResult, inventory, uninstall
from llmdctl.release.state import status
from llmdctl.release.trying import DryRun, dry_run
from llmdctl.release.waiting import wait

__all__ = [
    "SYSTEM_CLOCK",
    "Clock",
    "DryRun",
    "InstallOptions",
    "InstallResult",
    "Inventory",
    "LiveObjects",
    "Patience",
    "Revision",
    "UninstallResult",
    "client_section",
    "diff",
    "dry_run",
    "events",
    "install",
    "inventory",
    "live_objects",
    "releases",
    "status",
    "uninstall",
    "wait",
]
