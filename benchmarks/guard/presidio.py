"""Presidio's speed on given texts, in the peers' environment: its own recognisers over a pipeline without a model, which no package index has."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

SECONDS_MAX = 300

_SCRIPT = r"""
import json, sys, time
import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

class Blank(NlpEngine):
    nlp = None
    def load(self): self.nlp = spacy.blank("en")
    def is_loaded(self): return self.nlp is not None
    def process_text(self, text, language):
        doc = self.nlp(text)
        return NlpArtifacts([], doc, [t.idx for t in doc], [t.text.lower() for t in doc], self, language)
    def process_batch(self, texts, language, **more): return ((text, self.process_text(text, language)) for text in texts)
    def is_stopword(self, word, language): return self.nlp.vocab[word].is_stop
    def is_punct(self, word, language): return self.nlp.vocab[word].is_punct
    def get_supported_entities(self): return []
    def get_supported_languages(self): return ["en"]

engine = Blank(); engine.load()
registry = RecognizerRegistry(supported_languages=["en"])
registry.load_predefined_recognizers(languages=["en"])
analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])
texts = json.load(sys.stdin)
for text in texts[:3]:
    analyzer.analyze(text, "en")
began = time.perf_counter()
for text in texts:
    analyzer.analyze(text, "en")
print(json.dumps(time.perf_counter() - began))
"""


def presidio_seconds(python: str, texts: Sequence[str]) -> float:
    """How long Presidio takes for all texts.

    Raises:
        subprocess.SubprocessError: when it fails.
    """
    done = subprocess.run([python, "-c", _SCRIPT], input=json.dumps(list(texts)), capture_output=True, text=True, check=True, timeout=SECONDS_MAX)
    return float(json.loads(done.stdout.splitlines()[-1]))
