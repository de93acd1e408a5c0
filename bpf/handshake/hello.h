/* ClientHello and ServerHello, read as they come: in any pieces, without a copy of what is not asked for. */

/* Of what is read at once: the longest is the server's name. */
#define HELLO_TEXT 160
#define NAME_BYTES 152
#define OFFERED_BYTES 44
#define CHOSEN_BYTES 16
/* Steps of one run: a hello has about 30. */
#define HELLO_TURNS 16

#define TYPE_ALERT 21
#define TYPE_HANDSHAKE 22
#define EXTENSION_NAME 0
#define EXTENSION_PROTOCOLS 16
#define EXTENSION_VERSIONS 43

/* Handshakes under way at once. */
#define HELLOS 2048

/* What the bytes that are wanted are. */
enum hello_stage {
	HELLO_RECORD = 0, /* a record's head, and the first byte of its message */
	HELLO_MESSAGE = 1,
	HELLO_SESSION = 2,
	HELLO_CIPHERS = 3,
	HELLO_COMPRESSIONS = 4,
	HELLO_CHOICE = 5, /* the server's cipher and compression */
	HELLO_EXTENSIONS = 6,
	HELLO_EXTENSION = 7,
	HELLO_CONTENT = 8,
};

/* A handshake under way. */
struct hello {
	struct hello_event event;
	u64 skip;   /* bytes to come that nobody wants */
	u64 need;   /* bytes wanted behind these */
	u64 have;   /* of which in `text` */
	u64 left;   /* bytes of the message behind all these */
	u64 behind; /* bytes of the extension behind what is wanted of it */
	u64 record; /* bytes of the record's body */
	u64 type;   /* of the extension */
	u64 stage;
	u64 answer; /* 1: the server's hello is awaited */
	u64 client; /* 1: this end is the client */
	u64 begun;  /* 1: it is one, and counted */
	u32 generation; /* of the socket */
	u32 reserved;
	u8 text[256 + HELLO_TEXT];
};

/* Handshakes under way, by the slot of the socket. Inserted at the first record, deleted when both hellos are read; the
 * oldest make room. */
BPF_TABLE("lru_hash", u32, struct hello, hellos, HELLOS);
/* An empty one, for there is no room for it on the stack. Written and read when a handshake begins. */
BPF_PERCPU_ARRAY(new_hellos, struct hello, 1);
/* Counted up by the programs, never cleared; read by user space (enum handshake_tally). */
BPF_PERCPU_ARRAY(handshake_tallies, u64, HANDSHAKE_TALLIES);

#ifdef HTTP_PROGRAMS
static __always_inline void handshake_tally(u32 what)
{
	u64 *cell = handshake_tallies.lookup(&what);
	if (cell)
		__sync_fetch_and_add(cell, 1);
}

static __always_inline u64 short_at(volatile u8 *text)
{
	return (u64)text[0] << 8 | text[1];
}

/* What is wanted next. Returns 0 if the message is shorter. */
static __always_inline int hello_want(volatile struct hello *h, u64 stage, u64 skip, u64 need)
{
	h->stage = stage;
	h->skip = skip;
	h->need = need;
	h->have = 0;
	if (skip + need > h->left)
		return 0;
	h->left -= skip + need;
	return 1;
}

/* Takes what is wanted from the application's memory. Returns 1 once it is whole, 0 if more is to come, -1 if the memory
 * cannot be read. */
static __always_inline int hello_take(volatile struct hello *h, volatile struct http_scratch *s)
{
	u64 here = s->room - s->at, skip = h->skip < here ? h->skip : here;
	u64 had = h->have, take = h->need - had, at = s->at + skip;
	h->skip -= skip;
	here -= skip;
	if (take > here)
		take = here;
	HIDE(take);
	if (take > HELLO_TEXT)
		return -1;
	had &= 255;
	if (take && bpf_probe_read_user((void *)h->text + had, take, (void *)(s->buffer + at)))
		return -1;
	s->at = at + take;
	h->have += take;
	return !h->skip && h->have == h->need;
}

/* What one step comes to. */
enum hello_result {
	HELLO_BROKEN = 0,
	HELLO_GOES_ON = 1,
	HELLO_READ = 2,
	HELLO_REFUSED = 3,
};

static __always_inline int hello_record(volatile struct hello *h)
{
	h->record = short_at(h->text + 3);
	if (h->text[0] != TYPE_HANDSHAKE || h->text[1] != 3)
		return h->answer && h->text[0] == TYPE_ALERT ? HELLO_REFUSED : HELLO_BROKEN;
	if (h->text[5] != 1 + h->answer)
		return HELLO_BROKEN;
	if (!h->begun)
		handshake_tally(HANDSHAKES_BEGUN);
	h->begun = 1;
	h->left = 5;
	return hello_want(h, HELLO_MESSAGE, 0, 5);
}

static __always_inline int hello_message(volatile struct hello *h)
{
	u64 length = (u64)h->text[0] << 16 | short_at(h->text + 1);
	if (length + 4 > h->record || length < 2)
		return HELLO_BROKEN;
	h->left = length - 2;
	if (h->answer)
		h->event.version = short_at(h->text + 3);
	return hello_want(h, HELLO_SESSION, 32, 1);
}

/* Behind an extension, or at the beginning of the first. */
static __always_inline int hello_next(volatile struct hello *h, u64 skip)
{
	if (h->left < skip)
		return HELLO_BROKEN;
	return h->left < skip + 4 ? HELLO_READ : hello_want(h, HELLO_EXTENSION, skip, 4);
}

static __always_inline int hello_extension(volatile struct hello *h)
{
	u64 type = short_at(h->text), length = short_at(h->text + 2), most = 0;
	if (h->answer)
		most = type == EXTENSION_VERSIONS ? 2 : type == EXTENSION_PROTOCOLS ? CHOSEN_BYTES + 3 : 0;
	else
		most = type == EXTENSION_NAME ? NAME_BYTES + 5 : type == EXTENSION_PROTOCOLS ? OFFERED_BYTES + 2 : 0;
	if (!most || !length)
		return hello_next(h, length);
	h->type = type;
	h->behind = length > most ? length - most : 0;
	return hello_want(h, HELLO_CONTENT, 0, length - h->behind);
}

/* A copy within the hello; `room` is a constant. */
#define HELLO_COPY(to, from, length, room)                                                       \
	do {                                                                                     \
		u64 bytes = (length);                                                            \
		HIDE(bytes);                                                                     \
		if (bytes <= (room))                                                             \
			bpf_probe_read_kernel((void *)(to), bytes, (void *)(from));              \
	} while (0)

static __always_inline void hello_name(volatile struct hello *h)
{
	u64 length = h->need < 5 ? 0 : short_at(h->text + 3);
	if (h->text[2] || length > h->need - 5 + h->behind)
		return;
	if (length > NAME_BYTES) {
		length = NAME_BYTES;
		h->event.flags |= HANDSHAKE_CUT;
	}
	h->event.name_length = length;
	HELLO_COPY(h->event.name, h->text + 5, length, NAME_BYTES);
}

static __always_inline void hello_protocols(volatile struct hello *h)
{
	u64 length = h->need < 3 ? 0 : h->need - 2;
	if (!h->answer) {
		h->event.offered_length = length;
		HELLO_COPY(h->event.offered, h->text + 2, length, OFFERED_BYTES);
	} else if (length && h->text[2] == length - 1) {
		h->event.chosen_length = length - 1;
		HELLO_COPY(h->event.chosen, h->text + 3, length - 1, CHOSEN_BYTES);
	}
}

static __always_inline int hello_content(volatile struct hello *h)
{
	if (h->type == EXTENSION_NAME)
		hello_name(h);
	else if (h->type == EXTENSION_PROTOCOLS)
		hello_protocols(h);
	else if (h->need == 2)
		h->event.version = short_at(h->text);
	return hello_next(h, h->behind);
}

/* What is wanted is there. */
static __always_inline int hello_step(volatile struct hello *h)
{
	switch (h->stage) {
	case HELLO_RECORD:
		return hello_record(h);
	case HELLO_MESSAGE:
		return hello_message(h);
	case HELLO_SESSION:
		return h->answer ? hello_want(h, HELLO_CHOICE, h->text[0], 3) : hello_want(h, HELLO_CIPHERS, h->text[0], 2);
	case HELLO_CIPHERS:
		return hello_want(h, HELLO_COMPRESSIONS, short_at(h->text), 1);
	case HELLO_CHOICE:
		h->event.cipher = short_at(h->text);
		return h->left ? hello_want(h, HELLO_EXTENSIONS, 0, 2) : HELLO_READ;
	case HELLO_COMPRESSIONS:
		return h->left > h->text[0] ? hello_want(h, HELLO_EXTENSIONS, h->text[0], 2) : HELLO_READ;
	case HELLO_EXTENSIONS:
		return hello_next(h, 0);
	case HELLO_EXTENSION:
		return hello_extension(h);
	}
	return hello_content(h);
}
#endif
