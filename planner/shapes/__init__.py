"""Geometries from the files that people have: one module a kind of file, each `read` giving Shapes in WGS 84."""
