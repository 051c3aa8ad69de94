"""Going again through what a service was told, for developers."""
