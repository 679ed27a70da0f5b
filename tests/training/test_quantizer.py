from __future__ import annotations

import torch

from studio.training.quantizer import CodebookLearner


def clustered(count: int) -> torch.Tensor:
    centres = torch.randn(16, 8) * 5
    return centres[torch.randint(16, (count,))] + 0.1 * torch.randn(count, 8)


def test_before_the_start_latents_pass_unquantised() -> None:
    learner = CodebookLearner(2, 16, 8)
    latents = torch.randn(3, 8, 5)
    out, commitment = learner(latents)
    assert torch.equal(out, latents)
    assert commitment.item() == 0


def test_k_means_start_explains_most_of_the_variance() -> None:
    torch.manual_seed(0)
    vectors = clustered(4_000)
    learner = CodebookLearner(2, 32, 8)
    learner.start(vectors)
    learner.eval()
    quantised, _ = learner(vectors.t()[None])
    error = (quantised[0].t() - vectors).pow(2).mean()
    assert error < 0.05 * vectors.pow(2).mean()


def test_gradient_goes_straight_through() -> None:
    torch.manual_seed(0)
    learner = CodebookLearner(2, 16, 8)
    learner.start(clustered(1_000))
    learner.eval()
    latents = torch.randn(2, 8, 4, requires_grad=True)
    quantised, _ = learner(latents)
    quantised.sum().backward()
    assert latents.grad is not None
    assert torch.equal(latents.grad, torch.ones_like(latents))


def test_dead_codes_are_revived_on_the_batch() -> None:
    torch.manual_seed(0)
    learner = CodebookLearner(1, 16, 8, decay=0.5)
    learner.start(clustered(1_000))
    elsewhere = torch.full((4, 8, 50), 40.0) + torch.randn(4, 8, 50)
    for _ in range(40):
        learner(elsewhere)
    assert learner.revived > 0
    assert (learner.codebooks[0].mean(dim=1) > 20).all()


def test_kept_codebooks_stay_where_they_are() -> None:
    torch.manual_seed(0)
    learner = CodebookLearner(2, 16, 8, decay=0.5, kept=1)
    learner.start(clustered(1_000))
    before = learner.codebooks.clone()
    for _ in range(5):
        learner(torch.randn(4, 8, 50) + 3.0)
    assert torch.equal(learner.codebooks[0], before[0])
    assert not torch.equal(learner.codebooks[1], before[1])
