"""What people's own batch scripts import from `audiobatchd`: the parts of the batch guide, by the daemon's rules."""
