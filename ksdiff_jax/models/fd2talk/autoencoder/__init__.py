"""The autoencoder of FD2Talk's frames stage as a system of its own (§3.4.2, Eq. 13-15): its latents
are what the frames stage generates, and its decoder takes the reference's latent too.
"""
