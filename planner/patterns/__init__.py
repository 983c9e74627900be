"""Lines of other patterns than the grid: along a river or road, and searches of the IAMSAR manual."""
