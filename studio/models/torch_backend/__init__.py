"""The PyTorch backend, the only place of the models package that imports torch.

Nothing outside `studio.models.selection` and `studio.training` imports from here.
"""
