"""Photos to a Reconstruction: where every camera was, how it looked, and the tie points between the photos."""
