"""What docs/performance.md promises about the artifact path, measured: `make bench`."""
