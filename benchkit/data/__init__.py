"""What is measured: tables of results, image data, latencies."""
