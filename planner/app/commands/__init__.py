"""One module a command; each is imported only when that command runs."""
