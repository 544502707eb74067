"""What the benchmarks of Events run against, and how they measure."""
