"""Runs the benchmarks: the command is benches/bench."""
