"""Who bills, in one word, so that two exports of one account replace each other instead of adding up."""

from __future__ import annotations

from data.lake import quoted

KNOWN = (
    ("aws", ("amazon", "aws")),
    ("azure", ("microsoft", "azure")),
    ("gcp", ("google", "gcp")),
    ("oci", ("oracle", "oci")),
)


def source_sql(name: str) -> str:
    """SQL of the source for an SQL expression of a company's name; an unknown company is its own source."""
    lowered = f"lower({name})"
    cases = " ".join(
        f"WHEN {' OR '.join(f'contains({lowered}, {quoted(word)})' for word in words)} THEN {quoted(source)}"
        for source, words in KNOWN
    )
    return f"CASE {cases} ELSE trim(regexp_replace({lowered}, '[^a-z0-9]+', '-', 'g'), '-') END"
