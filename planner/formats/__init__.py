"""Mission and map formats, one module each, with `read(path)` and `write(..., path)` where the format has both."""
