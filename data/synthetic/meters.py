"""What the demo's company pays for beside its instances: storage, traffic, databases, analytics, logs.

List prices are public ones of 2026 in USD, rounded; quantities are invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Meter:
    """One metered service that is billed every day."""

    provider: str
    team: str  # whose account pays; "" = nobody tagged it
    code: str  # the provider's code of the service
    service: str
    category: str
    subcategory: str
    meter: str
    region: str
    unit: str
    list_price: str  # USD per unit, at most 8 decimals
    per_day: float
    resource: str


METERS: tuple[Meter, ...] = (
    Meter("aws", "data-platform", "AmazonS3", "Amazon Simple Storage Service", "Storage", "Object Storage",
          "TimedStorage-ByteHrs", "us-east-1", "GB-Mo", "0.023", 2900, "meridian-data-lake"),
    Meter("aws", "data-platform", "AmazonS3", "Amazon Simple Storage Service", "Storage", "Object Storage",
          "Requests-Tier1", "us-east-1", "Requests", "0.000005", 1_400_000, "meridian-data-lake"),
    Meter("aws", "storefront", "AmazonS3", "Amazon Simple Storage Service", "Storage", "Object Storage",
          "EU-TimedStorage-ByteHrs", "eu-west-1", "GB-Mo", "0.023", 310, "meridian-media-eu"),
    Meter("aws", "", "AmazonEC2", "Amazon Elastic Compute Cloud", "Storage", "Block Storage",
          "EBS:VolumeUsage.gp2", "us-east-1", "GB-Mo", "0.1", 68, "vol-0d3f5a7c9e1b24680"),
    Meter("aws", "storefront", "AmazonEC2", "Amazon Elastic Compute Cloud", "Networking", "Network Routing",
          "NatGateway-Hours", "us-east-1", "Hrs", "0.045", 72, "nat-0a1b2c3d4e5f60718"),
    Meter("aws", "storefront", "AWSELB", "Elastic Load Balancing", "Networking", "Application Networking",
          "LoadBalancerUsage", "us-east-1", "Hrs", "0.0225", 96, "app/shop/50dc6c495c0c9188"),
    Meter("aws", "storefront", "AmazonCloudFront", "Amazon CloudFront", "Networking", "Content Delivery",
          "US-DataTransfer-Out-Bytes", "global", "GB", "0.085", 640, "E2QWRUHAPOMQZL"),
    Meter("aws", "storefront", "AmazonDynamoDB", "Amazon DynamoDB", "Databases", "NoSQL Databases",
          "WriteRequestUnits", "us-east-1", "WriteRequestUnits", "0.000000625", 38_000_000, "table/sessions"),
    Meter("aws", "data-platform", "AmazonRDS", "Amazon Relational Database Service", "Databases",
          "Relational Databases", "InstanceUsage:db.r6g.xlarge", "us-east-1", "Hrs", "0.45", 48,
          "db:reporting"),
    Meter("aws", "data-platform", "AmazonAthena", "Amazon Athena", "Analytics", "Analytics Platforms",
          "DataScannedInTB", "us-east-1", "Terabytes", "5", 4.2, "workgroup/primary"),
    Meter("aws", "storefront", "AmazonCloudWatch", "Amazon CloudWatch", "Management and Governance",
          "Observability", "DataProcessing-Bytes", "us-east-1", "GB", "0.5", 42, "log-group:/shop"),
    Meter("aws", "", "AWSLambda", "AWS Lambda", "Compute", "Serverless Compute",
          "Lambda-GB-Second", "us-east-1", "Second", "0.00001667", 240_000, "function:thumbnail"),
    Meter("aws", "research", "AmazonEFS", "Amazon Elastic File System", "Storage", "File Storage",
          "TimedStorage-ByteHrs", "us-east-1", "GB-Mo", "0.3", 55, "fs-0123456789abcdef0"),
    Meter("azure", "assistants", "Storage", "Storage Accounts", "Storage", "Object Storage",
          "Hot LRS Data Stored", "eastus", "GB/Month", "0.0184", 1200, "stassistants"),
    Meter("azure", "assistants", "Cognitive Services", "Azure OpenAI", "AI and Machine Learning",
          "Generative AI", "gpt-4o-mini Input Tokens", "eastus", "1K tokens", "0.00015", 260_000,
          "oai-assistants"),
    Meter("azure", "assistants", "Microsoft.ContainerService", "Azure Kubernetes Service", "Compute",
          "Containers", "Uptime SLA", "eastus", "Hours", "0.1", 48, "aks-assistants"),
    Meter("azure", "discovery", "SQL Database", "Azure SQL Database", "Databases", "Relational Databases",
          "vCore General Purpose", "eastus", "Hours", "0.25", 96, "sql-discovery"),
    Meter("azure", "discovery", "Bandwidth", "Bandwidth", "Networking", "Network Connectivity",
          "Standard Data Transfer Out", "eastus", "GB", "0.087", 150, "vnet-discovery"),
    Meter("azure", "", "Log Analytics", "Azure Monitor", "Management and Governance", "Observability",
          "Analytics Logs Data Ingestion", "westeurope", "GB", "2.76", 6.5, "log-shared"),
    Meter("azure", "", "Storage", "Managed Disks", "Storage", "Block Storage",
          "P40 LRS Disk", "westeurope", "GB/Month", "0.132", 68, "disk-gpu-notebook"),
    Meter("gcp", "knowledge", "Cloud Storage", "Cloud Storage", "Storage", "Object Storage",
          "Standard Storage Europe", "europe-west4", "gibibyte month", "0.02", 900, "meridian-documents"),
    Meter("gcp", "knowledge", "BigQuery", "BigQuery", "Analytics", "Data Warehouses",
          "Analysis", "europe-west4", "tebibyte", "6.25", 9.5, "project/meridian-knowledge"),
    Meter("gcp", "storefront", "Cloud SQL", "Cloud SQL", "Databases", "Relational Databases",
          "Cloud SQL for PostgreSQL: Zonal - vCPU", "us-central1", "hour", "0.0413", 384, "instances/orders"),
    Meter("gcp", "storefront", "Networking", "Networking", "Networking", "Network Connectivity",
          "Network Internet Data Transfer Out", "us-central1", "gibibyte", "0.12", 120, "networks/orders"),
    Meter("gcp", "storefront", "Kubernetes Engine", "Google Kubernetes Engine", "Compute", "Containers",
          "Regional Kubernetes Clusters", "us-central1", "hour", "0.1", 48, "clusters/orders"),
    Meter("gcp", "assistants", "Vertex AI", "Vertex AI", "AI and Machine Learning", "AI Platforms",
          "Vector Search Serving", "us-central1", "hour", "0.094", 96, "indexEndpoints/code"),
    Meter("gcp", "", "Cloud Logging", "Cloud Logging", "Management and Governance", "Observability",
          "Log Storage cost", "us-central1", "gibibyte", "0.5", 60, "buckets/_Default"),
)  # fmt: skip

# Of every instance: meter, list price in USD, mean quantity per day (a month has 30).
DISK: Mapping[str, tuple[str, str, str, str, float]] = {
    "aws": ("Amazon Elastic Compute Cloud", "EBS:VolumeUsage.gp3", "GB-Mo", "0.08", 100 / 30),
    "azure": ("Managed Disks", "P10 LRS Disk", "GB/Month", "0.1536", 128 / 30),
    "gcp": ("Compute Engine", "Balanced PD Capacity", "gibibyte month", "0.1", 100 / 30),
}
TRAFFIC: Mapping[str, tuple[str, str, str, str, float]] = {
    "aws": ("Amazon Elastic Compute Cloud", "DataTransfer-Regional-Bytes", "GB", "0.01", 60),
    "azure": ("Bandwidth", "Intra Continent Data Transfer Out", "GB", "0.02", 30),
    "gcp": ("Compute Engine", "Network Inter Zone Data Transfer Out", "gibibyte", "0.01", 60),
}
