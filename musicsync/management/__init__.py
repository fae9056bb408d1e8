"""What the command line shares; the commands are in ``commands``."""
