"""Settings that all judges have."""

from __future__ import annotations

from collections.abc import Mapping

from ondol.application.evaluation.judges.asking import TOKENS_DEFAULT, Judge, Remembered
from ondol.application.evaluation.judges.words import CRITERIA, Language
from ondol.application.evaluation.scorers.base import AskModel, Tools
from ondol.application.evaluation.scorers.settings import Settings
from ondol.core.errors import RequestError

TOKENS_LEAST, TOKENS_MOST = 50, 32_000
SEED_MAX = 2**31 - 1


def judge_of(settings: Settings, name: str, tools: Tools) -> Judge:
    """The judge that the settings name: `model`, `seed`, `tokens_max`.

    Raises:
        RequestError: when a setting is wrong, or models cannot be asked here.
    """
    model = settings.text("model")
    seed, tokens_max = settings.whole("seed", 0, least=0, most=SEED_MAX), tokens_of(settings)
    return Judge(ask=asking(name, tools), model=model, seed=seed, tokens_max=tokens_max, replies=tools.replies)


def judges_of(settings: Settings, name: str, tools: Tools, *, most: int) -> tuple[Judge, ...]:
    """The judges of a panel, each another model: `models`, `seed`, `tokens_max`.

    Raises:
        RequestError: when a setting is wrong, or models cannot be asked here.
    """
    models = settings.words("models")
    if not 2 <= len(models) <= most or len(set(models)) != len(models):
        raise settings.wrong("models", f"is a list of 2 to {most} different models")
    seed, tokens_max, ask = settings.whole("seed", 0, least=0, most=SEED_MAX), tokens_of(settings), asking(name, tools)
    remembered = Remembered()
    return tuple(Judge(ask=ask, model=model, seed=seed, tokens_max=tokens_max, remembered=remembered, replies=tools.replies) for model in models)


def tokens_of(settings: Settings) -> int:
    """How long a judge's reply may be: `tokens_max`. Models that think aloud need more than the default."""
    return settings.whole("tokens_max", TOKENS_DEFAULT, least=TOKENS_LEAST, most=TOKENS_MOST)


def asking(name: str, tools: Tools) -> AskModel:
    """The way to models.

    Raises:
        RequestError: when there is none.
    """
    if tools.ask is None:
        raise RequestError(
            f"The scorer {name} asks a model, and none can be asked here.", "Run the suite on an installation.", code="invalid_scorer", param="model"
        )
    return tools.ask


def criterion_of(settings: Settings) -> Mapping[Language, str]:
    """What an answer is rated for, in each language: `criterion` names one of ours, `rubric` is one's own text.

    Raises:
        RequestError: when there is neither, or both.
    """
    own = settings.text("rubric", "-")
    if own != "-":
        if settings.choice("criterion", "-", ("-", *CRITERIA)) != "-":
            raise settings.wrong("criterion", "stands without `rubric`: a text of one's own is a criterion")
        return {"ko": own, "en": own}
    criterion = settings.choice("criterion", "helpfulness", tuple(CRITERIA))
    return {language: text.text() for language, text in CRITERIA[criterion].items()}
