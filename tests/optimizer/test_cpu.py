"""CPU architectures by name."""

from __future__ import annotations

import pytest

from optimizer.cpu import architecture

ARM = (
    "c7g.large m6gd.xlarge c7gn.2xlarge im4gn.large is4gen.large g5g.xlarge t4g.micro hpc7g.4xlarge "
    "a1.medium Standard_D4ps_v5 Standard_E16pds_v5 Standard_B2pts_v2 t2a-standard-4 c4a-highmem-8 "
    "VM.Standard.A1.Flex"
)
X86 = (
    "m6i.large g4dn.xlarge g5.xlarge g6e.2xlarge p4d.24xlarge m7i-flex.large c7a.large inf2.xlarge "
    "Standard_D16s_v5 Standard_NP10s Standard_NC24ads_A100_v4 Standard_E16s_v5 a2-ultragpu-1g t2d-standard-4 "
    "c3-highcpu-8 g2-standard-4 n2-standard-8 VM.Standard.E4.Flex m big"
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [(name, kind) for kind, names in (("ARM", ARM), ("x86", X86)) for name in names.split()],
)
def test_architectures(name: str, expected: str) -> None:
    assert architecture(name) == expected
