"""What each sign weighs, and where the lines between the verdicts are. Pure data; the version is kept in every record.

The weights began as an expert's proposal and were set on a corpus of traced builds and public attack lines
(`docs/triage.md` has the sources and the figures). `triage.toml` can change them without code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "2026.11-3"

WEIGHTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        # What runs beside it, by Security Command Center's other findings.
        "R1": 50,  # a finding that is an attack by itself: reverse shell, escape, miner, malware
        "R2": 25,  # what was built was run, and was not in the image
        "R3": 15,  # something of this kind arrived before: encoded text, a download
        "R4": -20,  # the same image compiles elsewhere too, without anything else
        # Who started it.
        "P1": 20,  # a person opened a session in the container shortly before
        "P2": 30,  # a server that answers strangers started a shell
        "P4": 20,  # an application started a shell
        "P3": 20,  # an interactive shell
        "P5": 30,  # the shell's own text downloads, decodes, hides or arms
        # When.
        "T1": -15,  # within ten minutes of the container's start
        "T2": 10,  # the pod is old, and nothing like this is known of it
        # Where: what the workload is for.
        "W1": -30,  # a workload that builds
        "W2": -15,  # an image that is made for building
        "W3": -60,  # an expected builder, named in triage.toml
        "W4": 10,  # an image that is made to have no compiler
        "W5": -25,  # the container's own command builds
        "W6": 10,  # a toolchain was installed on the spot
        # What was built from what: the command line.
        "A0": 20,  # by hand: source to product, and no build system in sight
        "A1": 10,  # in a place that anybody can write to
        "A2": 15,  # and run at once
        "A3": 15,  # source from standard input
        "A4": 15,  # a library straight from its source
        "A5": 40,  # a name that is known of attack tools
        "A6": 10,  # static, or with what exploits link
        "A7": 45,  # the compiler is used to run or read something else
        "A8": 40,  # a kernel module
        "A9": 5,  # no flag of a build
        "A10": 25,  # hidden
        "A11": 20,  # named like a part of the system
        "A12": 25,  # straight into a system folder, or a file that matters
        "A13": 20,  # without the protections that exploits are in the way of
        "A14": 20,  # a name that speaks of an attack
        "A15": 25,  # in memory-backed or web-served places
        # Builds that are known.
        "B1": -45,  # a named build, and a second source says so too
        "B2": -5,  # looks like a named build; nothing else says so
        "B3": 0,  # what the command line looks like is what this workload does: set when judging
        # What the logs say.
        "L1": 30,  # a request that carries a command
        "L2": 20,  # a download, a decoding, a tool fetched
        "L3": 35,  # a preload, a pool, a shell on a connection
        "L4": 30,  # a kernel module was loaded
        # What earlier records say.
        "H1": -20,  # it compiles like this regularly
        "H2": -35,  # an analyst called the like of it a build
        "H3": 35,  # an analyst called the like of it an attack
        # What was taken out of the container: never for it, since its own programs sent it.
        "C1": 10,  # a static program in an open place, stripped: runs wherever it is copied to
        "C2": 15,  # another program lies where the executed one lay
        "C3": 0,  # built in place
        "C4": 10,  # an executable in memory-backed files, or hidden
        "C5": 10,  # a program under a source's name
        "X1": 0,  # the container can reach the node: set when judging, half of what speaks against it
        "U0": 0,  # arguments are cut or missing
    },
)

# Techniques of ATT&CK that a sign's own evidence supports, beside T1027.004.
TECHNIQUES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "P1": ("T1609",),
        "P2": ("T1505.003", "T1059.004"),
        "P3": ("T1059.004",),
        "P4": ("T1059.004",),
        "A8": ("T1547.006", "T1014"),
        "A10": ("T1564.001",),
        "A11": ("T1036.005",),
        "L1": ("T1190", "T1059.004"),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Weights by sign, and thresholds. A verdict needs more than its score: see `triage.judge`."""

    version: str = VERSION
    base: int = 30
    suspicious: int = 50
    malicious: int = 80
    benign: int = 15
    weights: Mapping[str, int] = field(default_factory=lambda: WEIGHTS)

    def weight(self, sign: str) -> int:
        """The weight of a sign; a KeyError where there is no such sign."""
        return self.weights[sign]


BUILT_IN: Final = Rules()
