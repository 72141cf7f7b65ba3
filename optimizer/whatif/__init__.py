"""What if: the same plan or replay with something changed, and a table of the differences."""
