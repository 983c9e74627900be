"""Photos to georeferenced products to relief information."""
