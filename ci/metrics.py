#!/usr/bin/python3
"""Reads a scrape (standard input) with the parser of Prometheus' official Python client.

    curl -s http://127.0.0.1:9184/metrics | ci/metrics.py

Exits 1 unless the parser accepts every line and each sample belongs to a family that has a type and a description. The
first line names Debian's own Python, for which `python3-prometheus-client` is installed.
"""

import math
import sys

from prometheus_client.parser import text_string_to_metric_families

text = sys.stdin.read()
families = list(text_string_to_metric_families(text))
broken = []
seen = set()
for family in families:
    if family.type not in ("gauge", "counter"):
        broken.append(f"{family.name}: a family of type {family.type}")
    if not family.documentation:
        broken.append(f"{family.name}: no description")
    if not family.samples:
        broken.append(f"{family.name}: a family without samples")
    for sample in family.samples:
        series = (sample.name, tuple(sorted(sample.labels.items())))
        if series in seen:
            broken.append(f"{series}: twice")
        seen.add(series)
        if not math.isfinite(sample.value) or sample.value < 0:
            broken.append(f"{series}: {sample.value}")

# The parser skips comments that it does not know; none of ours may be among them.
lines = [line for line in text.splitlines() if line and not line.startswith("#")]
if len(lines) != len(seen):
    broken.append(f"{len(lines)} lines with samples, of which the parser saw {len(seen)}")
names = {family.name for family in families}
for name in ("arenite_committed_bytes", "arenite_live_bytes", "arenite_resident_bytes", "arenite_commits"):
    if name not in names:
        broken.append(f"{name} is missing; there are {', '.join(sorted(names))}")
tags = {sample.labels["tag"] for family in families for sample in family.samples if "tag" in sample.labels}
for tag in ("frame", "scene", "jobs"):
    if tag not in tags:
        broken.append(f"tag {tag} is missing; there are {', '.join(sorted(tags))}")

for line in broken:
    print(f"ci/metrics: {line}", file=sys.stderr)
print(f"{len(families)} families, {len(seen)} samples, {len(tags)} tags: {'broken' if broken else 'accepted'}")
sys.exit(bool(broken))
