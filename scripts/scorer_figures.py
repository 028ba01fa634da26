"""Computes the figures that our ROUGE, BLEU and chrF must equal, with the packages that define them, and writes them beside the tests.

Run it in an environment of its own, from the top of the project:

    uv venv figures && uv pip install --python figures/bin/python rouge_score==0.1.2 'sacrebleu[ko]==2.6.0'
    figures/bin/python scripts/scorer_figures.py
"""

from __future__ import annotations

import json
import random
from pathlib import Path

FIGURES = Path(__file__).resolve().parents[1] / "tests" / "application" / "evaluation" / "scorers" / "figures.json"
PAIRS = 60
ENGLISH = """
the mailbox of a Sprout plan holds 5 GB, and each address counts once; aliases do not. How long does a transfer take?
It takes 5-7 days (business days), at most. A domain that was registered less than 60 days ago cannot be moved!
See "Moving a domain" [3] & call +82-2-555-0100, or pay $19,800.50 -- VAT included: 10%.
"""
KOREAN = """
새싹 요금제의 메일함은 5GB이고, 주소는 하나로 셉니다. 별칭은 개수에 들어가지 않아요! 이전하는 데 며칠이나 걸리나요?
영업일로 5~7일(최대) 걸립니다. 등록한 지 60일이 지나지 않은 도메인은 옮길 수 없으며, “도메인 이전” 안내[3]를 보시거나
02-555-0100으로 전화해 주세요. 요금은 19,800원(부가세 10% 포함)입니다.
"""


def main() -> None:
    """Write the figures of `PAIRS` pairs of texts in each language, and of all of them together."""
    import sacrebleu
    from rouge_score.rouge_scorer import RougeScorer

    kinds = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL", "rouge_lsum": "rougeLsum"}
    rouge = RougeScorer(list(kinds.values()))
    figures = []
    for language, words in (("en", ENGLISH), ("ko", KOREAN)):
        pairs = list(_pairs(words.split(), random.Random(f"{language} 7")))  # noqa: S311 - texts to compare
        bleu = {cut: sacrebleu.BLEU(tokenize=cut, effective_order=True) for cut in ("13a", "char", "ko-mecab")}
        chrf, chrf_words = sacrebleu.CHRF(), sacrebleu.CHRF(word_order=2)
        rows = []
        for answer, expected in pairs:
            found = {kind: rouge.score_multi(expected, answer)[name] for kind, name in kinds.items()} if language == "en" else {}
            rows.append(
                {
                    "answer": answer,
                    "expected": expected,
                    "rouge": {kind: [score.fmeasure, score.precision, score.recall] for kind, score in found.items()},
                    "bleu": bleu["13a"].sentence_score(answer, expected).score,
                    "bleu_characters": bleu["char"].sentence_score(answer, expected).score,
                    "bleu_mecab": bleu["ko-mecab"].sentence_score(answer, expected).score,
                    "chrf": chrf.sentence_score(answer, expected).score,
                    "chrf_words": chrf_words.sentence_score(answer, expected).score,
                }
            )
        answers, references = [answer for answer, _ in pairs], [[expected[place] for _, expected in pairs] for place in range(2)]
        corpus = {
            "bleu": sacrebleu.BLEU(tokenize="13a").corpus_score(answers, references).score,
            "chrf": chrf.corpus_score(answers, references).score,
            "chrf_words": chrf_words.corpus_score(answers, references).score,
        }
        figures.append({"language": language, "corpus": corpus, "pairs": rows})
    FIGURES.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{FIGURES}: {2 * PAIRS} pairs, by sacrebleu {sacrebleu.__version__}")


def _pairs(words: list[str], chance: random.Random) -> list[tuple[str, list[str]]]:
    """Answers and two expected texts each, which share words, order, lines and punctuation more or less; some are empty or one word."""
    pairs = []
    for number in range(PAIRS):
        start, length = chance.randrange(len(words)), chance.choice((1, 3, 8, 20, 45))
        text = (words * 3)[start : start + length]
        answer = [word for word in text if chance.random() > 0.2]
        if number % 3 == 0:
            chance.shuffle(answer)
        other = answer[: len(answer) // 2] + chance.choices(words, k=chance.randrange(10))
        pairs.append((_joined(answer, chance), [_joined(text, chance), _joined(other, chance)]))
    return pairs


def _joined(words: list[str], chance: random.Random) -> str:
    return "".join(word + ("\n" if chance.random() < 0.15 else " ") for word in words).strip()


if __name__ == "__main__":
    main()
