"""Making the embedded model: material, training and measurement; never imported by the app."""
