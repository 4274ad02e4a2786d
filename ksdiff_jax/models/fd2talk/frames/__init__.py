"""The frames stage of FD2Talk (§3.3, §3.4.2): unet (Eq. 6-7), the diffusion UNet that generates the
latent of one frame from motion and a reference.
"""
