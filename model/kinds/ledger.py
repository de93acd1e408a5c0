"""Wherever something can be lost it is counted, by reason. Each stage says in which unit. In each,
`received == delivered + queued + dropped`. A node sends its ledger once a second, as a message of its own; sinks get
it beside whatever rows they were asked for. It has no rows: its message says

| key | meaning |
|---|---|
| `stages` | stage → `unit`, `received`, `delivered`, `queued`, `dropped` and `noted` (reason → count), `balanced` |
| `open_sockets` | connections open at the window's end, also those without a row |
| `version` | of Tailrace; empty from an agent of before it said so, and in the ledger of an engine |

The sink jsonl writes a line `{"kind":"ledger", …, "stages":{…}}` when the ledger changed.

{stages}
"""

from typing import Final, NamedTuple

from model.kind import Kind


class StageNote(NamedTuple):
    """What a stage counts, for the schema page."""

    stage: str
    unit: str
    dropped: str
    noted: str


#: In the order in which data meets them.
STAGES: Final = (
    StageNote(
        "`kernel`",
        "events",
        "`ring_full`: events came faster than they were read; raise `tcp.ring_bytes`",
        "`slotless`: sockets without a slot, raise `tcp.slots`; `untracked`: not seen before their "
        "end; `ignored`: ended while Tailrace started; `adopted`: open before the start; `within`: "
        "state changes in the middle of another one on the same processor, seen by a program of "
        "their own; `healed`: state changes that were missed all the same, found by other means; "
        "`stale`; `windows_joined`: seconds slept through",
    ),
    StageNote(
        "`conntrack`",
        "NAT entries that came, went, or were there",
        "`unreadable`",
        "`overruns`: the kernel left messages out, and dumps told what there was then; raise "
        "`nat.buffer_bytes`; `namespaces`: known now; `dumps`, `dumps_failed`, `unreachable`: "
        "namespaces that may not be entered, or numbered; `unplaced`: of a namespace that was not "
        "found yet, and is dumped when it is",
    ),
    StageNote(
        "`http2`",
        "requests of HTTP/2",
        "`records_lost`: under way when pieces of header blocks were lost, raise `http.http2.ring_bytes`; "
        "`too_many_streams`: raise `http.http2.streams`; `no_cell`: raise `http.cells`",
        "`records`: pieces of header blocks; `ring_full`: of these, lost; `connections_left_out`, "
        "`records_left_out`: raise `http.http2.connections`; `joined`: connections that were open before they were "
        "seen; `unfollowed`: times that their next frame was not found; `unknown_fields`: blocks with fields that "
        "are not known, `unpaired`: answers whose request was not seen, both of such connections or behind a loss; "
        "`under_way`: now",
    ),
    StageNote(
        "`dns`",
        "queries of DNS that ended, in the kernel's messages",
        "`no_cell`: of more kinds than `dns.cells` in one second",
        "`packets` with messages; of those that user space looks at (new names, TCP) `packets_over_rate`: beyond "
        "`dns.rate`, `packets_ring_full`: raise `dns.ring_bytes`; `packets_short`, `packets_unreadable`, "
        "`packets_no_socket`: not looked at; `no_message`: packets that go on with a message, or have none; "
        "`unasked`: answers whose question was not seen, or that came too late; `pending_full`: questions beyond "
        "`dns.pending`, which user space has, `forgotten`: and those beyond as many there; `in_cells`: exchanges "
        "beyond `dns.rate`, counted in the kernel, `cells_full`: of these, without their name, for `dns.cells` "
        "were in use; `other_names`: queries whose name is not kept apart; `searches_forgotten`: names beyond "
        "`dns.pending` that may be a search list's; `addresses_left_out`; `under_way`: now",
    ),
    StageNote(
        "`queries`",
        "the same on their way to rows of their sockets",
        "`socket_unknown`: their socket had no row in three seconds",
        "`name_unknown`: the text of their name was lost",
    ),
    StageNote(
        "`handshakes`",
        "handshakes of TLS that began, of the whole machine; `queued`: under way",
        "`unreadable`: malformed, or in a form that is not read; `abandoned`: the connection ended in the middle; "
        "`evicted`: more than 2,048 were under way; `ring_full`",
        "`unanswered`: of those told, refused by the server; `joined`: connections that were open before",
    ),
    StageNote(
        "`tls`",
        "texts that TLS libraries read or wrote",
        "`socket_unknown`: no record told of which connection they are",
        "`by_call`, `by_record`: connections whose socket was used in a call, or read before it; `mismatched`: "
        "records that were not those of the next call; `files` looked at; `attached`, `left`: probes put in a file, "
        "and taken off; `refused`: by the kernel; `files_beyond`, `files_beyond_memory`, `processes_beyond`, "
        "`processes_unlooked`, `untold`: more than there is room for",
    ),
    StageNote(
        "`ring.NAME`",
        "events of the ring of a probe of another package",
        "`ring_full`: give the ring a larger size",
        "",
    ),
    StageNote(
        "`udp`",
        "flows of UDP that began, of the whole machine, and datagrams that are in none",
        "`no_slot`: datagrams in no flow, for which no slot was free: raise `udp.slots`",
        "`ended`; `no_slot_bytes`: payload of the former; `folded`: flows of several peers (`udp.peers`); `aliases`: "
        "flows that NAT in their own namespace rewrites; `adopted`: sockets that were open before the start; "
        "`uncounted_drops`, `uncounted_errors`: of no known flow; `unreadable` packets; `unnumbered`: sockets that "
        "do not fold; `lost_hooks`: that another program has detached; `readers`: sockets that send nothing, whose "
        "process was seen to receive; `unawaited`: such sockets for which nobody looked, for want of room",
    ),
    StageNote(
        "`datagrams`",
        "events of flows of UDP: what they counted so far, or at their end",
        "`ended_before`, `ended_twice`: of a flow whose end was told, or taken for lost",
        "`end_unseen`: flows whose end was lost; `late` rows",
    ),
    StageNote(
        "`nat`",
        "NAT entries said by conntrack, or by nodes",
        "`table_full`: all entries of the table hold; raise `nat.entries`",
        "`evicted`: entries made room; `udp_evicted`: of UDP that conntrack still had (`nat.udp_entries`); "
        "`undecided`: connections that may have had any of several; "
        "`losses`: times in which entries may have been missed",
    ),
    StageNote(
        "`frames`",
        "batches from the probes",
        "`unreadable`",
        "`left_at_the_end`; `unknown_ring`: of a probe that is not installed here",
    ),
    StageNote(
        "`receiver.NAME`",
        "events that the receiver of such a probe got",
        "`receiver_failed`: it raised; the log says what",
        "`failures`: how often",
    ),
    StageNote(
        "`sockets`",
        "events",
        "`ended_twice`, `unknown_kind`",
        "`late`, `without_slot`, `untracked`, `healed`, `end_unseen`, `cgroup_table_full`",
    ),
    StageNote(
        "`answers`",
        "answers of DNS that name addresses",
        "",
        "`evicted`: of use longest ago, for want of room; `name_unknown`: the text of a name was lost; "
        "`name_table_full`, `names_refused`: more different names than are kept",
    ),
    StageNote(
        "`deltas`",
        "rows",
        "",
        "",
    ),
    StageNote(
        "`join`",
        "rows",
        "",
        "`late`; `one_end_only`: connections that ended without their other end; `met_later`: of "
        "which it came in a later second; `moved`: whose rewriting was learnt after their first "
        "row; `rekeyed`: sent to another partition for it; `flows_evicted`: forgotten for want of "
        "room; of [routes](http.md#routes): `routes_beyond`, `paths_beyond`, `paths_forgotten`, `places_folded`",
    ),
    StageNote(
        "`workloads`",
        "flow rows",
        "",
        "`rows_folded`, `pairs_folded`: rows of kind `other`; raise `workloads.pairs`",
    ),
    StageNote(
        "`endpoints`",
        "request rows",
        "",
        "`rows_folded`, `endpoints_folded`: rows of kind `other`; raise `workloads.endpoints`",
    ),
    StageNote(
        "`detector` (unless `trouble.enabled` is `off`)",
        "edges with traffic, each ten seconds",
        "`not_known`: of ten seconds whose data is not complete",
        "`edges_forgotten`; `late_windows`; `leaves_forgotten`: traffic that explains nothing, for want of room; "
        "`drop_reasons_left_out`, `answers_left_out`: what no message tells, past 1,000 of ten seconds; "
        "`rule_series_refused`: lookups of workloads that a rule has no room for; "
        "`windows_without_instances`: seconds with too many of them, which explain no pod and no node; "
        "of several engines `late_counts`, and `counts_of_other_rules`, `rows_not_counted` (past 100,000 of ten "
        "seconds) and counts or state `too_large` for a message: what is left out is missing data",
    ),
    StageNote(
        "`incidents` (likewise)",
        "looks at all edges",
        "`not_kept`: the disk took no more; what changed then is told to nobody",
        "of incidents: `opened`, `reopened`, `updated`, `resolved`, `merged`; `dropped`: well before they opened; "
        "`refused`: too many at once",
    ),
    StageNote(
        "`alerts.TARGET` (likewise)",
        "alerts offered to a target; `queued`: those that wait",
        "`overtaken`: a newer state of the incident came; `folded`: ended while only a summary had told of it; "
        "`dead`: refused for good, or too many waited; `unsure`: on its way at a kill, and not told again",
        "`retried`: attempts that failed; `summaries`: of those that wait for the limit; `told_again`: may have come "
        "before",
    ),
    StageNote(
        "`outbox` (agent)",
        "rows",
        "`outage`: NATS was away for longer than the buffer lasts; `too_large`, `shutdown`, `spool_failed`",
        "`publish_retries`",
    ),
    StageNote(
        "`deltas` (engine)",
        "messages",
        "`unreadable`: on the dead-letter subject; `unknown_kind`: rows of a newer program; `expired`: older than "
        "`max_age_seconds` before they were read; `stream_lost`: unread, as far as known, in a stream that is gone",
        "`duplicates`; `expired`, `stream_lost`: how often",
    ),
    StageNote(
        "`sink.NAME`",
        "rows",
        "`queue_full`: slower than the rows come; `disk_full`, `shutdown`, `sink_crashed`, and what "
        "the sink's own page names",
        "",
    ),
)


def _table() -> str:
    head = ("stage", "unit", "dropped for", "noted (nothing lost)")
    rows = [head, ("---",) * len(head), *STAGES]
    return "\n".join("".join(f"| {cell} " if cell else "| " for cell in row) + "|" for row in rows)


#: The loss ledger of a node, or of an engine, at the end of a window.
LEDGER: Final = Kind(
    "ledger",
    "ledgers",
    (),
    head={"stages": {}, "open_sockets": 0, "version": ""},
    document=("stages",),
    to_all_sinks=True,
    title="The ledger",
    page=(__doc__ or "").replace("{stages}", _table()),
)
