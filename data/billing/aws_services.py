"""AWS product codes by FOCUS service category."""

from __future__ import annotations

# Product codes by FOCUS service category. What is not here is Other: a wrong category misleads, a missing one
# asks.
SERVICE_CATEGORY: dict[str, tuple[str, ...]] = {
    "Compute": ("AmazonEC2", "AWSLambda", "AmazonECS", "AmazonEKS", "AmazonLightsail", "AWSElasticBeanstalk",
                "AmazonECR", "AmazonECRPublic", "AWSBatch"),
    "Storage": ("AmazonS3", "AmazonEFS", "AmazonFSx", "AmazonS3GlacierDeepArchive", "AmazonGlacier",
                "AWSBackup", "AWSStorageGateway"),
    "Databases": ("AmazonRDS", "AmazonDynamoDB", "AmazonElastiCache", "AmazonRedshift", "AmazonDocDB",
                  "AmazonNeptune", "AmazonMemoryDB", "AmazonTimestream", "AmazonDAX"),
    "Networking": ("AmazonVPC", "AmazonCloudFront", "AmazonRoute53", "AWSELB", "AWSDataTransfer",
                   "AmazonApiGateway", "AWSDirectConnect", "AWSGlobalAccelerator", "AWSTransitGateway"),
    "AI and Machine Learning": ("AmazonSageMaker", "AmazonBedrock", "AmazonRekognition", "AmazonComprehend",
                                "AmazonTextract", "AmazonPolly", "AmazonLex", "comprehend", "translate"),
    "Analytics": ("AmazonAthena", "AWSGlue", "AmazonKinesis", "AmazonKinesisFirehose", "AmazonMSK",
                  "AmazonES", "ElasticMapReduce", "AmazonQuickSight"),
    "Integration": ("AmazonSNS", "AWSQueueService", "AmazonMQ", "AWSEvents", "AmazonStates", "AmazonMWAA"),
    "Security": ("awskms", "AWSSecretsManager", "AmazonGuardDuty", "AmazonInspector", "awswaf",
                 "AWSSecurityHub", "AmazonMacie", "AWSCertificateManager", "AWSShield"),
    "Identity": ("AmazonCognito", "AWSDirectoryService"),
    "Management and Governance": ("AmazonCloudWatch", "AWSCloudTrail", "AWSConfig", "AWSSystemsManager",
                                  "AWSSupportBusiness", "AWSSupportEnterprise", "AWSDeveloperSupport",
                                  "AWSServiceCatalog", "AWSCostExplorer", "AWSXRay"),
    "Developer Tools": ("AWSCodeCommit", "AWSCodePipeline", "CodeBuild", "AWSAmplify", "AWSCodeArtifact"),
    "Business Applications": ("AmazonSES", "AmazonConnect", "AmazonWorkDocs", "AmazonWorkMail"),
}  # fmt: skip
