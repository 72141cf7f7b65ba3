"""The files of an answer as a data dictionary: every column and key that `trimtab solve` writes."""

from __future__ import annotations

TABLE, SUMMARY, CERTIFICATE = "placement.parquet", "placement.json", "certificate.json"
EXPLANATION = "explanation.json"
NODES, CONTENTS = "nodes.parquet", "node_contents.parquet"  # only where workloads share nodes
ROUTES = "routes.parquet"  # only where workloads have origins

# What a row of each table is, and its columns.
TABLES: dict[str, tuple[str, dict[str, str]]] = {
    TABLE: (
        "an option with replicas in a period",
        {
            "workload": "the workload",
            "period": "the period",
            "option_id": "the option",
            "replicas": "replicas that run, a whole number",
            "served": "what of the demand it serves, in the unit of `capacity`",
        },
    ),
    ROUTES: (
        "a route in use in a period; only where workloads have origins",
        {
            "workload": "the workload",
            "origin": "where the demand comes from",
            "period": "the period",
            "option_id": "the option that serves it",
            "served": "what it serves of this origin, in the unit of `capacity`",
            "latency_ms": "ms of round trip and service; null where the round trip is unknown",
        },
    ),
    NODES: (
        "a way to pack a kind of node in a period; only where workloads share nodes",
        {
            "pattern": "number of the way to pack",
            "node": "the kind of node",
            "period": "the period",
            "nodes": "nodes that are packed so, a whole number",
        },
    ),
    CONTENTS: (
        "what is on one node of a pattern; only where workloads share nodes",
        {
            "pattern": "number of the way to pack, as in nodes.parquet",
            "workload": "the workload",
            "option_id": "its option on the node",
            "replicas": "replicas on each such node, a whole number",
        },
    ),
}
STATUS: dict[str, str] = {
    "shortfall": "there is too little of something: rules are missed, see `shortfalls`",
    "optimal": "proven: no placement costs less (by more than 1e-6 of the cost)",
    "within_gap": "proven to `--gap`",
    "gap_left": "proven to `gap`, which is more than `--gap`",
}
KEYS: dict[str, str] = {
    "status": "how far the answer is proven to be the best, see below",
    "cost": (
        "USD over all periods, prices per hour times the hours of each: instances, nodes, egress, "
        "activation, migration, priced caps, expected misses and fees of what is bought, less what "
        "commitments cover; without `sunk_usd`"
    ),
    "bound": "USD that no placement with these shortfalls can cost less than, proven",
    "gap": "(cost − bound) / cost, a share",
    "sunk_usd": "USD over all periods for commitments that exist, whatever is placed",
    "bought": "commitment → USD per hour to buy of it",
    "seconds": "s from reading the tables to writing the placement",
    "duals": "what one more unit would save, see below; of what is not scarce there is none",
    "shortfalls": "rules that are missed, see below",
    "notes": "rows of the problem that are without effect, one sentence each",
}
DUAL: dict[str, str] = {
    "kind": "`pool` (one more unit of its limit) or `commitment` (one more committed USD per hour)",
    "name": "of the pool or commitment",
    "period": "the period",
    "usd_per_unit": "USD saved in the whole period, all its hours together, not per hour",
}
SHORTFALL: dict[str, str] = {
    "rule": "the rule that is missed, such as `meet_demand`",
    "workload": "the workload, or the cap",
    "period": "the period, or `all`",
    "missing": "what is missing, in the unit of the rule",
    "wanted": "what was asked for",
}
