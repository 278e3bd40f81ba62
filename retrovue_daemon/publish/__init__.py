"""What follows the change feed and hands it on, without ever delaying a pass."""
