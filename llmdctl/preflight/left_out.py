"""The codes of the catalogue that are no check, each with its reason; a code is never used for something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LEFT_OUT: Final[Mapping[str, str]] = {
    "LD0103": "llmdctl never runs helmfile, and writes nothing for it",
    "LD0104": "`llmdctl diff` compares by itself; no plugin of Helm is used",
    "LD0107": "recipes travel in one package with the program that reads them, and state no version of it",
    "LD0108": "a recipe or values file that does not validate ends with exit code 2 before any check runs",
    "LD0109": "the charts travel in the package; the images are judged by LD12",
    "LD0201": "without a kubeconfig nothing can be judged: connecting ends with exit code 5 and names the contexts",
    "LD0311": "a kubelet's configz takes the right nodes/proxy, with which one may run commands in any pod",
    "LD0312": "as LD0311; what a node keeps back for eviction is not in its allocatable, which placement reads",
    "LD0420": "no recipe renders a VariantAutoscaling",
    "LD0508": "it takes a review of the controller's own rights, which only an administrator may ask for; the"
    " Gateway's status tells it after the installation",
    "LD0510": "checks of the gateway skip by themselves where no Gateway and no route is rendered",
    "LD0711": "whether every card reaches every other one (a rail-only fabric) shows in no object",
    "LD0907": "LD0613 judges whether the accelerator has kernels for the precision",
    "LD0914": "whether a simulator has data of a system says nothing about whether the recipe runs",
    "LD1102": "whether a token may read a gated model takes the token, which is never read, and a request to the hub",
    "LD1103": "the shape of a token is its value, which is never read",
    "LD1201": "whether an image exists is known to its registry alone, which a client need not reach; --probe pulls it",
    "LD1203": "the platforms of an image stand in its index at the registry; LD06 judges the architecture of nodes",
    "LD1205": "the sizes of layers stand at the registry; LD08 and LD09 judge the disk for weights",
    "LD1207": "image policies refuse in a dry run, which LD0208 and LD1305 judge",
    "LD1403": "no scaler that a recipe renders reads CPU or memory; what it reads is judged by LD1401 and LD1402",
    "LD1406": "it takes a query to Prometheus; the linter knows which series a version has (LD1860 to LD1863)",
    "LD1409": "LD0813 judges it",
    "LD1612": "llmdctl pins the charts of a release and of its controllers; `llmdctl lint` judges GitOps objects",
}
"""Code -> why there is no such check, as a sentence without full stop."""
