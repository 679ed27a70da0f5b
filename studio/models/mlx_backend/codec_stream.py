"""EnCodec's networks on input that is still arriving, or too long to be held at once.

Owns the exact streaming: which input must be kept, which output is final, and the LSTM's state.
The layers it runs are in `codec_layers`.

Convolutions look a bounded stretch both ways, the LSTM only back. So the convolutions before the
LSTM run over the new input and its surroundings, the LSTM goes on from its state, and the
convolutions after it run over its new output and the surroundings of that. What may still change
is held back. Ends are reflected only where the sound truly ends. All outputs joined equal the
network on the whole input, up to rounding.

Everything is computed before a call returns, so that a stream may be fed from several threads,
one after another.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import mlx.nn as nn

from studio.models.mlx_backend.codec_layers import Network, State, sources


class NetworkStream:
    """An encoder or a decoder fed piece by piece.

    Attributes:
        held_frames: Codec frames that must have arrived after one before that one's output is
            final. The published shape's decoder holds back 4 (80 ms), 3 before the LSTM and 1
            after it; its encoder holds back 4, 1 and 3.
    """

    def __init__(self, network: Network) -> None:
        before, self._recurrent, after = network.parted()
        self._before = _Stage(before, step_in=network.step_in, step_out=1)
        self._after = _Stage(after, step_in=1, step_out=network.step_out)
        self._state: State | None = None
        self.held_frames = self._before.ahead + self._after.ahead

    def push(self, x: mx.array) -> mx.array | None:
        """Input [B, n, C] in; the output [B, m, C'] that became final out, None if none.

        n is a multiple of `step_in`, except in the last push.
        """
        return self._flow(x, last=False)

    def finish(self) -> mx.array | None:
        """The output that was still held back."""
        return self._flow(None, last=True)

    def _flow(self, x: mx.array | None, *, last: bool) -> mx.array | None:
        hidden = self._before.run(x, last=last)
        if hidden is not None:
            hidden, self._state = self._recurrent.continue_from(hidden, self._state)
            mx.eval(hidden, self._state)
        return self._after.run(hidden, last=last)


class _Stage:
    """Convolutions in a row over a sliding window of whole codec frames."""

    def __init__(self, layers: Sequence[nn.Module], *, step_in: int, step_out: int) -> None:
        self._layers = layers
        self._step_in, self._step_out = step_in, step_out
        first, last = sources(layers, 0, step_out - 1)
        self._behind = -(first // step_in)
        self.ahead = last // step_in
        self._window: mx.array | None = None
        self._window_start = 0
        self._arrived = 0
        self._done = 0

    def run(self, x: mx.array | None, *, last: bool) -> mx.array | None:
        """Take in [B, n, C]; give what has become final, all of it at the `last` call."""
        if x is not None:
            self._arrived += x.shape[1]
            self._window = x if self._window is None else mx.concatenate([self._window, x], axis=1)
            mx.eval(self._window)
        whole = -(-self._arrived // self._step_in)
        until = whole if last else self._arrived // self._step_in - self.ahead
        if self._window is None or until <= self._done:
            return None
        y = self._window
        for layer in self._layers:
            y = layer(y)
        begin = (self._done - self._window_start) * self._step_out
        piece = y[:, begin : (until - self._window_start) * self._step_out]
        self._done = until
        self._forget()
        mx.eval(piece, self._window)
        return piece

    def _forget(self) -> None:
        """Drop the input that no output to come looks at."""
        assert self._window is not None
        start = max(0, self._done - self._behind)
        self._window = self._window[:, (start - self._window_start) * self._step_in :]
        self._window_start = start
