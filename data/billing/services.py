"""What a service is for: FOCUS categories and subcategories, and SQL that finds them by a provider's name.

A provider's services are listed by subcategory, which has one category. A service that is not listed is
Other: a wrong category misleads, a missing one asks.
"""

from __future__ import annotations

from collections.abc import Mapping

from data.lake import quoted

# Category -> subcategories, without the "Other (category)" that each has. Source: FOCUS 1.2 to 1.4.
SUBCATEGORIES: dict[str, tuple[str, ...]] = {
    "AI and Machine Learning": ("AI Platforms", "Bots", "Generative AI", "Machine Learning",
                                "Natural Language Processing"),
    "Analytics": ("Analytics Platforms", "Business Intelligence", "Data Processing", "Search",
                  "Streaming Analytics"),
    "Business Applications": ("Productivity and Collaboration",),
    "Compute": ("Containers", "End User Computing", "Quantum Compute", "Serverless Compute",
                "Virtual Machines"),
    "Databases": ("Caching", "Data Warehouses", "Ledger Databases", "NoSQL Databases",
                  "Relational Databases", "Time Series Databases"),
    "Developer Tools": ("Developer Platforms", "Continuous Integration and Deployment",
                        "Development Environments", "Source Code Management", "Quality Assurance"),
    "Identity": ("Identity and Access Management",),
    "Integration": ("API Management", "Messaging", "Workflow Orchestration"),
    "Internet of Things": ("IoT Analytics", "IoT Platforms"),
    "Management and Governance": ("Architecture", "Compliance", "Cost Management", "Data Governance",
                                  "Disaster Recovery", "Endpoint Management", "Observability", "Support"),
    "Media": ("Content Creation", "Gaming", "Media Streaming", "Mixed Reality"),
    "Migration": ("Data Migration", "Resource Migration"),
    "Mobile": (),
    "Multicloud": ("Multicloud Integration",),
    "Networking": ("Application Networking", "Content Delivery", "Network Connectivity",
                   "Network Infrastructure", "Network Routing", "Network Security"),
    "Security": ("Secret Management", "Security Posture Management", "Threat Detection and Response"),
    "Storage": ("Backup Storage", "Block Storage", "File Storage", "Object Storage", "Storage Platforms"),
    "Web": ("Application Platforms",),
    "Other": (),
}  # fmt: skip
CATEGORY_OF: dict[str, str] = {
    subcategory: category
    for category, names in SUBCATEGORIES.items()
    for subcategory in (*names, f"Other ({category})")
}
UNKNOWN = "Other (Other)"

Services = Mapping[str, tuple[str, ...]]  # a provider's services by subcategory


def subcategory_sql(name: str, services: Services) -> str:
    """SQL of the subcategory of the service that the SQL `name` names."""
    return _found(name, {service: kind for kind, names in services.items() for service in names}, UNKNOWN)


def category_sql(name: str, services: Services) -> str:
    """SQL of the category of the service that the SQL `name` names."""
    categories = {service: CATEGORY_OF[kind] for kind, names in services.items() for service in names}
    return _found(name, categories, CATEGORY_OF[UNKNOWN])


def _found(name: str, values: Mapping[str, str], otherwise: str) -> str:
    entries = ", ".join(f"{quoted(key)}: {quoted(value)}" for key, value in values.items())
    return f"coalesce(MAP {{{entries}}}[{name}], {quoted(otherwise)})"
