"""What to do: the problem, its solution, the plan, the report, the command line."""
