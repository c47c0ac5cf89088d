#!/usr/bin/env python3
"""Holds what `arenite --json FILE` wrote against what the memory system promises.

    ci/outcome.py FILE [FILE…]

Every file must keep each promise; several files must besides tell of the same world, scene by scene. Prints one line per
scene and exits 1 when anything is broken.
"""

import json
import sys

# Resident memory after a scene may be this much above what it was before the scene was loaded. Less is no fault.
RESIDENT_SLACK = 1.10

broken = []


def expect(holds, text):
    if not holds:
        broken.append(text)


def check(path):
    with open(path, encoding="utf-8") as file:
        outcome = json.load(file)
    scenes = outcome["scenes"]
    expect(scenes, f"{path}: no scene was played")
    expect(outcome["frames"] % max(len(scenes), 1) == 0, f"{path}: the scenes did not run the same number of frames")
    expect(
        outcome["frames"] // max(len(scenes), 1) > outcome["warmup_frames"],
        f"{path}: only warm-up frames ran, so nothing was measured",
    )
    # `null` means that nobody counted, which is no proof of zero.
    calls = outcome["frame_heap_calls"]
    expect(calls == 0, f"{path}: {calls} general-heap calls inside frames after warm-up")
    calls = outcome["frame_memory_syscalls"]
    expect(calls == 0, f"{path}: {calls} memory system calls inside frames after warm-up")
    # What streams outlives the scene: it is the cache's.
    cached = sum(cache["peak_bytes"] for cache in outcome["caches"])
    for scene in scenes:
        name = f"{path}: {scene['map']}"
        loaded, dropped = scene["resources_loaded"], scene["resources_dropped"]
        live = scene["live_bytes_after"]
        before, peak, after = (
            scene[key] for key in ("resident_before_load", "resident_loaded", "resident_after_unload")
        )
        expect(loaded > 0, f"{name}: nothing was loaded")
        expect(loaded == dropped, f"{name}: {loaded} resources loaded, {dropped} dropped")
        expect(live == 0, f"{name}: {live} bytes still live on the scene's account after it was left")
        expect(before > 0 and after > 0, f"{name}: resident memory was not measured")
        expect(
            after <= before * RESIDENT_SLACK + cached,
            f"{name}: {after} bytes resident after the scene, {before} before it: "
            f"{after / max(before, 1) - 1:+.1%}, at most {RESIDENT_SLACK - 1:+.0%} is allowed",
        )
        mib = [f"{size / 2**20:.1f}" for size in (before, peak, after)]
        print(f"  {scene['map']:9} {scene['checksum']}  {loaded:4} resources, resident MiB {' → '.join(mib)}")
    return path, outcome["checksum"], [(scene["map"], scene["checksum"]) for scene in scenes]


def main(paths):
    if not paths:
        sys.exit("usage: ci/outcome.py FILE [FILE…]")
    first, *others = [check(path) for path in paths]
    for other in others:
        expect(first[1:] == other[1:], f"{first[0]} and {other[0]} tell of different worlds: {first[1:]}, {other[1:]}")
    for text in broken:
        print(f"broken: {text}", file=sys.stderr)
    sys.exit(1 if broken else 0)


main(sys.argv[1:])
