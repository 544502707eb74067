"""The figures of docs/benchmarks.md, measured again by `make bench`."""
