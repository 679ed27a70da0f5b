"""The backend that computes with PyTorch, on the CPU in float32.

Owns the loaded networks of one bundle and the passage between numpy and torch. Networks, loop
and checks live in the modules beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from studio.core.errors import InputError, ModelError
from studio.models.backend import CodecStream, Condition, ModelInfo, Sampling
from studio.models.bundle import (
    CONFIG,
    GENERATION,
    PROMPTING,
    WEIGHTS,
    WEIGHTS_INDEX,
    Bundle,
    file_fault,
)
from studio.models.config_fields import read_integer, read_number
from studio.models.tokenizer import TextTokenizer
from studio.models.torch_backend.codec import EncodecConfig, EncodecModel
from studio.models.torch_backend.codec_stream import EncodecStream
from studio.models.torch_backend.decode import CachedDecoder, Streams, generate_frames
from studio.models.torch_backend.text import TextConfig
from studio.models.torch_backend.transformer import DecoderConfig, MusicLanguageModel
from studio.models.torch_backend.weights import read_section

LONGEST_WINDOW_SECONDS = 30
MAX_SEED = 2**63 - 1
_SINGLE_THREAD_PARAMETERS = 50_000_000
_ALL_THREADS = torch.get_num_threads()


class TorchBackend:
    """One bundle, loaded; see `studio.models.backend.MusicBackend`."""

    def __init__(self, bundle: Bundle) -> None:
        """Load the weights of `bundle`.

        Raises:
            ModelError: Its configuration or its weights are not usable.
        """
        with _naming(bundle.folder / CONFIG):
            text = TextConfig.from_hf(bundle.config["text_encoder"])
            decoder = DecoderConfig.from_hf(bundle.config["decoder"])
            codec = EncodecConfig.from_hf(bundle.config["audio_encoder"])
            if codec.codebooks < decoder.codebooks or codec.codebook_size != decoder.vocabulary:
                raise ModelError(
                    f"the decoder speaks {decoder.codebooks} codebooks of {decoder.vocabulary},"
                    f" the codec {codec.codebooks} of {codec.codebook_size}"
                )
        sharded = len(bundle.weight_files) > 1
        with _naming(bundle.folder / (WEIGHTS_INDEX if sharded else WEIGHTS)):
            tensors = bundle.tensors()
            self._language = _load_language(text, decoder, bundle, tensors)
            self._codec = _load_codec(codec, bundle, tensors)
        _use_threads(self._language)
        self._tokenizer = (
            TextTokenizer(bundle.tokenizer_file, vocabulary=text.vocabulary)
            if bundle.tokenizer_file is not None
            else None
        )
        self.info = ModelInfo(
            name=bundle.name,
            sample_rate=codec.sampling_rate,
            channels=1,
            codebooks=decoder.codebooks,
            codebook_size=decoder.vocabulary,
            frame_rate=codec.frame_rate,
            window_frames=_window_frames(bundle, decoder, codec),
            has_text=True,
            has_melody=False,
            parameters=sum(p.numel() for p in self._language.parameters()),
            cache_bytes=8 * decoder.layers * decoder.dim,
            fingerprint=bundle.fingerprint,
            sampling=_recommended_sampling(bundle),
        )

    def steps(
        self,
        conditions: Sequence[Condition],
        *,
        frames: int,
        seeds: Sequence[int],
        sampling: Sampling,
        prefix: NDArray[np.int64] | None = None,
        first_step: int = 0,
        closed: bool = False,
    ) -> Iterator[NDArray[np.int64]]:
        """See `MusicBackend.steps`."""
        texts = [condition.text for condition in conditions]
        codebooks, vocabulary = self.info.codebooks, self.info.codebook_size
        if prefix is None:
            prefix = np.zeros((len(texts), codebooks, 0), dtype=np.int64)
        self._check_tokens(prefix, highest=vocabulary - 1)
        if not texts or not len(texts) == len(seeds) == len(prefix):
            raise InputError(
                f"There are {len(texts)} texts, {len(seeds)} seeds and {len(prefix)} prefixes;"
                " give one of each for every take."
            )
        if not all(0 <= seed <= MAX_SEED for seed in seeds):
            raise InputError(f"A seed must be between 0 and {MAX_SEED}.")
        if first_step < 0 or frames < 1:
            raise InputError(f"{frames} frames from frame {first_step} on cannot be made.")
        total = prefix.shape[2] + frames
        if total > self.info.window_frames:
            raise InputError(
                f"{total} codec frames do not fit the model's window of {self.info.window_frames}."
            )
        conditioning, mask, has_text = self._condition(texts)
        streams = Streams.plan(has_text, guidance=sampling.guidance)
        decoder = CachedDecoder(
            self._language.decoder,
            takes=streams.takes,
            conditioning=conditioning,
            mask=mask,
            steps=total + codebooks - 1,
        )
        return generate_frames(
            decoder,
            streams,
            prefix=prefix,
            frames=frames,
            vocabulary=vocabulary,
            seeds=seeds,
            sampling=sampling,
            first_step=first_step,
        )

    @torch.inference_mode()
    def encode(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        """See `MusicBackend.encode`."""
        if audio.ndim != 3 or audio.shape[1] != self.info.channels or audio.shape[2] == 0:
            raise InputError(
                f"The audio must be [takes, {self.info.channels}, frames], not {list(audio.shape)}."
            )
        samples = torch.from_numpy(np.array(audio, dtype=np.float32))
        codes: NDArray[np.int64] = self._codec.encode(samples).numpy()
        return codes[:, : self.info.codebooks]

    @torch.inference_mode()
    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `MusicBackend.decode`."""
        self._check_tokens(codes, highest=self.info.codebook_size - 1)
        if codes.shape[2] == 0:
            return np.zeros((len(codes), self.info.channels, 0), dtype=np.float32)
        audio: NDArray[np.float32] = self._codec.decode(torch.from_numpy(codes.copy())).numpy()
        return audio

    def decoder_stream(self) -> CodecStream:
        """See `MusicBackend.decoder_stream`."""
        return EncodecStream(self._codec)

    @torch.inference_mode()
    def logits(
        self, tokens: NDArray[np.int64], conditions: Sequence[Condition] | None
    ) -> NDArray[np.float32]:
        """See `MusicBackend.logits`."""
        texts = None if conditions is None else [condition.text for condition in conditions]
        self._check_tokens(tokens, highest=self.info.codebook_size)
        rows = [""] * len(tokens) if texts is None else list(texts)
        if len(rows) != len(tokens):
            raise InputError(f"There are {len(rows)} texts for {len(tokens)} rows of tokens.")
        conditioning, mask, has_text = self._condition(rows)
        if conditioning is not None:
            # Rows without text stay all zero, which is the null condition.
            spread = conditioning.new_zeros(len(rows), *conditioning.shape[1:])
            spread[has_text] = conditioning
            looks = torch.zeros(spread.shape[:2], dtype=torch.bool)
            looks[has_text] = True if mask is None else mask
            conditioning, mask = spread, looks
        grid = torch.from_numpy(tokens.copy())
        logits = self._language.decoder(grid, conditioning, mask)
        result: NDArray[np.float32] = logits.transpose(1, 2).contiguous().numpy()
        return result

    @torch.inference_mode()
    def _condition(self, texts: Sequence[str]) -> tuple[Tensor | None, Tensor | None, list[bool]]:
        """Conditioning [C, L, D] and mask [C, L] of the texts that say something, and which do."""
        spoken = [text for text in texts if text]
        if not spoken:
            return None, None, [False] * len(texts)
        if self._tokenizer is None:
            raise ModelError(
                f"The model {self.info.name} has no tokenizer.json and cannot read a prompt;"
                " add the file or leave the prompt empty."
            )
        ids, mask = self._tokenizer.encode(spoken)
        says = [bool(row.any()) for row in mask]
        answers = iter(says)
        has_text = [bool(text) and next(answers) for text in texts]
        if not any(has_text):
            return None, None, has_text
        shown = torch.from_numpy(mask[says])
        conditioning = self._language.conditioning(torch.from_numpy(ids[says]), shown)
        return conditioning, None if bool(shown.all()) else shown, has_text

    def _check_tokens(self, tokens: NDArray[np.int64], *, highest: int) -> None:
        if tokens.ndim != 3 or tokens.shape[1] != self.info.codebooks:
            raise InputError(
                f"The codes must be [takes, {self.info.codebooks}, frames], not"
                f" {list(tokens.shape)}."
            )
        if tokens.dtype != np.int64:
            raise InputError(f"The codes must be int64, not {tokens.dtype}.")
        if tokens.size and (tokens.min() < 0 or tokens.max() > highest):
            raise InputError(f"A code is outside 0 to {highest}.")


def _load_language(
    text: TextConfig, decoder: DecoderConfig, bundle: Bundle, tensors: Mapping[str, Tensor]
) -> MusicLanguageModel:
    # Without storage first: a lying configuration must not fill the memory, and random initial
    # weights would only cost time.
    with torch.device("meta"):
        model = MusicLanguageModel(text, decoder)
    _check_amount(model, bundle, ("text_encoder.", "enc_to_dec_proj.", "decoder."))
    # `Module.to_empty` would import torch's symbolic algebra, half a second.
    blank = {name: torch.empty(tensor.shape) for name, tensor in model.state_dict().items()}
    model.load_state_dict(blank, assign=True)
    model.load_hf(tensors)
    return model.requires_grad_(False).eval()


def _load_codec(
    config: EncodecConfig, bundle: Bundle, tensors: Mapping[str, Tensor]
) -> EncodecModel:
    prefix = "audio_encoder."
    with torch.device("meta"):
        blank = EncodecModel(config)
    _check_amount(blank, bundle, (prefix,))
    model = EncodecModel(config)
    try:
        model.load_hf(read_section(tensors, prefix))
    except (RuntimeError, IndexError) as error:
        raise ModelError(f"the tensors of the codec do not fit each other ({error})") from error
    return model.requires_grad_(False).eval()


def _check_amount(model: nn.Module, bundle: Bundle, prefixes: tuple[str, ...]) -> None:
    """Refuse a configuration that asks for far more numbers than the files hold."""
    wanted = sum(tensor.numel() for tensor in model.state_dict().values())
    held = sum(
        int(np.prod(entry.shape, dtype=np.float64))
        for name, entry in bundle.entries.items()
        if name.startswith(prefixes)
    )
    if wanted > 4 * held + 2**20:
        raise ModelError(
            f"it holds {held} numbers under {prefixes[0]}* where {CONFIG} asks for {wanted}"
        )


def _use_threads(language: MusicLanguageModel) -> None:
    """Give a small model one thread, others all that this process was given.

    A step of a small model is over before a second thread has woken up, and on a busy machine
    threads that wait for each other are far slower: the embedded model's two bars took 0.57 s
    on one thread and 1.8 s on two, on two cores with another program at work.
    """
    small = sum(p.numel() for p in language.parameters()) < _SINGLE_THREAD_PARAMETERS
    torch.set_num_threads(1 if small else _ALL_THREADS)


def _window_frames(bundle: Bundle, decoder: DecoderConfig, codec: EncodecConfig) -> int:
    longest = int(LONGEST_WINDOW_SECONDS * codec.frame_rate)
    with _naming(bundle.folder / PROMPTING):
        taught = read_integer(bundle.prompting or {}, "context_frames", longest)
    return min(longest, taught, decoder.max_positions - decoder.codebooks)


def _recommended_sampling(bundle: Bundle) -> Sampling:
    # Absent and null both mean: as published, which is what `Sampling` starts from.
    given: dict[str, Any] = {k: v for k, v in bundle.generation.items() if v is not None}
    usual = Sampling()
    with _naming(bundle.folder / GENERATION):
        top_p = read_number(given, "top_p", 0.0, low=0.0, high=1.0)
        return Sampling(
            top_k=read_integer(given, "top_k", usual.top_k, low=0),
            top_p=top_p if top_p < 1.0 else 0.0,
            temperature=read_number(given, "temperature", 1.0, low=0.01, high=100.0),
            guidance=read_number(given, "guidance_scale", usual.guidance, low=0.0, high=100.0),
        )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file's name before the cause of a fault found in it."""
    try:
        yield
    except ModelError as error:
        if str(path) in error.user_message:
            raise
        raise file_fault(path, error.user_message) from error
    except ArithmeticError as error:
        raise file_fault(path, f"a number is out of range ({error})") from error
