"""Throughput of the demo's models per accelerator or instance type.

Only the 8B language model on A100 and H100 goes back to published measurements. All else is synthetic:
scaled from one anchor by published FLOPS and memory bandwidth, or by a relative speed of the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from data import catalogue
from data.synthetic.services import Service, Slot

ANCHOR_ACCELERATOR = "L4"
ACCELERATOR_TFLOPS_GBPS = {  # dense FP16 tensor TFLOPS and memory GB/s of the vendor's data sheets
    "T4": (65, 320), "L4": (121, 300), "A10G": (70, 600), "L40S": (362, 864),
    "A100-40GB": (312, 1555), "A100-80GB": (312, 2039), "H100": (989, 3350),
}  # fmt: skip
CPU_SPEED = {  # throughput per vCPU against m6i; rough
    "m6i": 1.0, "m7i": 1.15, "m7g": 1.1, "c6i": 1.05, "c7i": 1.2, "c7g": 1.15, "r6i": 1.0, "r7i": 1.15,
    "r7g": 1.1, "Dsv5": 1.0, "Fsv2": 0.9, "Esv5": 1.0, "e2-standard": 0.7, "n2-standard": 0.95,
    "n2-highcpu": 0.95, "n2-highmem": 0.95, "c2-standard": 1.1, "c3-standard": 1.15, "c3-highcpu": 1.15,
    "c4-standard": 1.3, "t2d-standard": 1.15,
}  # fmt: skip
LLM = {  # model, accelerator: prefill tokens/s, decode tokens/s, concurrent requests, ms per token
    ("llm-8b", "L4"): (2200, 450, 24, 55), ("llm-8b", "A10G"): (1900, 750, 24, 40),
    ("llm-8b", "L40S"): (7500, 1500, 48, 35), ("llm-8b", "A100-80GB"): (8500, 3400, 64, 25),
    ("llm-8b", "H100"): (19000, 5500, 96, 18),
    # 4-bit weights of 35 GB need 80 GB of memory; prefill scales with 8/70 of the work, decode by a fifth
    ("llm-70b", "A100-80GB"): (970, 700, 24, 48), ("llm-70b", "H100"): (2170, 1100, 32, 34),
}  # fmt: skip
# Latency of batch work is the time one unit takes on one accelerator or vCPU.
GPU_MODELS = {  # model: requests (or units) per second on one L4, ms, fewest accelerators, admissible ones
    "text-embedding": (180.0, 60.0, 1, ("T4", "L4", "A10G", "L40S", "A100-40GB", "A100-80GB")),
    "image-captioning": (14.0, 450.0, 1, ("T4", "L4", "A10G", "L40S", "A100-40GB")),
    "ranker-training": (0.03, 33_333.0, 4, ("A10G", "L4", "L40S", "A100-40GB", "A100-80GB", "H100")),
}
CPU_MODELS = {  # model: requests (or units) per second and vCPU of m6i, ms, fewest GiB
    "etl": (0.12, 8_333.0, 16.0),
    "web-frontend": (45.0, 35.0, 8.0),
    "orders-api": (18.0, 70.0, 8.0),
    "product-search": (6.0, 140.0, 64.0),
    "postgresql": (120.0, 9.0, 128.0),
    "redis": (2000.0, 1.5, 64.0),
}
COLUMNS = ("model", "accelerator", "prefill_tps", "decode_tps", "max_concurrency", "tpot_ms",
           "instance_type", "rps", "latency_ms")  # fmt: skip


def profiles() -> pd.DataFrame:
    """All profiles, in the form of profiles.parquet."""
    rows = [*_llm_rows(), *_gpu_rows(), *_cpu_rows()]
    frame = pd.DataFrame.from_records(rows, columns=list(COLUMNS))
    text = ["model", "accelerator", "instance_type"]
    numbers = [column for column in COLUMNS if column not in text]
    return frame.astype({**dict.fromkeys(text, "str"), **dict.fromkeys(numbers, "float64")})


def capacity_rps(service: Service, slot: Slot, table: pd.DataFrame) -> float:
    """Requests (or units) per second one instance of a slot serves, by the formula of profiles.parquet."""
    mine = table[table["model"] == service.model]
    if service.demand.tokens is None:
        return float(mine.loc[mine["instance_type"] == slot.instance_type, "rps"].iloc[0])
    types = catalogue.instance_types().set_index("instance_type")
    size = types.loc[slot.instance_type]
    profile = mine[mine["accelerator"] == size["accelerator"]].iloc[0]
    tokens_in, tokens_out = service.demand.tokens
    seconds = tokens_in / profile["prefill_tps"] + tokens_out / profile["decode_tps"]
    return float(size["accelerator_count"] / seconds)


def _llm_rows() -> Iterator[tuple[object, ...]]:
    for (model, accelerator), numbers in LLM.items():
        yield model, accelerator, *numbers, None, None, None


def _gpu_rows() -> Iterator[tuple[object, ...]]:
    types = catalogue.instance_types().dropna(subset="accelerator")
    for model, (rps, latency_ms, fewest, admissible) in GPU_MODELS.items():
        fits = types["accelerator"].isin(admissible) & (types["accelerator_count"] >= fewest)
        for size in types[fits].itertuples():
            speed = _accelerator_speed(str(size.accelerator))
            total = round(rps * speed * float(str(size.accelerator_count)), 4)
            yield _by_instance_type(model, size.instance_type, total, latency_ms, speed)


def _cpu_rows() -> Iterator[tuple[object, ...]]:
    types = catalogue.instance_types()
    types = types[types["accelerator"].isna()]
    for model, (rps, latency_ms, memory_gib) in CPU_MODELS.items():
        for size in types[types["memory_gib"] >= memory_gib].itertuples():
            speed = CPU_SPEED[str(size.family)]
            total = round(rps * speed * float(str(size.vcpu)), 4)
            yield _by_instance_type(model, size.instance_type, total, latency_ms, speed)


def _by_instance_type(
    model: str, instance_type: object, rps: float, latency_ms: float, speed: float
) -> tuple[object, ...]:
    return model, None, None, None, None, None, instance_type, rps, round(latency_ms / speed, 2)


def _accelerator_speed(accelerator: str) -> float:
    """Throughput against the anchor: geometric mean of the ratios of FLOPS and of bandwidth."""
    ratios = np.divide(ACCELERATOR_TFLOPS_GBPS[accelerator], ACCELERATOR_TFLOPS_GBPS[ANCHOR_ACCELERATOR])
    return float(np.sqrt(ratios.prod()))
