"""What happened and what is on offer: the lake, what is read into it, the workspace, the demo data."""
