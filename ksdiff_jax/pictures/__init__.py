"""Pictures of faces: rendered people to train on, and what computes with pictures."""
