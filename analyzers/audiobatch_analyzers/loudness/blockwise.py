"""A recursive filter as products of matrices: a block of samples at once, and the states between blocks likewise.

Within a block the output is linear in its samples and in the state before it, and so is the state behind it; what one
unit of each brings is all there is to know. The states before all blocks follow from what every block adds to them,
several at a time, then several of these (a scan). One multiplication is a step of `scipy.signal.sosfilt`, which must
wait for the one before; here some forty wait for nothing, and the processor does eight or sixteen at once.

Products are float32, states float64 in coordinates in which a rounding costs the output as much as one of the input. So
the error is some 1e-7 of the input, where `sosfilt` in float32 rounds the same states as large as 1e-4 (192 kHz).

Nothing of scipy is loaded: `scipy.signal` takes 0.6 CPU s, twice what four minutes of FLAC take to decode, and 75 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

_BLOCK = 32
_GROUP = 8
_LEVELS = 3
_BATCH = 128  # blocks in one product: OpenBLAS starts threads for more, and they would fight with other workers
_DOUBLINGS = 40  # 2^40 blocks: no state of a stable filter is heard for so long

CHUNK = 1 << 16
"""Samples that a filter takes at a time."""


class BlockFilter:
    """A stable filter of second-order sections, shape (sections, 6), over each of some channels.

    The states of every channel begin at zero.

    Raises LinAlgError where a state never shows in the output, such as a pole that a later zero cancels.
    """

    def __init__(self, sections: Matrix, channels: int = 1) -> None:
        size = 2 * len(sections)
        state_to_output, step = _responses(sections, np.zeros((size, _BLOCK)), np.eye(size))
        sample_to_output, sample_to_state = _responses(sections, np.eye(_BLOCK), np.zeros((_BLOCK, size)))
        # In these coordinates a state's length is the energy of the output that it leads to.
        to_new = np.linalg.cholesky(_gramian(step, state_to_output))
        from_new = np.linalg.inv(to_new)
        self._step = from_new @ step @ to_new
        self._to_state = (sample_to_state @ to_new).astype(np.float32)
        self._to_output = np.concatenate([sample_to_output, from_new @ state_to_output]).astype(np.float32)
        self._levels: list[_Level] = []
        above = self._step
        for _ in range(_LEVELS):
            self._levels.append(_Level(above))
            above = self._levels[-1].step
        self._states = np.zeros((channels, size))
        self._input = np.zeros((CHUNK // _BLOCK // _BATCH, _BATCH, _BLOCK + size), np.float32)
        self._output = np.empty((*self._input.shape[:2], _BLOCK), np.float32)

    def __call__(self, samples: NDArray[np.float32], offset: float = 0.0, channel: int = 0) -> NDArray[np.float32]:
        """The filtered `samples` + `offset`, valid until the next call.

        They are the next `CHUNK` of a channel; fewer are its last ones.
        """
        inputs = self._input[:, :, :_BLOCK]
        if len(samples) < CHUNK:
            samples = np.concatenate([samples, np.zeros(CHUNK - len(samples), np.float32)])
        np.add(samples.reshape(inputs.shape), np.float32(offset), out=inputs)
        added = (inputs @ self._to_state).astype(np.float64).reshape(-1, len(self._step))
        states, self._states[channel] = _scan(added, self._states[channel], self._step, self._levels)
        self._input[:, :, _BLOCK:] = states.reshape(*inputs.shape[:2], -1)
        np.matmul(self._input, self._to_output, out=self._output)
        return self._output.reshape(-1)


class _Level:
    """Groups of steps of a recursion x' = x @ step + added, each group as one step."""

    def __init__(self, step: Matrix) -> None:
        size = len(step)
        powers = [np.eye(size)]
        for _ in range(_GROUP):
            powers.append(powers[-1] @ step)
        within = np.zeros((_GROUP, size, _GROUP, size))
        for start in range(_GROUP):
            for end in range(start, _GROUP):
                within[start, :, end, :] = powers[end - start]
        self.within = within.reshape(_GROUP * size, _GROUP * size)
        """From what the steps of a group add to the states behind each of them, had the group begun at zero."""
        self.onward = np.concatenate(powers[:_GROUP], axis=1)
        """From the state before a group to the states before each of its steps, if nothing were added."""
        self.step = powers[_GROUP]


def _scan(added: Matrix, state: Matrix, step: Matrix, levels: list[_Level]) -> tuple[Matrix, Matrix]:
    """The states before every step of the recursion from `state`, and the one behind the last."""
    if not levels:
        states = np.empty_like(added)
        for index, more in enumerate(added):
            states[index] = state
            state = state @ step + more
        return states, state
    level, *above = levels
    size = len(step)
    behind = added.reshape(-1, _GROUP * size) @ level.within
    before, state = _scan(behind[:, -size:], state, level.step, above)
    states = before @ level.onward
    states[:, size:] += behind[:, :-size]
    return states.reshape(-1, size), state


def _gramian(step: Matrix, output: Matrix) -> Matrix:
    """The observability Gramian: the energy of all output behind a state x is x @ gramian @ x.

    That is the sum of step^k @ output @ output.T @ step.T^k over all k, of which each turn here has twice as many.
    """
    energy = output @ output.T
    for _ in range(_DOUBLINGS):
        energy += step @ energy @ step.T
        step = step @ step
    return energy


def _responses(sections: Matrix, inputs: Matrix, states: Matrix) -> tuple[Matrix, Matrix]:
    """The outputs of the filter, and its states afterwards, for every row of `inputs` and `states` by itself.

    Section by section in the transposed direct form II, as `scipy.signal.sosfilt` has it: two states for each.
    """
    samples = inputs.T
    behind = []
    for (b0, b1, b2, _, a1, a2), before in zip(sections, states.T.reshape(len(sections), 2, -1), strict=True):
        first, second = before
        outputs = np.empty_like(samples)
        for index, sample in enumerate(samples):
            outputs[index] = b0 * sample + first
            first = b1 * sample - a1 * outputs[index] + second
            second = b2 * sample - a2 * outputs[index]
        behind += [first, second]
        samples = outputs
    return samples.T, np.stack(behind, axis=-1)
