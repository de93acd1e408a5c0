/* Maps that all probes share. The loader gives RING_BYTES and RINGS (how many rings there are, `ring` is the first), and
 * for each other ring NAME its NAME_BYTES and its number NAME_RING, with the name in capitals. */

struct cgroup_key {
	u64 id;
	u64 hierarchy;
};

/* Events of 248 bytes. Written by programs, read and given back by user space, which maps it. bcc multiplies by
 * PAGE_SIZE. */
BPF_RINGBUF_OUTPUT(ring, RING_BYTES / PAGE_SIZE);
/* Two cells for each ring (enum ring_count). Counted up at each event, never cleared; read by user space. */
BPF_PERCPU_ARRAY(ring_counts, u64, RING_COUNTS *RINGS);
/* Cgroups whose names were sent. Inserted once the event is in the ring, looked up when an owner is read, never deleted:
 * the oldest make room. */
BPF_TABLE("lru_hash", struct cgroup_key, u8, seen_cgroups, 16384);
/* The cgroup that was looked for last, by processor: most often it is the same again. Written and read when an owner is
 * read. */
BPF_PERCPU_ARRAY(last_cgroup, u64, 1);
