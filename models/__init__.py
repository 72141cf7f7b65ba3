"""What will happen: quantiles of demand from frames, and nothing else."""
