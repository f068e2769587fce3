"""GibbsNAS: Gibbs sampling of architectures."""
