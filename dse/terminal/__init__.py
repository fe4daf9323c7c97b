"""What the commands show in a terminal: errors, progress, lists and one design."""
