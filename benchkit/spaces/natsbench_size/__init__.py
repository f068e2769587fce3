"""The size space of NATS-Bench: the widths of five layers."""
