"""When: the pipeline as Prefect flows, and their schedule. The only importer of prefect."""
