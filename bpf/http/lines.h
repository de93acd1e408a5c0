/* Lines of a head: where it ends, and what its fields say of its body. Eight characters at a time. */
#ifdef HTTP_PROGRAMS

/* Reads "word" as a number, the way memory has it. */
#define WORD2(a, b) ((u64)(a) | (u64)(b) << 8)
#define WORD4(a, b, c, d) (WORD2(a, b) | WORD2(c, d) << 16)
#define WORD8(a, b, c, d, e, f, g, h) (WORD4(a, b, c, d) | WORD4(e, f, g, h) << 32)
#define FIRST(word, bytes) ((word) & ((1ull << 8 * (bytes)) - 1))

#define EACH 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull
/* Steps of one look at a window: one for eight characters, one for each line, one for each digit of a length. */
#define LINE_STEPS 96
/* What is done with the line under way. */
enum line_mode {
	LINE_NEXT = 0,   /* its end is looked for */
	LINE_LENGTH = 1, /* digits of Content-Length */
	LINE_HOST = 2,
};

/* The high bit of each character that is `c`; above the lowest of them also of others. */
static __always_inline u64 marks(u64 word, u64 c)
{
	u64 different = word ^ (EACH * c);
	return (different - EACH) & ~different & HIGHS;
}

/* Characters up to the lowest mark, that one included. */
static __always_inline u64 up_to(u64 marks)
{
	return ((marks - 1 & ~marks) & EACH) * EACH >> 56;
}

static __always_inline u64 word_at(volatile struct http_scratch *s, u64 at)
{
	at &= 511;
	HIDE(at);
	at &= 511;
	return *(volatile u64 *)(s->text + at);
}

#define LOWER(word) ((word) | 0x2020202020202020ull)
#define NAME_CONTENT WORD8('c', 'o', 'n', 't', 'e', 'n', 't', '-')
#define NAME_LENGTH WORD8('l', 'e', 'n', 'g', 't', 'h', ':', 0)
#define NAME_TRANSFER WORD8('t', 'r', 'a', 'n', 's', 'f', 'e', 'r')
#define NAME_ENCODING WORD8('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n')
#define NAME_EXPECT WORD8('e', 'x', 'p', 'e', 'c', 't', ':', 0)
#define NAME_HOST WORD4('h', 'o', 's', 't')

/* The line that begins at `at` has one of the fields that matter. */
static __always_inline void field_begin(volatile struct http_scratch *s, volatile struct http_way *way, u64 at)
{
	u64 name = LOWER(word_at(s, at));
	s->mode = LINE_NEXT;
	s->at = at;
	if (name == NAME_CONTENT && FIRST(LOWER(word_at(s, at + 8)), 7) == NAME_LENGTH) {
		way->sized = 1;
		way->left = 0;
		s->mode = LINE_LENGTH;
		s->at = at + 15;
	} else if (name == NAME_TRANSFER && LOWER(word_at(s, at + 8)) == NAME_ENCODING) {
		way->chunked = 1;
	} else if (FIRST(name, 7) == NAME_EXPECT) {
		way->expects = 1;
	}
#ifdef HTTP_HOSTS
	else if (s->asks && FIRST(name, 4) == NAME_HOST && (word_at(s, at + 4) & 255) == ':') {
		s->mode = LINE_HOST;
		s->at = at + 5;
		s->host_at = s->host_end = s->host = 0;
	}
#endif
}

/* The next digit of a length. */
static __always_inline void length_step(volatile struct http_scratch *s, volatile struct http_way *way)
{
	u64 at = s->at, c = word_at(s, at) & 255;
	if (BELOW((c - '0') & 0xff, 10))
		way->left = way->left * 10 + c - '0';
	else if (c != ' ' || way->left)
		s->mode = LINE_NEXT;
	if (s->mode == LINE_LENGTH)
		s->at = at + 1;
}

#ifdef HTTP_HOSTS
/* Eight more characters of a host, or the blanks before it. */
static __always_inline void host_step(volatile struct http_scratch *s)
{
	u64 at = s->at, word = word_at(s, at), end = marks(word, '\r') | marks(word, '\n');
	if (!s->host_at && (word & 255) == ' ') {
		s->at = at + 1;
		return;
	}
	if (!s->host_at)
		s->host_at = at;
	u64 bytes = end ? up_to(end) - 1 : 8;
	if (bytes < 8)
		word = FIRST(word, bytes);
	u64 hash = (s->host ^ word ^ bytes << 56) * 0x9e3779b97f4a7c15ull;
	s->host = hash ^ hash >> 29;
	s->at = at + bytes;
	s->host_end = at + bytes;
	if (end || at + bytes - s->host_at >= HOST_BYTES)
		s->mode = LINE_NEXT;
}
#endif

/* Looks at the window from `at` on. Returns 1 where the head ends: `at` is behind it then. */
static __always_inline int lines_read(volatile struct http_scratch *s, volatile struct http_way *way)
{
	for (u32 i = 0; i < LINE_STEPS; i++) {
		u64 at = s->at, size = s->size;
		if (at >= size)
			return 0;
		if (s->mode == LINE_LENGTH) {
			length_step(s, way);
			continue;
		}
#ifdef HTTP_HOSTS
		if (s->mode == LINE_HOST) {
			host_step(s);
			continue;
		}
#endif
		u64 ends = marks(word_at(s, at), '\n');
		if (!ends) {
			s->at = at + 8;
			continue;
		}
		u64 next = at + up_to(ends), word = word_at(s, next);
		u64 empty = FIRST(word, 2) == WORD2('\r', '\n') ? 2 : FIRST(word, 1) == '\n';
		s->line = next - 1;
		if (empty) { /* zeros are behind the window */
			s->at = next + empty;
			return 1;
		}
		field_begin(s, way, next);
	}
	return 0;
}

/* From where on the window has to be looked at again with what follows it: the line under way, unless it is so long that it
 * is none of those that matter. */
static __always_inline u64 lines_left(volatile struct http_scratch *s)
{
	u64 at = s->at, line = s->line, size = s->size;
	if (at < size && s->mode == LINE_NEXT) /* the steps have ended before the window */
		return at;
	return line < size && size - line < PART_BYTES ? line : size;
}
#endif
