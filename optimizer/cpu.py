"""Which CPU architecture an instance type has, by the names that providers give."""

from __future__ import annotations

import re

# AWS: a g after the generation, as in c7g or im4gn.large, and a1. Azure: a p among the features, as in
# Standard_D4ps_v5. Google: t2a, c4a, n4a, a4x. Oracle: shapes A1, A2, A4.
ARM = re.compile(
    r"""^(?: a1\. | [a-z]+\d+[a-z]*g[a-z]*(?:\.|$)
         | Standard_[A-Z]+\d+(?:-\d+)?[a-z]*p[a-z]*_
         | (?:t2a|c4a|n4a|a4x)-
         | (?:VM|BM)\.Standard\.A\d )""",
    re.VERBOSE,
)


def architecture(instance_type: str) -> str:
    """ARM or x86."""
    return "ARM" if ARM.match(instance_type) else "x86"
