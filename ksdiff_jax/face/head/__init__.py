"""The built-in head: its mesh, rig, actions and identities, made by this package."""
