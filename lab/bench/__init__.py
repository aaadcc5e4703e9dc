"""Speed and memory of the product in its deployed shape, as ratios within one run: `make bench`.

    python -m lab.bench [--quick] [--rounds N] [--only NAME ...]
    python -m lab.bench --soak [--minutes N] [--findings N]

Each measurement is one JSON object a line on standard output, `{"name", "value", "unit", "goal", "ok", …}`; what a
person reads meanwhile goes to standard error. The first line is `setup`: the latencies, bodies, cores and versions that
the figures stand on. A goal that is missed is printed and does not fail the command; a measurement that this machine
cannot make is `{"name", "skipped": why}`. Everything that is written is below `.bench/`.

What is compared with what:

==========================  ============================================================================================
`latency_vs_critical_path`  one warm finding through functions-framework, from post to answer / the longest way through
                            the questions' dependencies with the lab's latencies; `_10`, `_100`: p50 of so many at once
`by_hand_vs_responder`      the record's own commands of steps 1 to 4, and of step 7 those that ask for the project, its
                            security contacts and its owners, in the real gcloud and kubectl, one after another, against
                            the same lab with the same latencies / one warm finding
`foreign_throughput_vs_…`   messages of another category per second / a function that does nothing, same server
`cold_start_vs_noop`        from spawn to the first answer to a foreign message / the same of that function
`cold_first_record`         (from spawn to the first record, less the critical path) / that function's cold start
`cpu_per_finding_vs_fetch`  CPU of one warm finding, server and all / CPU of its very calls sent again by the same
                            clients, replies parsed (protobuf messages, JSON), nothing done with them
`triage_us_per_exec`        CPU of reading and judging the programs of the traced builds / how many they are
`argv_1mb_ms`               the same for the worst of some command lines of a megabyte; `argv_doubling`: how much dearer
                            it is than half a megabyte (2 is linear)
`rss_mib_…`                 memory of the whole process tree of the function
`store_vs_raw_…`            admit, claim, two saves and release of a record of 300 kB / the raw driver making the same
                            writes with ready texts; on SQLite, and on Firestore's emulator where that is installed
`duplicates_vs_noop`        messages of a finding whose record is finished per second / the function that does nothing
`log_reads`                 calls of Cloud Logging for 20 pods with 40 findings each, under a limit of 60 a minute
`burst_vs_floor`            1,000 deliveries (800 findings of 800 pods), 80 at once, until the last answer / the
                            findings' critical paths, 80 at once; a lab with 10 log lines a query, searched once before
`capture_vs_raw`            taking 20 files of 1 MiB out of a container with real programs, hashed, sealed and kept in
                            the folder store / one `cat` of them over the same exec channel, nothing done with its
                            bytes; with the lab's latencies and 32 KiB a millisecond; `_loopback`: with neither
`capture_memory`            MiB at the peak of taking a file of 80 MiB and a program of 8, above the process that had
                            taken small ones
`soak_…`                    two new findings a second through Pub/Sub for minutes: seconds from publishing to the record
                            (p95), and what was lost; then memory, median over the last fifth of thousands of findings
                            / over the first; `own_growth` is the same of the pages that no file is behind: the others'
                            share moves with every process on the machine that maps the same libraries
==========================  ============================================================================================

The server under test has one core, the lab and the client have the other, where there are two. Rounds of what is
compared alternate, so that a slow minute of the machine meets both sides; the figure is the median of the rounds.
"""
