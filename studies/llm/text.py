"""Text from a language model, sampled or greedy, and how well one model predicts another one's text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.llm.models import Floats, LanguageModel
from studies.llm.tokenizer import BEGIN

Tokens = npt.NDArray[np.int64]


def sampled(model: LanguageModel, count: int, seed: int) -> Tokens:
    """[count, window] tokens at temperature 1; each text has its own generator of (seed, number)."""
    return np.stack([_one(model, np.random.default_rng((seed, k))) for k in range(count)])


def _one(model: LanguageModel, rng: np.random.Generator) -> Tokens:
    tokens = [BEGIN]
    while len(tokens) < model.window:
        chances = np.cumsum(softmax(model.logits(tokens)[-1]))
        tokens.append(int(np.searchsorted(chances, rng.random() * chances[-1])))
    return np.array(tokens)


def greedy(model: LanguageModel, prompt: Sequence[int]) -> list[int]:
    """The prompt and the likeliest token after token, until the window is full or a new text begins."""
    tokens = list(prompt)
    while len(tokens) < model.window:
        token = int(np.argmax(model.logits(tokens)[-1]))
        if token == BEGIN:
            break
        tokens.append(token)
    return tokens


@dataclass(frozen=True)
class Accuracy:
    """Two models on the same text: cross entropy of the next token in nats, and equal likeliest tokens."""

    tokens: int
    float_loss: float
    integer_loss: float
    agreement: float

    @property
    def excess(self) -> float:
        """By how much the integer model's loss is larger, as a share of the float model's."""
        return self.integer_loss / self.float_loss - 1


def accuracy(float_model: LanguageModel, integer_model: LanguageModel, texts: Tokens) -> Accuracy:
    """Both models on [count, window] tokens; every token but the first of a text counts."""
    real, codes = (
        np.stack([model.logits(text) for text in texts])[:, :-1] for model in (float_model, integer_model)
    )
    agreement = float(np.mean(real.argmax(axis=-1) == codes.argmax(axis=-1)))
    return Accuracy(texts[:, 1:].size, loss(real, texts), loss(codes, texts), agreement)


def loss(logits: Floats, texts: Tokens) -> float:
    """Mean of -log p of texts[:, 1:] under logits [count, window - 1, vocabulary]."""
    chances = np.take_along_axis(softmax(logits), texts[:, 1:, None], axis=-1)
    return float(-np.log(chances).mean())


def softmax(logits: Floats) -> Floats:
    """Over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
