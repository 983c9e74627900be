"""The kernel that every package may import: errors, progress, files, frames, cameras and photos."""
