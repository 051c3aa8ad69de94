"""Tools of maintainers: an apt repository, and a release with its sums, bill of materials and signatures."""
