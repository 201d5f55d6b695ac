"""What `mj bench` measures: latency alone and beside others, under load for minutes, at a rate, and of a start."""
