"""FD2Talk (Yao et al., ACM MM 2024): `motion`, the first stage, generates expression and pose from
speech (§3.2).
"""
