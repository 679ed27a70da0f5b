"""Owns what producers type and which caption words it means, group by group; no parsing."""

from __future__ import annotations

from typing import Final

GENRE_PHRASES: Final = {
    "dnb": "drum and bass, drum & bass, drum n bass, drum'n'bass, drumnbass, drum+bass, d&b, d'n'b,"
    " d and b, liquid, liquid dnb, neurofunk, neuro, roller, rollers, jump up, drumstep",
    "jungle": "junglist, ragga jungle, old school jungle, oldskool jungle, hardcore jungle",
    "techno": "detroit, detroit techno, tekno, berlin techno",
    "house": "tech house, garage house, chicago house, chicago, disco house, funky house, disco,"
    " edm, progressive house, afro house, afrohouse",
    "hiphop": "hip hop, hip-hop, boom bap, boombap, boom-bap, rap, triphop, trip hop, trip-hop,"
    " r&b, rnb",
    "dub": "reggae, steppers, dubwise, ska, roots reggae, dub reggae",
    "electro": "electrofunk, electro funk, electro-funk, freestyle, synthwave, electroclash",
    "ambient": "beatless ambient, soundscape, meditative, drone, new age",
    "garage": "uk garage, uk-garage, ukg, 2-step, 2 step, two step, 2step, twostep, speed garage,"
    " bassline house, 2-step garage, two-step",
    "trap": "trap beat, drill, phonk, uk drill, trap drums",
    "breakbeat": "breakbeats, break beat, break beats, big beat, nu skool breaks, breakbeat loop",
    "footwork": "juke, ghetto house, ghettotech, footwork juke, juke footwork",
    "lofibeats": "lofi hip hop, lo-fi hip hop, lo-fi hip-hop, lo fi hip hop, lofi beats,"
    " lo-fi beats, lofi hiphop, lofi beat, chillhop, study beats, lo-fi beat, lofi hip-hop",
    "reggaeton": "dancehall, moombahton, perreo, latin, baile funk, soca",
    "dubstep": "brostep, grime, riddim, halfstep dubstep, bass music",
    "trance": "psytrance, psy trance, goa, uplifting trance, goa trance, hands up",
    "dnb halftime": "halftime dnb, half time dnb, half-time dnb, halfstep dnb",
    "dnb dark heavy": "darkstep, techstep",
    "techno acid": "acid techno",
    "techno sparse": "minimal techno",
    "techno industrial": "industrial techno",
    "techno heavy dark": "warehouse, warehouse techno, peak time techno, hard techno",
    "techno dubchord echo": "dub techno",
    "techno heavy veryfast": "gabber, hardstyle",
    "house acid": "acid house",
    "house housechord": "deep house",
    "house piano": "piano house",
    "hiphop jazzy": "jazz hop, jazz hiphop, jazz hip hop, jazzy hip hop",
    "jungle break": "amen break, amen, amens, think break, jungle break, breakcore",
}
BEAT_PHRASES: Final = {
    "break": "breaks, broken, broken beat, syncopated, chopped, choppy, chopped break, drum break",
    "fourfloor": "four on the floor, four to the floor, 4 on the floor, 4 to the floor, 4x4,"
    " four-on-the-floor, four-to-the-floor, straight kick, fourfour, four four",
    "halftime": "half time, half-time, halfstep, half step, half-step",
    "dembow": "dem bow, tresillo, reggaeton beat, dembow beat",
}
KIT_PHRASES: Final = {
    "dusty": "gritty, vintage, warm, vinyl, old, worn, dirty, sampled, crunchy, tape, grimy, dust,"
    " oldskool, old school, old-school, dusty kit, dusty drums",
    "crisp": "bright kit, bright drums, clean, crispy, snappy, sharp, clear, modern, polished,"
    " shiny, bright hats, crisp drums",
    "heavy": "hard, aggressive, distorted, distortion, loud, banging, punchy, powerful, saturated,"
    " driven, brutal, slamming, big, fat, overdriven, hard-hitting, hard hitting, heavy drums,"
    " hardcore",
    "tight": "dry, short, compact, close, clicky, tight drums, tight kit",
    "roomy": "reverb, reverberant, room, big room, spacious, wide, live, airy, wet, hall,"
    " roomy drums, live drums, space",
    "lofi": "lo-fi, lo fi, low fi, low-fi, bitcrushed, bit-crushed, crushed, 8 bit, 8-bit, 12 bit,"
    " 12-bit, mpc, sp1200, sp-1200, digital, degraded, bitcrush, lofi drums, lo-fi drums",
    "deep": "low, boomy, big kick, booming, subby, deep drums",
    "metallic": "metal, ringing, ring mod, clangy, alien, robotic, mechanical, metallic drums,"
    " robot, futuristic",
    "808": "808 drums, tr-808, tr808, tr 808, 808 kit, eight oh eight, long kick, 808s",
    "909": "909 drums, tr-909, tr909, tr 909, 909 kit, nine oh nine",
    "acoustic": "acoustic drums, acoustic kit, drummer, real drums, rock drums, natural, organic",
    "industrial": "factory, ebm, noisy, harsh, industrial drums, abrasive",
    "gated": "gated reverb, gated snare, 80s, eighties, 80s drums, linndrum, linn, gated drums",
    "jazzy": "jazz, brushes, brushed, soft drums, jazz drums, jazz kit, swing drums",
    "electronic": "electronic drums, simmons, synth drums, drum synth, syndrum, electronic kit",
    "glitch": "glitchy, clicks, clicks and cuts, idm, microhouse, clicks & cuts, digital glitch",
}
VOICE_PHRASES: Final = {
    "kick": "kicks, kick drum, bass drum, bd, kickdrum",
    "snare": "snares, snare drum, sd",
    "hat": "hats, hihat, hihats, hi-hat, hi-hats, hi hat, hi hats, closed hat, closed hats,"
    " closed hihat",
    "clap": "claps, handclap, handclaps, hand clap, hand claps",
    "openhat": "open hat, open hats, open hihat, open hihats, open hi-hat, open hi-hats, offbeat"
    " hats, off-beat hats, offbeat hat, openhats",
    "ride": "rides, ride cymbal",
    "crash": "crashes, crash cymbal, cymbal, cymbals, splash",
    "tom": "toms, tom toms, tom-toms, tribal, tribal drums",
    "rim": "rimshot, rimshots, rim shot, rim shots, sidestick, side stick, clave, claves",
    "shaker": "shakers, maracas, cabasa, tambourine, shaken",
    "conga": "congas, bongo, bongos, hand drum, hand drums, latin percussion, hand percussion",
    "cowbell": "cow bell, cowbells, agogo",
    "perc": "percs, percussion, percussive, wood block, woodblock, blip, blips, percussions",
}
BASS_PHRASES: Final = {
    "bass": "bassline, basslines, bass line, bass lines",
    "sub": "sub bass, sub-bass, subbass, deep bass, low bass, sine bass, sub bassline, subs",
    "reese": "reese bass, reese bassline, detuned bass, moving bass",
    "acid": "303, tb303, tb-303, tb 303, acid bass, acid line, acid bassline, squelch, squelchy",
    "pluck": "plucked bass, pluck bass, plucky bass, plucky",
    "fmbass": "fm bass, dx bass, digital bass, dx7 bass, solid bass",
    "slap": "slap bass, funky bass, funk bass, funky, funk, bass guitar, electric bass,"
    " finger bass, slapped bass",
    "wobble": "wobble bass, wobbly, wub, wubs, wobbles, lfo bass",
    "808bass": "808 bass, 808 sub, long 808, trap bass, distorted 808, booming bass, gliding bass",
    "organbass": "organ bass, donk, organ bassline, m1 bass, bouncy bass",
    "growl": "growl bass, growling bass, distorted bass, neuro bass, screech, growling, growls,"
    " dirty bass",
    "darkbass": "dark bass, dark bassline, muffled bass, round bass, soft bass, warm bass",
    "brightbass": "bright bass, bright bassline, buzzy bass, gritty bass, aggressive bass",
    "darkbass reese": "dark reese, dark reese bass",
    "brightbass reese": "bright reese, bright reese bass",
    "darkbass sub": "dark sub, dark sub bass",
    "brightbass acid": "bright acid, bright acid bass",
    "darkbass acid": "dark acid, dark acid bass",
}
MUSIC_PHRASES: Final = {
    "stabs": "stab, chord stab, chord stabs, chords, chord, synth stab, synth stabs, synth,"
    " synths, chord hits",
    "housechord stabs": "house stab, house stabs, house chord, house chords, house chord stabs",
    "dubchord stabs": "dub stab, dub stabs, dub chord, dub chords, dub chord stabs",
    "organ stabs": "organ stab, organ stabs, organs, organ chords, hammond",
    "rave stabs": "rave stab, rave stabs, hoover, hoovers, rave synth, rave chords, supersaw,"
    " supersaws",
    "piano stabs": "keys, house piano, rave piano, piano chords, piano stabs, pianos, grand piano,"
    " piano loop",
    "epiano stabs": "rhodes, electric piano, e-piano, wurlitzer, wurli, electric pianos, e piano,"
    " jazz chords, neo soul",
    "skank stabs": "skanks, offbeat skank, guitar skank, guitar, guitars, rhythm guitar, offbeats",
    "brass stabs": "horns, horn, trumpet, trumpets, horn stab, horn stabs, brass stab, brass stabs",
    "orchestra stabs": "orchestra hit, orchestral hit, orch hit, orchestral, orchestra hits",
    "vox stabs": "vocal, vocals, vocal stab, vocal stabs, vocal chop, vocal chops, voice, voices,"
    " vox stab, vocal hit",
    "pad": "pads, lush, wash, atmospheric, atmosphere, atmospheres, ethereal, dreamy, cinematic",
    "warmpad pad": "warm pad, analog pad, soft pad, dark pad, synth pad, warm pads",
    "strings pad": "string, string pad, violins, violin, string section, string ensemble",
    "choir pad": "choirs, choral, aah, aahs, vocal pad, choir pad, angelic",
    "glasspad pad": "glass pad, shimmer pad, glassy pad",
    "sweeppad pad": "sweep pad, filter sweep, sweeping pad, evolving pad, sweeping",
    "arp": "arps, arpeggio, arpeggios, arpeggiated, arpeggiator, sequence, sequencer, pulse,"
    " pulsing, synth pluck, synth plucks, plucks, plucked",
    "lead": "leads, lead line, melody, melodic, tune, solo, topline, riff, hook",
    "synthlead lead": "synth lead, saw lead, mono lead, lead synth",
    "bell": "bells, chimes, music box, vibraphone, celesta, vibes",
    "glass": "glassy, crystal, crystalline, icy",
    "sawarp arp": "saw, saw arp, sawtooth",
    "softarp arp": "soft arp, soft, gentle, mellow",
    "harp": "harps, koto, plucked strings, pizzicato, kora, acoustic guitar",
    "marimba": "mallet, mallets, kalimba, xylophone, balafon, steel drum, steel drums, steel pan",
    "fmpluck": "fm pluck, fm, dx7, digital pluck",
    "flute": "flutes, woodwind, whistle, pan flute, ocarina, shakuhachi",
    "chip": "chiptune, 8-bit lead, video game, game boy, gameboy, arcade, square lead, chip lead",
}
LOOP_PHRASES: Final = {
    "drumsonly": "drums only, only drums, drum loop, drum loops, just drums, no bass, no melody,"
    " no music, without bass, beat only, no synth, no synths, drumloop, drums-only, drum solo",
    "nodrums": "no drums, without drums, drumless, beatless, no beat, no percussion, drum-free",
    "swing": "swung, shuffle, shuffled, shuffling, groovy, swinging, swingy, laid back, laid-back,"
    " laidback",
    "fill": "fills, drum fill, drum fills, turnaround",
    "roll": "rolls, drum roll, drum rolls, snare roll, hat roll, hat rolls, hi-hat rolls, stutter,"
    " ratchet, ratchets, triplet hats, rattling",
    "ghosts": "ghost notes, ghost note, ghost snares, ghost snare, shuffling snare",
    "pump": "sidechain, sidechained, side-chain, side chain, ducking, sidechain compression",
    "echo": "echoes, delay, delays, dub delay, dub echo, tape echo, tape delay, delayed",
    "oneshot": "one shot, one-shot, one shots, one-shots, single hit, oneshots, drum hit",
    "riser": "risers, uplifter, build up, build-up, buildup, sweep, sweep up, rise, rising,"
    " white noise riser, transition, noise sweep",
    "dark": "moody, evil, sinister, gloomy, murky, brooding, muffled, ominous, darkness,"
    " underground, noir, menacing, night, midnight",
    "bright": "happy, uplifting, sunny, brilliant, cheerful, shimmering, summer, summery",
    "minor": "sad, melancholic, melancholy, minor key, in minor, emotional",
    "major": "joyful, major key, in major",
    "sparse": "empty, simple, stripped, stripped back, stripped-back, minimalist, minimalistic,"
    " minimal, open, chill, chilled, calm, relaxing, relaxed, light, chillout, chill out, spare",
    "medium": "moderate, balanced",
    "busy": "dense, complex, full, frantic, hectic, intricate, rolling, energetic, hyper, detailed",
    "veryfast": "very fast, super fast, fastest, breakneck",
    "fast": "quick, uptempo, up-tempo, high energy, up tempo, rapid",
    "driving": "drive, pumping, propulsive, peak time, peak-time",
    "steady": "mid tempo, mid-tempo, midtempo, medium speed",
    "slow": "downtempo, down-tempo, down tempo, lazy, slower",
    "veryslow": "very slow, super slow, slowest, crawling",
    # understood, and either always so or the absence of a word
    "": "drums, drum, kit, drum kit, drumkit, drum machine, beat, rhythm, straight",
}
LEAVABLE: Final = (
    "swing, shuffle, fill, fills, echo, delay, reverb, pad, pads, stab, stabs, chords, arp, arps,"
    " clap, claps, ride, rides, rim, rims, rimshot, tom, toms, open hat, open hats, roll, rolls,"
    " sidechain, crash, shaker, congas, cowbell, percussion, lead, strings, piano, vocals"
)
"""Things that are absent unless they are asked for, so 'no swing' asks for nothing."""
