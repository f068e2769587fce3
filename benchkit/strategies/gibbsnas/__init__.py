"""GibbsNAS draws architectures by Gibbs sampling."""
