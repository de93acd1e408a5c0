/* Paths: a hash that is the same for all paths of a template, and the template's text. */
#ifdef HTTP_PROGRAMS

#define SEGMENT_SEED 14695981039346656037ull
#define SEGMENT_STEP 1099511628211ull
#define FOLDED_SEGMENT 42ull
#define ALREADY_THERE 17 /* EEXIST: headers made of BTF have no macros */

/* What a segment of a path looks like so far: sums of single characters. */
struct segment {
	u64 digits;
	u64 size;
	u64 odd;     /* more than letters with digits behind them */
	u64 special; /* 1: has a character that words have not: % ; < = > @ */
};

/* Without branches: the verifier would follow each apart, for each character. */
static __always_inline void segment_add(struct segment *segment, u64 c)
{
	u64 digit = BELOW((c - '0') & 0xff, 10), letter = BELOW(((c | 32) - 'a') & 0xff, 26);
	HIDE(digit);
	HIDE(letter);
	segment->odd |= (digit | letter) ^ 1;
	segment->odd |= letter & BELOW(0, segment->digits);
	segment->odd |= digit & BELOW(segment->size, 1);
	segment->special |= BELOW((c - ';') & 0xff, 6) | BELOW(c ^ '%', 1);
	segment->digits += digit;
	segment->size++;
}

/* 1 if it is one of many: a number, an id, a date, an address, a token. A short word with a number behind it (v1, oauth2,
 * step3) is a name. */
static __always_inline u64 segment_folds(struct segment *segment)
{
	u64 more = segment->odd | BELOW(3, segment->digits) | BELOW(8, segment->size);
	return (more & BELOW(0, segment->digits)) | BELOW(24, segment->size) | segment->special;
}

static __always_inline u64 mixed(u64 hash, u64 segment, u64 folds)
{
	u64 mask = 0 - folds;
	HIDE(mask);
	u64 next = (hash ^ segment ^ ((segment ^ FOLDED_SEGMENT) & mask)) * 0x9e3779b97f4a7c15ull;
	return next ^ next >> 29;
}

static __always_inline int ends_path(u64 c)
{
	return c == ' ' || c == '?' || c == '#' || c == '\r' || c == '\n';
}

/* The hash of the path that begins at `at`; sets `path_end` to the number of its bytes. */
static __always_inline u64 path_hash(struct http_scratch *s, u32 at, u32 size)
{
	struct segment segment = {};
	u64 hash = 0, text = SEGMENT_SEED, whole = 1;
	for (u32 i = 0; i < PATH_BYTES; i++) {
		u64 c = s->text[at + i];
		s->path_end = i;
		if (at + i >= size || ends_path(c)) {
			whole = 0;
			break;
		}
		if (c == '/') {
			hash = mixed(hash, text, segment_folds(&segment));
			text = SEGMENT_SEED;
			segment.digits = segment.size = segment.odd = segment.special = 0;
		} else {
			segment_add(&segment, c);
			text = (text ^ c) * SEGMENT_STEP;
		}
	}
	hash = mixed(hash, text, segment_folds(&segment) | whole);
	return hash > PATH_UNKNOWN ? hash : hash + 3;
}

/* Writes `*` in place of the segment that ends here if it is one of many. */
static __always_inline void template_fold(volatile struct http_scratch *s, struct segment *segment, u64 cut)
{
	u64 fold = segment_folds(segment) | cut, begin = s->segment;
	if (!fold)
		return;
	s->folded[begin & 255] = '*';
	s->pause = begin + 1;
}

/* Writes the template of the path into `folded`; returns its length. Everything goes through memory: what the verifier
 * knows of a step ends there, so that the steps are one to it. */
static __always_inline u32 path_template(volatile struct http_scratch *s)
{
	u64 at = s->path_at & 127, end = s->path_end;
	s->pause = s->segment = s->digits = s->length = s->odd = s->special = 0;
	for (u32 i = 0; i < PATH_BYTES; i++) {
		if (i >= end)
			break;
		u64 c = s->text[at + i];
		struct segment segment = {
			.digits = s->digits, .size = s->length, .odd = s->odd, .special = s->special};
		if (c == '/') {
			template_fold(s, &segment, 0);
			segment.digits = segment.size = segment.odd = segment.special = 0;
		} else {
			segment_add(&segment, c);
		}
		s->folded[s->pause & 255] = c;
		s->pause = s->pause + 1;
		if (c == '/')
			s->segment = s->pause;
		s->digits = segment.digits;
		s->length = segment.size;
		s->odd = segment.odd;
		s->special = segment.special;
	}
	struct segment last = {.digits = s->digits, .size = s->length, .odd = s->odd, .special = s->special};
	template_fold(s, &last, BELOW(PATH_BYTES - 2, end));
	return s->pause;
}

/* What a text is known by: its hash, or PATH_OTHER if it is one of too many.
 *
 * last: the one that the socket had last. learn: becomes 1 if the text is to be sent. */
static __always_inline u64 text_known(u64 hash, __u64 *last, u64 *learn)
{
	u8 unsent = 0;
	if (*last == hash)
		return hash;
	if (http_paths.lookup(&hash)) {
		*last = hash;
		return hash;
	}
	long refused = http_paths.insert(&hash, &unsent);
	if (!refused)
		*learn = 1;
	/* the other end's program, on another processor, may have put it there just now, and sends it */
	return refused && refused != -ALREADY_THERE ? PATH_OTHER : hash;
}

static __always_inline struct http_fold *fold_of(u64 raw)
{
	u32 place = raw >> 52 & (FOLDS - 1);
	return http_folds.lookup(&place);
}

/* The next request for the very same path has not to be looked through. */
static __always_inline void fold_learn(u64 raw, u64 path)
{
	struct http_fold *fold = raw ? fold_of(raw) : 0;
	u8 *sent = fold ? http_paths.lookup(&path) : 0;
	if (!sent || !*sent)
		return;
	fold->path = path;
	fold->check = raw ^ path;
}

/* Sends a text of `length` bytes, `from` in the kernel. */
static __always_inline void text_send(u64 hash, u8 *from, u32 length, u32 cut)
{
	struct path_event *event = event_reserve();
	if (!event) { /* the next request tries again */
		http_paths.delete(&hash);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->header.at_ns = bpf_ktime_get_ns();
	event->header.kind = KIND_PATH;
	event->header.slot = NO_SLOT;
	event->hash = hash;
	event->cut = cut;
	event->length = length;
	length &= 255;
	if (length > PATH_BYTES)
		length = PATH_BYTES;
	HIDE(length);
	bpf_probe_read_kernel(event->text, length & 255, from);
	ring.ringbuf_submit(event, wakeup());
	u8 *sent = http_paths.lookup(&hash);
	if (sent)
		*sent = 1;
}

static __always_inline void path_send(struct http_scratch *s)
{
	u32 length = path_template(s);
	text_send(s->hash, s->folded, length, s->path_end >= PATH_BYTES - 1);
}

#if HTTP_HOSTS
static __always_inline void host_send(struct http_scratch *s)
{
	u64 at = s->host_at, length = s->host_end - at;
	HIDE(at);
	at &= 511;
	if (length <= HOST_BYTES)
		text_send(s->host, s->text + at, length, length == HOST_BYTES);
}
#endif
#endif
