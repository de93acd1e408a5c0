enum lookups_event { KIND_LOOKUP = 128 };
struct lookup_event {
	struct event_header header;
	__u32 pid;
	char comm[16];
	__u8 reserved[12]; /* with the kernel's 8 bytes a record is 64 */
};
