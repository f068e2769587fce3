"""Makes what the package embeds, and the page of the kept results; not part of the package."""
