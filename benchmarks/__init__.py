"""Trimtab beside named peers, measured in the same run: `python -m benchmarks [NAME …]`.

A benchmark is a value (`benchmarks.registry.Benchmark`) in the file of its subject. Input is made once;
every measurement is a process of its own, so memory is its own and no peer warms another's caches.
"""
