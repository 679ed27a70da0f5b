"""Owns what producers type and which caption words it means; no parsing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from studio.training.loopsynth.labels import ROOTS

_GROUPS: Final = {
    # genres
    "dnb": "drum and bass, drum & bass, drum n bass, drum'n'bass, drumnbass, drum+bass, d&b, d'n'b,"
    " d and b, liquid, liquid dnb, neurofunk, neuro, roller, rollers, jump up, drumstep",
    "jungle": "junglist, ragga jungle, old school jungle, oldskool jungle, hardcore jungle",
    "techno": "detroit, detroit techno, tekno, berlin techno",
    "house": "tech house, garage house, chicago house, chicago, disco house, funky house, disco,"
    " edm, progressive house, afro house",
    "hiphop": "hip hop, hip-hop, boom bap, boombap, boom-bap, rap, trap, triphop, trip hop,"
    " trip-hop, chillhop, r&b, rnb, drill",
    "dub": "reggae, dancehall, steppers, dubwise, ska, roots reggae, dub reggae",
    "electro": "electrofunk, electro funk, electro-funk, freestyle, synthwave, electroclash",
    "ambient": "beatless ambient, soundscape, meditative, drone, new age",
    "dnb halftime": "halftime dnb, half time dnb, half-time dnb, dubstep, halfstep dnb",
    "dnb dark heavy": "darkstep, techstep",
    "techno acid": "acid techno",
    "techno sparse": "minimal techno",
    "techno heavy metallic": "industrial techno",
    "techno heavy dark": "warehouse, warehouse techno, peak time techno, hard techno",
    "techno dubchord echo": "dub techno",
    "techno arp": "trance",
    "techno heavy veryfast": "gabber, hardstyle",
    "house acid": "acid house",
    "house housechord": "deep house, piano house",
    "house swing": "garage, uk garage, uk-garage, ukg, 2-step, 2 step, two step, speed garage",
    "hiphop lofi": "lofi hip hop, lo-fi hip hop, lo-fi hip-hop, lo fi hip hop, lofi beats,"
    " lo-fi beats, lofi hiphop, lofi beat",
    "jungle break": "amen break, amen, amens, think break, jungle break, breakcore",
    # kinds of beat
    "break": "breakbeat, breakbeats, break beat, break beats, breaks, broken, broken beat,"
    " syncopated, chopped, choppy, chopped break, drum break, breakbeat loop",
    "fourfloor": "four on the floor, four to the floor, 4 on the floor, 4 to the floor, 4x4,"
    " four-on-the-floor, four-to-the-floor, straight kick, fourfour, four four",
    "halftime": "half time, half-time, halfstep, half step, half-step",
    # kits
    "dusty": "gritty, vintage, warm, vinyl, old, worn, dirty, sampled, crunchy, tape, grimy, dust,"
    " oldskool, old school, old-school, dusty kit, dusty drums",
    "crisp": "bright kit, bright drums, clean, crispy, snappy, sharp, clear, modern, polished,"
    " shiny, bright hats, crisp drums",
    "heavy": "hard, aggressive, distorted, distortion, loud, banging, punchy, powerful, saturated,"
    " driven, brutal, slamming, big, fat, overdriven, hard-hitting, hard hitting, heavy drums,"
    " hardcore",
    "tight": "dry, short, compact, close, clicky, 909, tight drums, tight kit",
    "roomy": "reverb, reverberant, room, big room, spacious, wide, live, airy, wet, hall, acoustic,"
    " roomy drums, live drums, space",
    "lofi": "lo-fi, lo fi, low fi, low-fi, bitcrushed, bit-crushed, crushed, 8 bit, 8-bit, 12 bit,"
    " 12-bit, mpc, sp1200, sp-1200, digital, degraded, bitcrush",
    "deep": "low, boomy, big kick, long kick, 808, booming, subby, deep drums, 808 drums",
    "metallic": "metal, ringing, ring mod, clangy, alien, robotic, glitchy, glitch, mechanical,"
    " metallic drums, robot, futuristic",
    "heavy metallic": "industrial",
    # voices
    "clap": "claps, handclap, handclaps, hand clap, hand claps",
    "openhat": "open hat, open hats, open hihat, open hihats, open hi-hat, open hi-hats, offbeat"
    " hats, off-beat hats, offbeat hat, openhats",
    "ride": "rides, ride cymbal, cymbal, cymbals",
    "tom": "toms, tom toms, tom-toms, tribal, percussion, percussive, congas, bongos, tribal drums",
    "rim": "rimshot, rimshots, rim shot, rim shots, sidestick, side stick, clave, wood block",
    # bass
    "bass": "bassline, basslines, bass line, bass lines",
    "sub": "sub bass, sub-bass, subbass, deep bass, 808 bass, low bass, sine bass, sub bassline,"
    " subs",
    "reese": "reese bass, reese bassline, detuned bass, growl, growling bass, wobble, wobble bass,"
    " moving bass",
    "acid": "303, tb303, tb-303, tb 303, acid bass, acid line, acid bassline, squelch, squelchy",
    "pluck": "plucked bass, pluck bass, plucky bass, plucky, plucked, fm bass, funky bass, funky",
    "darkbass": "dark bass, dark bassline, muffled bass, round bass, soft bass, warm bass",
    "brightbass": "bright bass, bright bassline, buzzy bass, gritty bass, aggressive bass",
    "darkbass reese": "dark reese, dark reese bass",
    "brightbass reese": "bright reese, bright reese bass",
    "darkbass sub": "dark sub, dark sub bass",
    "brightbass acid": "bright acid, bright acid bass",
    "darkbass acid": "dark acid, dark acid bass",
    # chords
    "stabs": "stab, chord stab, chord stabs, chords, chord, synth stab, synth stabs, synth,"
    " synths, keys, chord hits",
    "housechord stabs": "house stab, house stabs, house chord, house chords, piano, house piano,"
    " rhodes, electric piano, house chord stabs",
    "dubchord stabs": "dub stab, dub stabs, dub chord, dub chords, skank, skanks, offbeat skank,"
    " guitar skank, dub chord stabs",
    "organ stabs": "organ stab, organ stabs, organs, organ chords, hammond",
    "rave stabs": "rave stab, rave stabs, hoover, hoovers, rave synth, rave chords, supersaw",
    "pad": "pads, strings, lush, warm pad, dark pad, synth pad, wash, choir, atmospheric,"
    " atmosphere, atmospheres, ethereal, dreamy, cinematic",
    "arp": "arps, arpeggio, arpeggios, arpeggiated, arpeggiator, sequence, sequencer, melody,"
    " melodic, plucks, lead, pulse, pulsing, synth pluck, synth plucks",
    "arp bell": "bells, chimes, mallet, mallets, marimba, vibraphone, music box, kalimba",
    "arp glass": "glassy, crystal, crystalline, icy",
    "arp sawarp": "saw, saw arp, sawtooth",
    "arp softarp": "soft arp, soft, gentle, mellow",
    # whole loops
    "drumsonly": "drums only, only drums, drum loop, drum loops, just drums, no bass, no melody,"
    " no music, without bass, beat only, no synth, no synths, drumloop, drums-only, drum solo",
    "nodrums": "no drums, without drums, drumless, beatless, no beat, no percussion, drum-free",
    "swing": "swung, shuffle, shuffled, shuffling, groovy, swinging, swingy, laid back, laid-back,"
    " laidback",
    "fill": "fills, drum fill, drum fills, drum roll, turnaround",
    "echo": "echoes, delay, delays, dub delay, dub echo, tape echo, tape delay, delayed",
    "dark": "moody, evil, sinister, gloomy, murky, brooding, muffled, ominous, darkness,"
    " underground, noir, menacing, night, midnight",
    "bright": "happy, uplifting, sunny, brilliant, cheerful, shimmering, summer, summery",
    "minor": "sad, melancholic, melancholy, minor key, in minor, emotional",
    "major": "joyful, major key, in major",
    "sparse": "empty, simple, stripped, stripped back, stripped-back, minimalist, minimalistic,"
    " minimal, open, chill, chilled, calm, relaxing, relaxed, light, chillout, chill out, spare",
    "medium": "moderate, balanced",
    "busy": "dense, complex, full, frantic, hectic, intricate, rolling, energetic, hyper, detailed",
    # speed
    "veryfast": "very fast, super fast, fastest, breakneck",
    "fast": "quick, uptempo, up-tempo, high energy, up tempo, rapid",
    "driving": "drive, pumping, propulsive, peak time, peak-time",
    "steady": "mid tempo, mid-tempo, midtempo, medium speed",
    "slow": "downtempo, down-tempo, down tempo, lazy, slower",
    "veryslow": "very slow, super slow, slowest, crawling",
    # understood, and either always so or the absence of a word
    "": "drums, drum, kick, kicks, kick drum, snare, snares, hat, hats, hihat, hihats, hi-hat,"
    " hi-hats, hi hat, hi hats, kit, drum kit, drumkit, drum machine, beat, rhythm, straight",
}
_LEAVABLE: Final = (
    "swing, shuffle, fill, fills, echo, delay, reverb, pad, pads, stab, stabs, chords, arp, arps,"
    " clap, claps, ride, rides, rim, rims, rimshot, tom, toms, open hat, open hats"
)
"""Things that are absent unless they are asked for, so 'no swing' asks for nothing."""

_FLATS: Final = {"db": "c#", "eb": "d#", "gb": "f#", "ab": "g#", "bb": "a#"}


def _phrases(written: str) -> list[str]:
    return [" ".join(phrase.split()) for phrase in written.split(",")]


def _key_aliases() -> dict[str, str]:
    names = {root: root for root in ROOTS} | _FLATS
    names |= {root.replace("#", " sharp"): root for root in ROOTS if "#" in root}
    names |= {f"{flat[0]} flat": root for flat, root in _FLATS.items()}
    aliases: dict[str, str] = {}
    for name, root in names.items():
        for mode in ("m", "min", "-min", " min", "minor", "-minor", " minor"):
            aliases[name + mode] = f"key:{root}m"
        for mode in ("maj", "-maj", " maj", "major", "-major", " major"):
            aliases[name + mode] = f"key:{root}"
    return aliases


def _word_aliases() -> dict[str, str]:
    aliases = {phrase: words for words, written in _GROUPS.items() for phrase in _phrases(written)}
    for thing in _phrases(_LEAVABLE):
        aliases |= {f"no {thing}": "", f"without {thing}": ""}
    return aliases


ALIASES: Final[Mapping[str, str]] = MappingProxyType(_word_aliases() | _key_aliases())
"""Lower-case phrases and the caption words they stand for, with single spaces between words.

Match the longest phrase first: "dark reese" before "dark". A phrase that stands for "" is
understood and adds nothing: every kit has a kick, and swing is absent unless asked for.
"""
