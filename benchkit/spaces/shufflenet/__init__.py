"""The chain of ShuffleNetV2 blocks."""
