/** Shapes of the HTTP API's answers as the page reads them, and of what the page makes of them. Never served. */

export type Id = string;
export type Status = "failing" | "degraded" | "ok" | "new" | "gone" | "unknown" | "silent";
/** Seconds since 1970, UTC. */
export type Seconds = number;

/** Seconds of an answer, from the first up to, and without, the last. */
export interface Period {
  from: Seconds;
  to: Seconds;
  step_s: number;
  complete: boolean;
}

export interface Gap {
  node: string;
  from: Seconds;
  to: Seconds;
  reason: string;
  lost: number;
  detail: string;
}

/** Nanoseconds. */
export interface Quantiles {
  p50: number;
  p99: number;
}

export type ChangeState = "new" | "gone" | "changed" | "same";
/** Before, now. */
export type Pair = [number, number];

export interface Change {
  state: ChangeState;
  score: number;
  what: string;
  bytes: Pair;
  opened: Pair;
  failed: Pair;
  retransmits: Pair;
  p99: Pair;
  requests: Pair;
  requests_failed: Pair;
  request_p99: Pair;
}

export interface MapNode {
  id: Id;
  key: string;
  name: string;
  kind: string;
  namespace: string;
  zones: string[];
  versions: string[];
  hop: number;
  status: Status;
  reasons: string[];
  why: { edge: Id; path: Id[] } | null;
  left_out: { up: number; down: number };
  /** That it was asked, by all its callers. */
  requests: number;
  requests_failed: number;
  request_ns: Quantiles | null;
  change: ChangeState | null;
  first_s: Seconds;
  last_s: Seconds;
  /** How many workloads this one stands for; 0: it is one itself. */
  stack: number;
  /** Ids of those that the stack hides and the answer has. */
  members: Id[];
}

export interface MapEdge {
  id: Id;
  from: Id;
  to: Id;
  port: number;
  transport: string;
  status: Status;
  reasons: string[];
  bytes: number;
  reply_bytes: number;
  opened: number;
  closed: number;
  failed: number;
  /** Failed connects by reason: refused, timed_out, unreachable, … */
  failures: Record<string, number>;
  /** Segments sent again, of those sent. */
  retransmits: number;
  sent: number;
  /** Of UDP, sent; lost: not come to the other end; dropped: for which a receive buffer had no room. */
  datagrams: number;
  datagrams_lost: number;
  datagrams_dropped: number;
  /** Packets that a kernel dropped, and why: the most frequent first. */
  dropped: number;
  drops: { category: string; reason: string; hook: string; function: string; node: string; packets: number }[];
  broken: number;
  active: number;
  connect_ns: Quantiles | null;
  rtt_ns: Quantiles | null;
  /** Of HTTP and gRPC; failed: no answer, or one that is the server's failure. */
  requests: number;
  requests_failed: number;
  request_ns: Quantiles | null;
  /** Of DNS; failed: no answer, or one that is the server's failure. */
  queries: number;
  queries_failed: number;
  /** Shares of flows that both ends, or one end alone, reported. */
  evidence: { both: number; client: number; server: number };
  change: Change | null;
  first_s: Seconds;
  last_s: Seconds;
  /** How requests got there through proxies, where these are folded. */
  paths: Path[];
}

/** A way through proxies; the times are those of one request, on average. */
export interface Path {
  via: string[];
  requests: number;
  requests_failed: number;
  before_ns: number;
  upstream_ns: number;
  after_ns: number;
  hops: { id: Id; client: string; server: string; rtt_ns: Quantiles | null; retransmits: number; sent: number }[];
}

export interface MapData {
  selection: Id[];
  nodes: MapNode[];
  edges: MapEdge[];
  shown: number;
  left_out: number;
  of: number;
  truncated_by: string | null;
}

export interface Answer<T> {
  window: Period;
  ledger: { gaps: Gap[] };
  data: T;
}

export interface Series {
  step_s: number;
  begins_s: Seconds[];
  /** null: not known, never zero. */
  columns: Record<string, (number | null)[]>;
}

export interface Moment {
  id: string;
  at: Seconds;
  to: Seconds;
  what: string;
  key: string;
  text: string;
}

export interface Found {
  what: string;
  value: string;
  key: string;
  q: string;
  matched: string;
  workloads: number;
  neighbours: number;
  gone: boolean;
  first_s: Seconds;
  last_s: Seconds;
}

export interface Share {
  value: string;
  failed: number;
  attempts: number;
  lift: number;
  rate: number;
}

export interface By {
  attribute: string;
  values: Share[];
}

/** Values that separate the bad from the healthy; `began` is null if it was so all the time. */
export interface Cause {
  where: Record<string, string>;
  explains: number;
  rate_inside: number;
  rate_outside: number;
  began: Seconds | null;
  before: { at: Seconds; what: string; text: string }[];
}

export interface Where {
  causes: Cause[];
  not: string[];
  by: By[];
}

export interface Instance {
  node: string;
  pod: string;
  container: string;
  process: string;
  image: string;
  address: string;
  region: string;
  version: string;
  zone: string;
  first_s: Seconds;
  last_s: Seconds;
}

/** Requests that are alike. */
export interface Endpoint {
  client: string;
  server: string;
  protocol: string;
  method: string;
  route: string;
  host: string;
  /** 0: no answer. */
  status: number;
  grpc_status: number | null;
  via: string;
  requests: number;
  failed: number;
  /** A second. */
  rate: number;
  client_ns: Quantiles | null;
  server_ns: Quantiles | null;
}

export interface Endpoints {
  endpoints: Endpoint[];
  of: number;
  requests: number;
}

export interface NatHop {
  src: string;
  dst: string;
  rewritten_by: string;
  service: string;
}

/** Network or application: a verdict in a sentence, and what else was found. */
export interface Quality {
  verdict: "network" | "backlog" | "receiver" | "application" | "well" | "unknown";
  sentence: string;
  findings: { verdict: string; text: string }[];
  usual: boolean;
}

export interface NatChain {
  edge: Id;
  client: string;
  server: string;
  hops: NatHop[];
  flows: number;
  both_ends: number;
  unaccounted_bytes: number;
}

export interface Point {
  x: number;
  y: number;
}

export interface Placed extends Point {
  layer: number;
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Layout {
  /** Middles of nodes by id; points of long edges by `FROM>TO@LAYER`. */
  position: Map<string, Placed>;
  /** Middles that an edge goes through, its two ends among them. */
  route: (from: Id, to: Id) => Point[];
}

/** What is looked at: everything that a link says. */
export interface View {
  select: string[];
  hops: number;
  dir: "both" | "up" | "down";
  group: string;
  /** End of the window; null: live. */
  at: Seconds | null;
  window_s: number;
  /** What it is compared with: the end of a window of the same length; null: nothing. */
  against: Seconds | null;
  q: string;
  focus: string | null;
  view: "graph" | "table";
  errors: boolean;
  /** Without proxies: lines lead from who asked to who answered. */
  folded: boolean;
}

/** Something that happened to an edge and is no alarm. */
export interface EdgeEvent {
  at: Seconds;
  what: "new" | "vanished" | "returned" | "more" | "less";
  edge: string;
  client: string;
  server: string;
  text: string;
}

export type Severity = "info" | "warning" | "error" | "critical";

export interface IncidentRow {
  id: string;
  state: "open" | "resolved";
  severity: Severity;
  subject: string;
  symptom: string;
  summary: string;
  since: Seconds;
  ended: Seconds | null;
  share: number;
  expected: number;
  where: Record<string, string>;
  edges: number;
  acknowledged: { by: string; at: Seconds } | null;
  silenced_by: string;
  no_data_since: Seconds | null;
  merged_into: string;
}

export interface Incidents {
  watched: boolean;
  changeable: boolean;
  incidents: IncidentRow[];
  of: number;
  open: number;
}

export interface IncidentCause {
  where: Record<string, string>;
  explains: number;
  bad: number;
  total: number;
  rate_inside: number;
  rate_outside: number;
  also_known_as: Record<string, string>[];
}

export interface Incident {
  incident: IncidentRow;
  text: string;
  causes: IncidentCause[];
  not: string[];
  just_before: string[];
  edges: string[];
  timeline: { at: Seconds; what: string; text: string; who: string; silenced_by: string }[];
  left_out: number;
}

export interface Silence {
  id: string;
  where: string;
  from: Seconds;
  until: Seconds;
  every_s: Seconds;
  ends: Seconds | null;
  reason: string;
  who: string;
  at: Seconds;
  active: boolean;
}
