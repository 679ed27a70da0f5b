"""How good the embedded model's sound is: every figure beside what it is held against."""
