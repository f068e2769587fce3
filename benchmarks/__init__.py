"""Speed and memory, each beside a peer or a stated floor, measured in the same run."""
