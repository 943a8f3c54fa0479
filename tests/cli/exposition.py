"""exposition.py -- a strict reader of the text that Prometheus reads, for tests: what it would refuse, and
what its conventions forbid, is an error here.

https://prometheus.io/docs/instrumenting/exposition_formats/ and .../practices/naming/
"""

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


class Malformed(Exception):
    """Prometheus would not take it, or should not."""


def need(is_so, line, what):
    if not is_so:
        raise Malformed(f"{what}: {line!r}")


def unescaped(text):
    return re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match.group(1), match.group(1)), text)


def labels_of(text, line):
    found, at = {}, 0
    while at < len(text):
        match = re.compile(LABEL).match(text, at)
        need(match, line, "a label is malformed")
        need(match.group(1) not in found, line, "a label stands twice")
        found[match.group(1)] = unescaped(match.group(2))
        at = match.end()
        need(at == len(text) or (text[at] == "," and at + 1 < len(text)), line, "labels are not separated")
        at += 1
    return found


def number_of(text, line):
    need(re.fullmatch(r"\+Inf|-?[0-9]+(\.[0-9]+)?", text), line, "no number")
    return math.inf if text == "+Inf" else float(text)


class Page:
    """samples: (name, labels as a sorted tuple of pairs) -> value; kinds: family -> type."""

    def __init__(self, raw):
        self.samples, self.kinds, self.order = {}, {}, []
        text = raw.decode("utf-8")  # strict
        need(text.endswith("\n"), text[-20:], "the last line has no end")
        helped, family = set(), None
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                match = re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line)
                need(match and match.group(1) not in helped, line, "HELP")
                family = match.group(1)
                helped.add(family)
            elif line.startswith("# TYPE "):
                match = re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge|histogram)", line)
                need(match and match.group(1) == family and family not in self.kinds, line, "TYPE")
                self.kinds[family] = match.group(2)
            else:
                self.take_sample(line, family)
        for name, kind in self.kinds.items():
            need((kind == "counter") == name.endswith("_total"), name, "counters, and they alone, end in _total")
            need(re.fullmatch(r"redlock_[a-z_]+", name), name, "not a name of ours")
            if kind == "histogram":
                need(name.endswith("_seconds"), name, "not in base units")
                self.check_histogram(name)

    def take_sample(self, line, family):
        match = re.fullmatch(rf"({NAME})\{{(.*)\}} (\S+)", line)
        need(match, line, "no sample")
        name = match.group(1)
        need(family in self.kinds and name in [family + end for end in SUFFIXES[self.kinds[family]]], line,
             "it stands outside of its family")
        key = (name, tuple(sorted(labels_of(match.group(2), line).items())))
        need(key not in self.samples, line, "it stands twice")
        value = number_of(match.group(3), line)
        need(value >= 0 and not math.isinf(value), line, "no value of ours")
        self.samples[key] = value
        self.order.append(key)

    def check_histogram(self, family):
        series = {}
        for (name, labels) in self.order:
            if name == family + "_bucket":
                rest = tuple(pair for pair in labels if pair[0] != "le")
                series.setdefault(rest, []).append((dict(labels)["le"], self.samples[(name, labels)]))
        need(series, family, "no buckets")
        for rest, buckets in series.items():
            bounds = [number_of(bound, family) for bound, _ in buckets]
            counts = [count for _, count in buckets]
            need(bounds == sorted(set(bounds)) and math.isinf(bounds[-1]), family, "bounds are not in order")
            need(counts == sorted(counts), family, "buckets are not cumulative")
            need(counts[-1] == self.samples[(family + "_count", rest)], family, "+Inf is not the count")
            total = self.samples[(family + "_sum", rest)]
            need((total == 0) if counts[-1] == 0 else (total > 0), family, "the sum is not of these")

    def value(self, name, **labels):
        """That of the one sample with at least these labels; None when there is none."""
        found = [value for (known, pairs), value in self.samples.items()
                 if known == name and labels.items() <= dict(pairs).items()]
        need(len(found) <= 1, name, "more than one")
        return found[0] if found else None

    def label_values(self, label):
        return {dict(pairs)[label] for _, pairs in self.samples if label in dict(pairs)}
