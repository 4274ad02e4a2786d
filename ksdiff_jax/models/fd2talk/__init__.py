"""FD2Talk (Yao et al., ACM MM 2024): `motion`, the first stage, generates expression and pose from
speech (§3.2); `frames`, the second, paints pictures of that motion (§3.3) in the latents of
`autoencoder`.
"""
