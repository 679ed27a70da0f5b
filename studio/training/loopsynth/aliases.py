"""Owns what producers type and which caption words it means; no parsing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from studio.training.loopsynth.labels import ROOTS

_GROUPS: Final = {
    # genres
    "dnb": "drum and bass, drum & bass, drum n bass, drum'n'bass, drumnbass, d&b, d'n'b, dn b,"
    " liquid, neurofunk, neuro, roller, rollers, jump up, liquid dnb",
    "jungle": "junglist, ragga jungle, old school jungle, oldskool",
    "techno": "tech, detroit, detroit techno, warehouse, industrial, tekno, minimal techno",
    "house": "deep house, tech house, garage house, chicago house, disco house, funky house, disco",
    "hiphop": "hip hop, hip-hop, boom bap, boombap, boom-bap, rap, trap, triphop, trip hop,"
    " trip-hop, chillhop, r&b, rnb, beats to study to",
    "dub": "reggae, dancehall, roots, steppers, dubwise, ska",
    "electro": "electrofunk, electro funk, freestyle, 808 electro, robot, synthwave, electroclash",
    "ambient": "atmospheric, atmosphere, ethereal, chillout, chill out, chill, drone, calm,"
    " relaxing, dreamy, soundscape, cinematic, meditative",
    "dnb halftime": "halftime dnb, half time dnb, dubstep",
    "techno acid": "acid techno",
    "house acid": "acid house",
    "techno dubchord echo": "dub techno",
    "hiphop lofi": "lofi hip hop, lo-fi hip hop, lo fi hip hop, lofi beats, lo-fi beats",
    "jungle break": "amen break, amen, think break, jungle break, breakcore",
    # kinds of beat
    "break": "breakbeat, breakbeats, break beat, break beats, breaks, broken, broken beat,"
    " syncopated, chopped, choppy",
    "fourfloor": "four on the floor, four to the floor, 4 on the floor, 4 to the floor, 4x4,"
    " four-on-the-floor, four-to-the-floor, straight kick, fourfour",
    "halftime": "half time, half-time, halfstep, half step",
    # kits
    "dusty": "gritty, vintage, warm, vinyl, old, worn, dirty, sampled, crunchy, tape, grimy, dust",
    "crisp": "bright kit, bright drums, clean, crispy, snappy, sharp, clear, modern, polished,"
    " shiny, bright hats",
    "heavy": "hard, aggressive, distorted, distortion, loud, banging, punchy, powerful, saturated,"
    " driven, brutal, slamming, big, fat, overdriven, hard-hitting, hard hitting",
    "tight": "dry, short, compact, minimal, close, clicky, 909",
    "roomy": "reverb, reverberant, room, big room, spacious, wide, live, airy, wet, hall, acoustic",
    "lofi": "lo-fi, lo fi, low fi, bitcrushed, bit-crushed, crushed, 8 bit, 8-bit, 12 bit,"
    " 12-bit, mpc, sp1200, sp-1200, digital, degraded",
    "deep": "low, boomy, big kick, long kick, 808, booming, subby",
    "metallic": "metal, ringing, ring mod, clangy, alien, robotic, glitchy, glitch, mechanical",
    # voices
    "clap": "claps, handclap, handclaps, hand clap, hand claps",
    "openhat": "open hat, open hats, open hihat, open hihats, open hi-hat, open hi-hats, offbeat"
    " hats, off-beat hats, offbeat hat",
    "ride": "rides, ride cymbal, cymbal, cymbals",
    "tom": "toms, tom toms, tom-toms, tribal, percussion, percussive, congas, bongos",
    "rim": "rimshot, rimshots, rim shot, rim shots, sidestick, side stick, clave, wood block",
    # bass
    "bass": "bassline, basslines, bass line, bass lines",
    "sub": "sub bass, sub-bass, subbass, deep bass, 808 bass, low bass, sine bass, sub bassline",
    "reese": "reese bass, reese bassline, detuned bass, growl, growling bass, wobble, wobble bass,"
    " moving bass",
    "acid": "303, tb303, tb-303, tb 303, acid bass, acid line, acid bassline, squelch, squelchy",
    "pluck": "plucked bass, pluck bass, plucky bass, plucky, plucked, fm bass, funky bass, funky",
    "darkbass": "dark bass, dark bassline, muffled bass, round bass, soft bass, warm bass",
    "brightbass": "bright bass, bright bassline, buzzy bass, gritty bass, aggressive bass",
    "darkbass reese": "dark reese, dark reese bass",
    "brightbass reese": "bright reese, bright reese bass",
    "darkbass sub": "dark sub, dark sub bass",
    # chords
    "stabs": "stab, chord stab, chord stabs, chords, chord, synth stab, synth stabs, synth,"
    " keys, hits, chord hits",
    "housechord stabs": "house stab, house stabs, house chord, house chords, piano, house piano,"
    " rhodes, electric piano",
    "dubchord stabs": "dub stab, dub stabs, dub chord, dub chords, skank, skanks, offbeat skank,"
    " guitar skank",
    "organ stabs": "organ stab, organ stabs, organs, organ chords, hammond",
    "rave stabs": "rave stab, rave stabs, hoover, hoovers, rave synth, rave chords, supersaw",
    "pad": "pads, strings, lush, warm pad, dark pad, synth pad, wash, choir",
    "arp": "arps, arpeggio, arpeggios, arpeggiated, arpeggiator, sequence, sequencer, melody,"
    " melodic, plucks, lead, pulse, pulsing, synth pluck, synth plucks",
    "arp bell": "bells, chimes, mallet, mallets, marimba, vibraphone, music box, kalimba",
    "arp glass": "glassy, crystal, crystalline, icy",
    "arp sawarp": "saw, saw arp, sawtooth",
    "arp softarp": "soft arp, soft, gentle, mellow",
    # whole loops
    "drumsonly": "drums only, only drums, drum loop, drum loops, just drums, drums, drum break,"
    " no bass, no melody, no music, without bass, beat only, no synth, no synths, drumloop",
    "nodrums": "no drums, without drums, drumless, beatless, no beat, no percussion, drum-free",
    "swing": "swung, shuffle, shuffled, shuffling, groovy, swinging, swingy, laid back, laid-back",
    "fill": "fills, drum fill, drum fills, drum roll, roll, turnaround",
    "echo": "echoes, delay, delays, dub delay, dub echo, tape echo, tape delay",
    "dark": "moody, evil, sinister, gloomy, murky, brooding, muffled, ominous, darkness,"
    " underground, noir, menacing, night, midnight",
    "bright": "happy, uplifting, sunny, brilliant, cheerful, shimmering, light, summer, summery",
    "dark heavy": "darkstep, techstep",
    "minor": "sad, melancholic, melancholy, minor key, in minor, emotional",
    "major": "joyful, major key, in major",
    "sparse": "empty, simple, stripped, stripped back, stripped-back, minimalist, minimalistic,"
    " open, space, laidback",
    "medium": "moderate, balanced",
    "busy": "dense, complex, full, frantic, hectic, intricate, rolling, energetic, hyper, detailed",
    # speed
    "veryfast": "very fast, super fast, fastest, breakneck",
    "fast": "quick, uptempo, up-tempo, high energy, up tempo, rapid",
    "driving": "drive, pumping, propulsive, peak time, peak-time",
    "steady": "mid tempo, mid-tempo, midtempo, medium speed",
    "slow": "downtempo, down-tempo, down tempo, lazy, slower",
    "veryslow": "very slow, super slow, slowest, crawling",
}

_FLATS: Final = {"db": "c#", "eb": "d#", "gb": "f#", "ab": "g#", "bb": "a#"}


def _key_aliases() -> dict[str, str]:
    names = {root: root for root in ROOTS} | _FLATS
    names |= {root.replace("#", " sharp"): root for root in ROOTS if "#" in root}
    names |= {root.replace("#", "♯"): root for root in ROOTS if "#" in root}
    names |= {f"{flat[0]} flat": root for flat, root in _FLATS.items()}
    names |= {f"{flat[0]}♭": root for flat, root in _FLATS.items()}
    aliases: dict[str, str] = {}
    for name, root in names.items():
        for mode in ("m", " m", "min", " min", " minor", "minor", "-minor"):
            aliases[name + mode] = f"key:{root}m"
        for mode in ("maj", " maj", " major", "major", "-major"):
            aliases[name + mode] = f"key:{root}"
    return aliases


def _word_aliases() -> dict[str, str]:
    return {
        " ".join(phrase.split()): words
        for words, phrases in _GROUPS.items()
        for phrase in phrases.split(",")
    }


ALIASES: Final[Mapping[str, str]] = MappingProxyType(_word_aliases() | _key_aliases())
"""Lower-case phrases and the caption words they stand for, with single spaces between words.

Match the longest phrase first: "dark reese" before "dark".
"""
