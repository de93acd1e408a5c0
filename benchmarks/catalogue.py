"""All figures, in the order in which they are measured; a new one joins by one line."""

from functools import partial
from typing import Final

from benchmarks import (
    agent_rate,
    bpf_time,
    chain_rate,
    clickhouse_rate,
    coverage,
    engine_rate,
    enrich_rate,
    filter_rate,
    join_rate,
    json_rate,
    kills,
    kube_follow,
    latency,
    map_cost,
    map_rate,
    nat_table,
    otlp_rate,
    page,
    pairing,
    parquet_rate,
    process_cost,
    produce_rate,
    prometheus_scrape,
    rewrite_cost,
    ring_cost,
    start_time,
    store_query,
    store_rate,
    throughput,
    tick_cost,
    workload_rate,
)
from benchmarks.figure import Figure

FIGURES: Final = (
    Figure("ring_event_cost", "user-space processor time per event of the ring", ring_cost.measure),
    Figure("rewrite_cost", "user-space processor time per NAT entry of ctnetlink", rewrite_cost.measure),
    Figure("bpf_segment", "BPF time per segment received (counters: segment)", bpf_time.measure_segment),
    Figure("bpf_state", "BPF time per state change of a socket", bpf_time.measure_state),
    Figure("bpf_sweep", "BPF time per live socket of the sweep", bpf_time.measure_sweep),
    Figure("bpf_used", "BPF time per read or write of an application", bpf_time.measure_used),
    Figure(
        "kept_requests",
        "share of requests/s that is left",
        partial(throughput.measure, throughput.keep_alive, "/s"),
    ),
    Figure(
        "kept_connections",
        "share of connections/s that is left",
        partial(throughput.measure, throughput.short, "/s"),
    ),
    Figure(
        "kept_stream",
        "share of one stream's Gbit/s that is left",
        partial(throughput.measure, throughput.one_stream, "Gbit/s"),
    ),
    Figure("coverage_connections", "connections reported, at full speed", coverage.measure_connections),
    Figure("coverage_bytes", "bytes by which reports are off, at full speed", coverage.measure_bytes),
    Figure("pairing_dnat", "connections through DNAT joined with their backend", pairing.measure),
    Figure("tick_cost", "a second of the socket table at 100,000 active sockets", tick_cost.measure_cost),
    Figure("tick_growth", "cost of a row at 100,000 sockets over that at fewer", tick_cost.measure_growth),
    Figure("join_rate", "rows of established connections resolved and paired", join_rate.measure_rate),
    Figure("join_new", "new connections resolved and paired", join_rate.measure_new),
    Figure("nat_memory", "memory of a million NAT entries", nat_table.measure_memory),
    Figure("nat_pause", "the longest call while entries come and go", nat_table.measure_pause),
    Figure("user_cpu", "user-space processor time at 5,000 connections/s", process_cost.measure_cpu),
    Figure("resident_memory", "memory of the process at 5,000 connections/s", process_cost.measure_memory),
    Figure(
        "engine_rate", "rows that an engine takes from NATS per second of processor time", engine_rate.measure
    ),
    Figure(
        "workload_rate",
        "flow rows summed up by workload per second of processor time",
        workload_rate.measure,
    ),
    Figure(
        "enrich_rate", "rows that get their owner's name per second of processor time", enrich_rate.measure
    ),
    Figure("filter_rate", "time of a filter on 100,000 flows", filter_rate.measure),
    Figure("otlp_rate", "points and records of OTLP", otlp_rate.measure),
    Figure("json_rate", "time of a row as a JSON line", json_rate.measure),
    Figure("parquet_rate", "rows into Parquet files", parquet_rate.measure),
    Figure("store_rate", "rows into the store", store_rate.measure),
    Figure("store_query", "questions to the store", store_query.measure),
    Figure("map_cost", "what the store and the map add to run", map_cost.measure),
    Figure("clickhouse_rate", "rows as inserts of ClickHouse", clickhouse_rate.measure),
    Figure("produce_rate", "rows into a webhook and Kafka", produce_rate.measure),
    Figure("prometheus_scrape", "a scrape of the sink prometheus", prometheus_scrape.measure),
    Figure("chain_rate", "rows on the whole way through an engine", chain_rate.measure),
    Figure("agent_rate", "processor time of an agent at 100,000 rows/s", agent_rate.measure),
    Figure("map", "a neighbourhood of two hops among 100,000 edges", map_rate.measure),
    Figure("kill_gap", "rows and time lost when engines are killed", kills.measure),
    Figure("latency_memory", "from a window's end to the sink, in one process", latency.measure_memory),
    Figure(
        "latency_nats", "from a window's end to the sink, by agent, NATS and engine", latency.measure_nats
    ),
    Figure("kube_ready", "until a cluster of 10,000 pods is known", kube_follow.measure_ready),
    Figure("kube_memory", "memory to know a cluster of 10,000 pods", kube_follow.measure_memory),
    Figure("kube_changes", "following 1,000 pod changes a second", kube_follow.measure_changes),
    Figure("page_layout", "a fresh layout of the page in Chromium", page.measure_layout),
    Figure("page_first", "from nothing to the first picture of 40 nodes", page.measure_picture),
    Figure("start_time", "until the first hook of an agent is attached", start_time.measure),
)
