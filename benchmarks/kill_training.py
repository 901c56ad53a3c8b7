"""Kill a training 30 times, ten of them inside the writing of a checkpoint, and see what is lost.

``python benchmarks/kill_training.py`` runs one training of a tiny network in child processes.
Each is killed with SIGKILL and followed by one that goes on with what is on the disk. After
each kill it checks that the checkpoint is whole, that no more than one epoch is lost, and that
the best weights are finite and not worse than any that were reported. At last the run is let
finish, and its weights are compared with those of a run that was never killed. It prints the
counts, and ends with 1 if anything is lost. POSIX only.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from tiny_training import EPOCH, Life, live, losses_of

TOUCHES_OF_A_CHECKPOINT = 24  # files made, renamed and removed while one is written


def main() -> int:
    """Kill, count, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--inside", type=int, default=10, help="of these inside a checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    ways = ["inside"] * arguments.inside + ["anywhere"] * (arguments.kills - arguments.inside)
    chance.shuffle(ways)
    steps = EPOCH * 2 * arguments.kills
    with tempfile.TemporaryDirectory() as folder:
        killed, whole = Path(folder) / "killed", Path(folder) / "whole"
        wrong, lives = kill(killed, ways, steps, chance)
        wrong += compare(live(killed, steps=steps), live(whole, steps=steps))
    went_on = sum(life.last("start") > 0 for life in lives)
    print(f"{len(lives)} kills, {arguments.inside} of them inside a checkpoint:", end=" ")
    print(f"{went_on} processes went on from a checkpoint, {len(wrong)} losses")
    return 1 if wrong else 0


def kill(
    folder: Path, ways: list[str], steps: int, chance: random.Random
) -> tuple[list[str], list[Life]]:
    """Kill the run in each of these ways, one after the other."""
    wrong: list[str] = []
    lives: list[Life] = []
    for way in ways:
        if way == "inside":
            life = live(folder, steps=steps, die_at=chance.randint(1, TOUCHES_OF_A_CHECKPOINT))
        else:
            after, delay = chance.randint(1, 2 * EPOCH), chance.random() * 0.1
            life = live(folder, steps=steps, kill_after=after, delay=delay)
        lives.append(life)
        found = losses_of(folder, lives)
        if life.code != -9:
            found.append(f"it ended with {life.code} instead of being killed")
        wrong += found
        print(
            f"killed {way}: from step {life.last('start')}, at step {life.last('step')}; "
            f"{'; '.join(found) or 'nothing lost'}",
            flush=True,
        )
    return wrong, lives


def compare(killed: Life, whole: Life) -> list[str]:
    """Both runs are at their end: are their best weights the same?"""
    ends = [life.said[-1] if life.said else {} for life in (killed, whole)]
    print(f"end of the killed run: {ends[0]}\nend of a whole run:      {ends[1]}")
    if killed.code or whole.code or "trained" not in ends[0]:
        return [f"they ended with {killed.code} and {whole.code}"]
    return [] if ends[0] == ends[1] else ["the weights differ"]


if __name__ == "__main__":
    sys.exit(main())
