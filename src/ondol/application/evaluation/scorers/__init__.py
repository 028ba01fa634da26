"""Scorers, one file each. A new one is its file, its test, its line in `LOADERS`, and its paragraph in `docs/concepts/scorers.md`."""

from ondol.application.evaluation.scorers.apart import METRICS as METRICS_APART
from ondol.application.evaluation.scorers.apart import load as load_apart
from ondol.application.evaluation.scorers.base import Loader, Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.bertscore import load_bertscore
from ondol.application.evaluation.scorers.bleu import corpus_bleu, load_bleu
from ondol.application.evaluation.scorers.bottleneck import Bottleneck, bottleneck
from ondol.application.evaluation.scorers.chrf import corpus_chrf, load_chrf
from ondol.application.evaluation.scorers.citations import load as load_citations
from ondol.application.evaluation.scorers.contains import load_contains_all, load_contains_any, load_not_contains
from ondol.application.evaluation.scorers.exact_match import load_exact_match
from ondol.application.evaluation.scorers.f1 import load_f1
from ondol.application.evaluation.scorers.groundedness import load as load_groundedness
from ondol.application.evaluation.scorers.gsm8k import load_gsm8k
from ondol.application.evaluation.scorers.ifeval import load_ifeval
from ondol.application.evaluation.scorers.json_schema import load_json_schema
from ondol.application.evaluation.scorers.korquad import load_korquad_em, load_korquad_f1
from ondol.application.evaluation.scorers.language import load_language_match
from ondol.application.evaluation.scorers.leaked import load_canary_leak, load_pii_leak
from ondol.application.evaluation.scorers.leaks import load_permission_leaks
from ondol.application.evaluation.scorers.likelihood import load_choice, load_perplexity
from ondol.application.evaluation.scorers.numeric import load_numeric
from ondol.application.evaluation.scorers.operations import load as load_operations
from ondol.application.evaluation.scorers.operations import load_cost
from ondol.application.evaluation.scorers.pass_at_k import load_pass_at_k
from ondol.application.evaluation.scorers.refusal import load as load_refusal
from ondol.application.evaluation.scorers.regex import load_regex
from ondol.application.evaluation.scorers.retrieval import load as load_retrieval
from ondol.application.evaluation.scorers.rouge import load as load_rouge
from ondol.application.evaluation.scorers.self_consistency import load_self_consistency
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.scorers.squad import load_squad_em, load_squad_f1
from ondol.application.evaluation.scorers.steps import load_step_consistency
from ondol.application.evaluation.scorers.tool_calls import load_tool_unauthorised
from ondol.application.evaluation.scorers.words import load_banned_words, load_toxicity

LOADERS: dict[str, Loader] = {
    "banned_words": load_banned_words,
    "bertscore": load_bertscore,
    "bleu": load_bleu,
    "canary_leak": load_canary_leak,
    "choice": load_choice,
    "chrf": load_chrf,
    "citation_precision": load_citations("citation_precision"),
    "citation_recall": load_citations("citation_recall"),
    "contains_all": load_contains_all,
    "contains_any": load_contains_any,
    "cost": load_cost,
    "exact_match": load_exact_match,
    "f1": load_f1,
    "first_token": load_operations("first_token"),
    "groundedness": load_groundedness("groundedness"),
    "gsm8k": load_gsm8k,
    "hallucination_rate": load_groundedness("hallucination_rate"),
    "ifeval": load_ifeval,
    "json_schema": load_json_schema,
    "korquad_em": load_korquad_em,
    "korquad_f1": load_korquad_f1,
    "language_match": load_language_match,
    "latency": load_operations("latency"),
    "not_contains": load_not_contains,
    "numeric": load_numeric,
    "over_refusal": load_refusal("over_refusal"),
    "pass_at_k": load_pass_at_k,
    "permission_leaks": load_permission_leaks,
    "perplexity": load_perplexity,
    "pii_leak": load_pii_leak,
    "refusal": load_refusal("refusal"),
    "refusal_accuracy": load_refusal("refusal_accuracy"),
    "regex": load_regex,
    "retrieval.diversity": load_retrieval("retrieval.diversity"),
    "retrieval.map": load_retrieval("retrieval.map"),
    "retrieval.mrr": load_retrieval("retrieval.mrr"),
    "retrieval.ndcg": load_retrieval("retrieval.ndcg"),
    "retrieval.precision": load_retrieval("retrieval.precision"),
    "retrieval.recall": load_retrieval("retrieval.recall"),
    "rouge_1": load_rouge("rouge_1"),
    "rouge_2": load_rouge("rouge_2"),
    "rouge_l": load_rouge("rouge_l"),
    "rouge_lsum": load_rouge("rouge_lsum"),
    "self_consistency": load_self_consistency,
    "squad_em": load_squad_em,
    "squad_f1": load_squad_f1,
    "step_consistency": load_step_consistency,
    "tokens": load_operations("tokens"),
    "tool_unauthorised": load_tool_unauthorised,
    "toxicity": load_toxicity,
    "under_refusal": load_refusal("under_refusal"),
    **{metric: load_apart(metric) for metric in METRICS_APART},
}
"""By the `type` that a suite names."""

__all__ = ["LOADERS", "Bottleneck", "Loader", "Rule", "Scorer", "Settings", "Tools", "bottleneck", "corpus_bleu", "corpus_chrf", "skipped"]
