"""Names of regions, for exports that give a charge's region as an id alone.

Sources: the providers' public lists of regions; AWS names are spelled as its price list spells them.
"""

from __future__ import annotations

from collections.abc import Mapping

from data.lake import quoted

AWS: dict[str, str] = {
    "af-south-1": "Africa (Cape Town)", "ap-east-1": "Asia Pacific (Hong Kong)",
    "ap-east-2": "Asia Pacific (Taipei)", "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-northeast-2": "Asia Pacific (Seoul)", "ap-northeast-3": "Asia Pacific (Osaka)",
    "ap-south-1": "Asia Pacific (Mumbai)", "ap-south-2": "Asia Pacific (Hyderabad)",
    "ap-southeast-1": "Asia Pacific (Singapore)", "ap-southeast-2": "Asia Pacific (Sydney)",
    "ap-southeast-3": "Asia Pacific (Jakarta)", "ap-southeast-4": "Asia Pacific (Melbourne)",
    "ap-southeast-5": "Asia Pacific (Malaysia)", "ap-southeast-7": "Asia Pacific (Thailand)",
    "ca-central-1": "Canada (Central)", "ca-west-1": "Canada West (Calgary)",
    "cn-north-1": "China (Beijing)", "cn-northwest-1": "China (Ningxia)",
    "eu-central-1": "EU (Frankfurt)", "eu-central-2": "Europe (Zurich)", "eu-north-1": "EU (Stockholm)",
    "eu-south-1": "EU (Milan)", "eu-south-2": "Europe (Spain)", "eu-west-1": "EU (Ireland)",
    "eu-west-2": "EU (London)", "eu-west-3": "EU (Paris)", "il-central-1": "Israel (Tel Aviv)",
    "me-central-1": "Middle East (UAE)", "me-south-1": "Middle East (Bahrain)",
    "mx-central-1": "Mexico (Central)", "sa-east-1": "South America (Sao Paulo)",
    "us-east-1": "US East (N. Virginia)", "us-east-2": "US East (Ohio)",
    "us-gov-east-1": "AWS GovCloud (US-East)", "us-gov-west-1": "AWS GovCloud (US-West)",
    "us-west-1": "US West (N. California)", "us-west-2": "US West (Oregon)",
}  # fmt: skip

GOOGLE: dict[str, str] = {
    "africa-south1": "Johannesburg", "asia-east1": "Taiwan", "asia-east2": "Hong Kong",
    "asia-northeast1": "Tokyo", "asia-northeast2": "Osaka", "asia-northeast3": "Seoul",
    "asia-south1": "Mumbai", "asia-south2": "Delhi", "asia-southeast1": "Singapore",
    "asia-southeast2": "Jakarta", "australia-southeast1": "Sydney", "australia-southeast2": "Melbourne",
    "europe-central2": "Warsaw", "europe-north1": "Finland", "europe-north2": "Stockholm",
    "europe-southwest1": "Madrid", "europe-west1": "Belgium", "europe-west2": "London",
    "europe-west3": "Frankfurt", "europe-west4": "Netherlands", "europe-west6": "Zurich",
    "europe-west8": "Milan", "europe-west9": "Paris", "europe-west10": "Berlin", "europe-west12": "Turin",
    "me-central1": "Doha", "me-central2": "Dammam", "me-west1": "Tel Aviv",
    "northamerica-northeast1": "Montréal", "northamerica-northeast2": "Toronto",
    "northamerica-south1": "Mexico", "southamerica-east1": "São Paulo", "southamerica-west1": "Santiago",
    "us-central1": "Iowa", "us-east1": "South Carolina", "us-east4": "Northern Virginia",
    "us-east5": "Columbus", "us-south1": "Dallas", "us-west1": "Oregon", "us-west2": "Los Angeles",
    "us-west3": "Salt Lake City", "us-west4": "Las Vegas",
}  # fmt: skip

ORACLE: dict[str, str] = {
    "af-johannesburg-1": "South Africa Central (Johannesburg)",
    "ap-chuncheon-1": "South Korea North (Chuncheon)", "ap-hyderabad-1": "India South (Hyderabad)",
    "ap-melbourne-1": "Australia Southeast (Melbourne)", "ap-mumbai-1": "India West (Mumbai)",
    "ap-osaka-1": "Japan Central (Osaka)", "ap-seoul-1": "South Korea Central (Seoul)",
    "ap-singapore-1": "Singapore (Singapore)", "ap-singapore-2": "Singapore West (Singapore)",
    "ap-sydney-1": "Australia East (Sydney)", "ap-tokyo-1": "Japan East (Tokyo)",
    "ca-montreal-1": "Canada Southeast (Montreal)", "ca-toronto-1": "Canada Southeast (Toronto)",
    "eu-amsterdam-1": "Netherlands Northwest (Amsterdam)", "eu-frankfurt-1": "Germany Central (Frankfurt)",
    "eu-jovanovac-1": "Serbia Central (Jovanovac)", "eu-madrid-1": "Spain Central (Madrid)",
    "eu-marseille-1": "France South (Marseille)", "eu-milan-1": "Italy Northwest (Milan)",
    "eu-paris-1": "France Central (Paris)", "eu-stockholm-1": "Sweden Central (Stockholm)",
    "eu-zurich-1": "Switzerland North (Zurich)", "il-jerusalem-1": "Israel Central (Jerusalem)",
    "me-abudhabi-1": "UAE Central (Abu Dhabi)", "me-dubai-1": "UAE East (Dubai)",
    "me-jeddah-1": "Saudi Arabia West (Jeddah)", "me-riyadh-1": "Saudi Arabia Central (Riyadh)",
    "mx-monterrey-1": "Mexico Northeast (Monterrey)", "mx-queretaro-1": "Mexico Central (Queretaro)",
    "sa-bogota-1": "Colombia Central (Bogota)", "sa-santiago-1": "Chile Central (Santiago)",
    "sa-saopaulo-1": "Brazil East (Sao Paulo)", "sa-valparaiso-1": "Chile West (Valparaiso)",
    "sa-vinhedo-1": "Brazil Southeast (Vinhedo)", "uk-cardiff-1": "UK West (Newport)",
    "uk-london-1": "UK South (London)", "us-ashburn-1": "US East (Ashburn)",
    "us-chicago-1": "US Midwest (Chicago)", "us-phoenix-1": "US West (Phoenix)",
    "us-sanjose-1": "US West (San Jose)",
}  # fmt: skip


def name_sql(region_id: str, names: Mapping[str, str]) -> str:
    """SQL of the name of the region with the id that the SQL `region_id` gives; NULL if it is not listed."""
    entries = ", ".join(f"{quoted(key)}: {quoted(value)}" for key, value in names.items())
    return f"MAP {{{entries}}}[{region_id}]"
