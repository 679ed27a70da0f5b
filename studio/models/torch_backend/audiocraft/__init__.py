"""The conversion of audiocraft's weights, which are pickles; `convert` is the way in."""
