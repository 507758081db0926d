#!/usr/bin/env python3
"""Records golden exchanges from a running ZooKeeper server; see README.md for how to start one.

    record-client.py HOST:PORT DIRECTORY "Apache ZooKeeper 3.8.0" [SCENARIO ...]
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / 'recorder'))

import access  # noqa: E402
import nodes  # noqa: E402
import sessions  # noqa: E402
import transactions  # noqa: E402
import watching  # noqa: E402
from recording import Recording  # noqa: E402

MODULES = [sessions, nodes, access, transactions, watching]


def main(address, directory, server, *wanted):
    host, port = address.rsplit(':', 1)
    scenarios = {name: each for module in MODULES for name, each in module.SCENARIOS.items()}
    if wanted:
        known = scenarios | sessions.SPECIAL_SCENARIOS
        scenarios = {name: known[name] for name in wanted}
    for name, (subject, scenario) in scenarios.items():
        recording = Recording((host, int(port)), server, subject)
        scenario(recording)
        recording.write_to(pathlib.Path(directory) / f'{name}.txt')
        print(name)


main(*sys.argv[1:])
