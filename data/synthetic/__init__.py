"""Demo data that never existed: an invented company's bills, traffic and fleet, the same for the same seed.

`write_demo` fills a workspace with files as real users have them; `ground_truth` says what is hidden in them,
for the tests of whatever should find it.
"""

from data.synthetic.demo import DEFAULT_AS_OF, DEFAULT_SEED, GroundTruth, ground_truth, write_demo

__all__ = ["DEFAULT_AS_OF", "DEFAULT_SEED", "GroundTruth", "ground_truth", "write_demo"]
