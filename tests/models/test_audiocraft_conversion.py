"""The same weights in both formats: the same numbers, logits, codes and sound."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from studio.core.errors import ModelError
from studio.models.audiocraft.language import CHROMA_BINS
from studio.models.backend import Condition, Sampling
from studio.models.bundle import open_bundle
from studio.models.torch_backend.audiocraft.convert import convert_audiocraft
from studio.models.torch_backend.backend import TorchBackend
from tests.models.audiocraft_writer import (
    TEXT_WIDTH,
    VOCABULARY,
    Kind,
    codec_state,
    language_state,
    read_config,
    save_pointer,
    tiny_model,
    write_audiocraft,
    write_published,
)
from tests.models.reference import Reference

KINDS: tuple[Kind, ...] = ("text", "melody", "unconditional")


@dataclass(frozen=True)
class Written:
    """A model in both forms.

    Attributes:
        model: The original.
        source: In audiocraft's form.
        target: As converted.
        find: What gives the published parts.
    """

    model: Any
    kind: Kind
    source: Path
    target: Path
    find: Callable[[str], Path]


@pytest.fixture(scope="module", params=[(kind, ch) for kind in KINDS for ch in (1, 2)])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    kind, channels = request.param
    return write_both(tmp_path_factory.mktemp("both"), kind, channels=channels)


def write_both(folder: Path, kind: Kind, *, channels: int = 1, **sizes: Any) -> Written:
    model = tiny_model(kind, channels=channels, **sizes)
    find = write_published(folder / "published", model)
    source = write_audiocraft(folder / "audiocraft", model, kind)
    convert_audiocraft(source, folder / "converted", find=find)
    return Written(model, kind, source, folder / "converted", find)


def stored(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def expected(model: Any, kind: Kind) -> dict[str, Tensor]:
    """What transformers would save of `model`."""
    return {
        name: value
        for name, value in model.state_dict().items()
        if name != "text_encoder.encoder.embed_tokens.weight"
        and not (
            kind == "unconditional"
            and ("encoder_attn" in name or name.startswith(("text_encoder.", "enc_to_dec_proj.")))
        )
    }


def assert_equal(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value), name


def opened(folder: Path, kind: Kind) -> Any:
    """The converted folder as transformers opens it."""
    from transformers import (
        MusicgenForConditionalGeneration,
        MusicgenMelodyForConditionalGeneration,
    )

    build = (
        MusicgenMelodyForConditionalGeneration
        if kind == "melody"
        else MusicgenForConditionalGeneration
    )
    model, report = build.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    return model.eval()


def bare_decoder(folder: Path) -> Any:
    """An unconditional model as transformers' decoder, which then has attention to spare."""
    from transformers import MusicgenDecoderConfig, MusicgenForCausalLM

    decoder = MusicgenForCausalLM(MusicgenDecoderConfig(**read_config(folder)["decoder"])).eval()
    state = {
        name.removeprefix("decoder."): value
        for name, value in stored(folder).items()
        if name.startswith("decoder.")
    }
    report = decoder.load_state_dict(state, strict=False)
    assert not report.unexpected_keys
    assert all("encoder_attn" in name for name in report.missing_keys)
    return decoder


@torch.inference_mode()
def logits(model: Any, kind: Kind) -> Tensor:
    decoder = model.decoder if hasattr(model, "text_encoder") else model
    codebooks = decoder.config.num_codebooks
    generator = torch.Generator().manual_seed(3)
    tokens = torch.randint(0, VOCABULARY + 1, (2 * codebooks, 9), generator=generator)
    if kind == "unconditional":
        alone: Tensor = decoder(input_ids=tokens).logits
        return alone
    inputs: dict[str, Tensor] = {
        "input_ids": torch.tensor([[3, 4, 5], [6, 3, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1], [1, 1, 0]]),
        "decoder_input_ids": tokens,
    }
    if kind == "melody":
        bins = torch.randint(0, 12, (2, 20), generator=generator)
        inputs["input_features"] = torch.nn.functional.one_hot(bins, 12).float()
    result: Tensor = model(**inputs).logits
    return result


def test_every_number_arrives_under_its_other_name(written: Written) -> None:
    assert_equal(stored(written.target), expected(written.model, written.kind))


def test_transformers_computes_the_same_logits(written: Written) -> None:
    if written.kind == "unconditional":
        converted = bare_decoder(written.target)
    else:
        converted = opened(written.target, written.kind)

    assert torch.equal(logits(converted, written.kind), logits(written.model, written.kind))


def test_transformers_codes_and_decodes_the_same_sound(written: Written) -> None:
    if written.kind == "unconditional":
        return_to = {n.removeprefix("audio_encoder."): v for n, v in stored(written.target).items()}
        from transformers import EncodecConfig, EncodecModel

        codec = EncodecModel(EncodecConfig(**read_config(written.target)["audio_encoder"])).eval()
        codec.load_state_dict({n: return_to[n] for n in codec.state_dict()})
    else:
        codec = opened(written.target, written.kind).audio_encoder
    audio = torch.randn(1, 1, 6_400, generator=torch.Generator().manual_seed(4)) * 0.3

    with torch.inference_mode():
        ours, theirs = codec.encode(audio), written.model.audio_encoder.encode(audio)
        assert torch.equal(ours.audio_codes, theirs.audio_codes)
        assert torch.equal(
            codec.decode(ours.audio_codes, [None]).audio_values,
            written.model.audio_encoder.decode(theirs.audio_codes, [None]).audio_values,
        )


def test_the_folder_is_complete(written: Written) -> None:
    files = {file.name for file in written.target.iterdir()}
    spoken = {"tokenizer.json"} if written.kind != "unconditional" else set()
    assert files == {"config.json", "generation_config.json", "model.safetensors"} | spoken
    config = read_config(written.target)
    assert ("text_encoder" in config) == (written.kind != "unconditional")
    if spoken:
        published = written.find("t5-base") / "tokenizer.json"
        assert (written.target / "tokenizer.json").read_bytes() == published.read_bytes()


def test_nothing_else_is_left_beside_it(written: Written) -> None:
    beside = {entry.name for entry in written.target.parent.iterdir()}
    assert beside == {"audiocraft", "published", "converted"}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_numbers_keep_their_width_in_either_form_of_file(
    tmp_path: Path, dtype: torch.dtype, legacy: bool
) -> None:
    model = tiny_model("unconditional")
    source = write_audiocraft(
        tmp_path / "audiocraft", model, "unconditional", dtype=dtype, legacy=legacy
    )

    convert_audiocraft(source, tmp_path / "out", find=write_published(tmp_path / "p", model))

    kept = torch.float32 if dtype == torch.float64 else dtype
    wanted = {
        name: value.to(kept) if name.startswith("decoder.") else value
        for name, value in expected(model, "unconditional").items()
    }
    assert_equal(stored(tmp_path / "out"), wanted)


def test_the_micro_models_wide_heads_come_through(tmp_path: Path) -> None:
    written = write_both(tmp_path, "unconditional", dim=2048, heads=2, layers=1, ffn=64)

    decoder = bare_decoder(written.target)

    assert decoder.config.hidden_size // decoder.config.num_attention_heads == 1024
    wanted = logits(written.model, "unconditional")
    assert torch.equal(logits(decoder, "unconditional"), wanted)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"model": state},
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {
            name.replace("_attn.in_", "_attn.mha.in_").replace("_attn.out_", "_attn.mha.out_"): v
            for name, v in state.items()
        },
        lambda state: {
            name.replace("layers.0.", "layers.0._fsdp_wrapped_module."): value
            for name, value in state.items()
        },
        lambda state: state | {"linears.0.bias": torch.zeros(VOCABULARY)},
        lambda state: {name: torch.nn.Parameter(value) for name, value in state.items()},
        lambda state: {
            name: value.t().contiguous().t() if value.ndim == 2 else value
            for name, value in state.items()
        },
    ],
    ids=["nested", "prefixed", "mha", "sharded", "zero-bias", "parameters", "transposed"],
)
def test_other_ways_to_store_the_same_are_understood(
    tmp_path: Path, wrap: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    def rewrap(state: dict[str, Any]) -> None:
        wrapped = wrap(dict(state))
        state.clear()
        state.update(wrapped)

    model = tiny_model("unconditional")
    source = write_audiocraft(tmp_path / "audiocraft", model, "unconditional", state=rewrap)

    convert_audiocraft(source, tmp_path / "out", find=write_published(tmp_path / "p", model))

    assert_equal(stored(tmp_path / "out"), expected(model, "unconditional"))


@pytest.mark.parametrize("shape", ["pointer", "absent", "absent-unnamed"])
def test_a_codec_by_name_is_taken_from_where_it_is_found(tmp_path: Path, shape: str) -> None:
    def unname(settings: dict[str, Any]) -> None:
        if shape == "absent-unnamed":
            settings["compression_model_checkpoint"] = "//sig/0123abcd"

    model = tiny_model("text")
    find = write_published(tmp_path / "published", model)
    source = write_audiocraft(tmp_path / "audiocraft", model, "text", settings=unname)
    (source / "compression_state_dict.bin").unlink()
    if shape == "pointer":
        save_pointer(source / "compression_state_dict.bin", "facebook/encodec_32khz")

    convert_audiocraft(source, tmp_path / "out", find=find)

    assert_equal(stored(tmp_path / "out"), expected(model, "text"))
    assert torch.equal(logits(opened(tmp_path / "out", "text"), "text"), logits(model, "text"))


def test_published_parts_may_be_pickles_or_in_pieces(tmp_path: Path) -> None:
    model = tiny_model("text")
    find = write_published(tmp_path / "published", model)
    t5, codec = find("t5-base"), find("facebook/encodec_32khz")
    table = load_file(t5 / "model.safetensors")
    (t5 / "model.safetensors").unlink()
    torch.save(table | {"lm_head.weight": torch.zeros(3)}, t5 / "pytorch_model.bin")
    model.audio_encoder.save_pretrained(codec, max_shard_size="4KB")
    (codec / "model.safetensors").unlink()
    source = write_audiocraft(tmp_path / "audiocraft", model, "text")
    save_pointer(source / "compression_state_dict.bin", "facebook/encodec_32khz")
    assert (codec / "model.safetensors.index.json").exists()

    convert_audiocraft(source, tmp_path / "out", find=find)

    assert_equal(stored(tmp_path / "out"), expected(model, "text"))


def test_an_embedding_under_its_second_name_is_kept_once(tmp_path: Path) -> None:
    model = tiny_model("text")
    find = write_published(tmp_path / "published", model)
    file = find("t5-base") / "model.safetensors"
    table = load_file(file)
    table["encoder.embed_tokens.weight"] = table.pop("shared.weight")
    save_file(table, file, metadata={"format": "pt"})

    convert_audiocraft(
        write_audiocraft(tmp_path / "audiocraft", model, "text"), tmp_path / "out", find=find
    )

    assert_equal(stored(tmp_path / "out"), expected(model, "text"))


@pytest.mark.parametrize("kind", ["text", "melody"])
@pytest.mark.parametrize("sharded", [False, True])
def test_a_hugging_face_pickle_becomes_safetensors(
    tmp_path: Path, kind: Kind, sharded: bool
) -> None:
    model = tiny_model(kind)
    folder = tmp_path / "hub"
    model.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    (folder / "tokenizer.json").write_text("{}")
    state = expected(model, kind)
    if sharded:
        names = sorted(state)
        places = {name: f"pytorch_model-{i % 2}.bin" for i, name in enumerate(names)}
        for shard in set(places.values()):
            torch.save({n: state[n] for n in names if places[n] == shard}, folder / shard)
        index = {"metadata": {}, "weight_map": places}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    else:
        torch.save(state, folder / "pytorch_model.bin")

    convert_audiocraft(folder, tmp_path / "out", find=_nothing)

    assert_equal(stored(tmp_path / "out"), state)
    assert read_config(tmp_path / "out") == read_config(folder)
    assert (tmp_path / "out" / "tokenizer.json").read_text() == "{}"
    assert torch.equal(logits(opened(tmp_path / "out", kind), kind), logits(model, kind))


def _nothing(name: str) -> Path:
    raise ModelError(f"{name} is not on this machine: get it with `studio models get {name}`.")


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(KINDS),
    channels=st.integers(1, 2),
    heads=st.integers(1, 4),
    width=st.sampled_from([2, 4, 6]),
    layers=st.integers(1, 3),
    ffn=st.integers(2, 30),
    legacy=st.booleans(),
)
def test_any_sizes_come_through(
    tmp_path_factory: pytest.TempPathFactory,
    kind: Kind,
    channels: int,
    heads: int,
    width: int,
    layers: int,
    ffn: int,
    legacy: bool,
) -> None:
    dim = heads * width
    # Hugging Face's form has no projection between equal widths.
    assume(dim > 2 and dim not in (CHROMA_BINS, TEXT_WIDTH))
    folder = tmp_path_factory.mktemp("any")
    model = tiny_model(kind, channels=channels, dim=dim, heads=heads, layers=layers, ffn=ffn)
    find = write_published(folder / "published", model)
    source = write_audiocraft(folder / "audiocraft", model, kind, legacy=legacy)

    convert_audiocraft(source, folder / "out", find=find)

    assert_equal(stored(folder / "out"), expected(model, kind))
    assert read_config(folder / "out")["decoder"]["num_attention_heads"] == heads


def save_published_form(written: Written, folder: Path) -> Path:
    """The model as it is published in the Hugging Face layout, without our conversion."""
    config = written.model.config
    if written.kind == "unconditional":
        folder.mkdir()
        save_file(expected(written.model, written.kind), folder / "model.safetensors")
        sections = {
            "model_type": "musicgen",
            "decoder": config.decoder.to_dict() | {"cross_attention": False},
            "audio_encoder": config.audio_encoder.to_dict(),
        }
        (folder / "config.json").write_text(json.dumps(sections))
    else:
        written.model.save_pretrained(folder)
        tokenizer = written.find("t5-base") / "tokenizer.json"
        (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    return folder


def said(kind: Kind) -> list[Condition]:
    """Two texts of one length: transformers pads melody models in a way of its own."""
    if kind == "unconditional":
        return [Condition(), Condition()]
    random = np.random.default_rng(5)
    melodies = [random.integers(0, 12, 20).astype(np.int8) for _ in range(2)]
    return [
        Condition(text=text, melody=melody if kind == "melody" else None)
        for text, melody in zip(["dark jungle", "reese break"], melodies, strict=True)
    ]


def test_our_own_backend_computes_the_same_from_either_form(
    written: Written, tmp_path: Path
) -> None:
    published = TorchBackend(open_bundle(save_published_form(written, tmp_path / "published")))
    converted = TorchBackend(open_bundle(written.target))
    info, random = converted.info, np.random.default_rng(6)
    tokens = random.integers(0, VOCABULARY + 1, (2, info.codebooks, 11))

    logits = converted.logits(tokens, said(written.kind))

    assert np.array_equal(logits, published.logits(tokens, said(written.kind)))
    audio = random.normal(scale=0.3, size=(1, info.channels, 6_400)).astype(np.float32)
    codes = converted.encode(audio)
    assert np.array_equal(codes, published.encode(audio))
    assert np.array_equal(converted.decode(codes), published.decode(codes))
    kinds = {(True, False): "text", (True, True): "melody", (False, False): "unconditional"}
    assert kinds[info.has_text, info.has_melody] == written.kind


def test_our_own_backend_computes_from_audiocrafts_form_what_transformers_does(
    written: Written,
) -> None:
    bare = written.kind == "unconditional"
    oracle = Reference(written.model.decoder if bare else written.model, written.target)
    converted = TorchBackend(open_bundle(written.target))
    shape = (2, converted.info.codebooks, 11)
    tokens = np.random.default_rng(7).integers(0, VOCABULARY + 1, shape)

    ours = converted.logits(tokens, said(written.kind))

    theirs = oracle.logits(tokens, said(written.kind))
    assert np.abs(ours - theirs).max() < 1e-4


def test_a_model_without_conditioners_plays(tmp_path: Path) -> None:
    written = write_both(tmp_path, "unconditional", dim=2048, heads=2, layers=1, ffn=64)
    backend = TorchBackend(open_bundle(written.target))
    greedy = Sampling(top_k=1, guidance=1.0)

    steps = backend.steps([Condition()], frames=6, seeds=[1], sampling=greedy)
    codes = np.stack(list(steps), axis=2)

    assert codes.shape == (1, 4, 6)
    sound = backend.decode(codes)
    assert sound.shape == (1, 1, 6 * 640)
    assert np.isfinite(sound).all()


def test_the_writer_is_the_inverse_of_the_mapping() -> None:
    model = tiny_model("melody")

    assert "transformer.layers.1.self_attn.in_proj_weight" in language_state(model, "melody")
    assert "decoder.model.3.convtr.convtr.weight_g" in codec_state(model)
    assert "encoder.model.1.block.3.conv.conv.weight_v" in codec_state(model)
    assert "quantizer.vq.layers.3._codebook.embed" in codec_state(model)
