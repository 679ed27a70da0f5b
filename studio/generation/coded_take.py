"""A finished take without its sound: its recipe and its codes.

Owns the value and the check that a model may still sound it. It decodes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from studio.core.errors import InputError
from studio.generation.planning import RenderPlan
from studio.generation.request import GenerationRequest, Take
from studio.models.backend import ModelInfo
from studio.models.bundle import codes_fingerprint
from studio.models.codes import CodeSequence


@dataclass(frozen=True, kw_only=True)
class CodedTake:
    """What a take's sound can be made of again, without its model's decoder.

    Attributes:
        request: The whole recipe.
        codes: All codes, the tail after a loop's end included.
        model_hash: Fingerprint of the model that made them.
    """

    request: GenerationRequest
    codes: CodeSequence
    model_hash: str

    @classmethod
    def of(cls, take: Take) -> Self:
        """Of a take with its sound."""
        return cls(
            request=take.request,
            codes=CodeSequence.from_array(take.codes),
            model_hash=take.model_hash,
        )

    def check(self, plan: RenderPlan, info: ModelInfo) -> None:
        """Find out whether a model means the same by these codes.

        Args:
            plan: Of the recipe.
            info: The model.

        Raises:
            InputError: They are another model's, or not those of the recipe.
        """
        same = codes_fingerprint(self.model_hash) == codes_fingerprint(info.fingerprint)
        if not same or int(self.codes.array.max()) >= info.codebook_size:
            raise InputError(
                f"These codes were made by another {info.name} than the one on this machine; make"
                f' the take again from its recipe: seed {self.request.seed}, "'
                f'{self.request.prompt:.60}".'
            )
        shape = (self.codes.codebooks, self.codes.frames)
        if shape != (info.codebooks, plan.codec_frames):
            raise InputError(
                f"The recipe needs {info.codebooks} x {plan.codec_frames} codes, not {shape[0]} x"
                f" {shape[1]}; the file is damaged, take another copy."
            )
