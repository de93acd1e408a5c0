/* Lines of a head: where it ends, and what its fields say of its body. Eight characters at a time. */
#ifdef HTTP_PROGRAMS

/* Reads "word" as a number, the way memory has it. */
#define WORD2(a, b) ((u64)(a) | (u64)(b) << 8)
#define WORD4(a, b, c, d) (WORD2(a, b) | WORD2(c, d) << 16)
#define WORD8(a, b, c, d, e, f, g, h) (WORD4(a, b, c, d) | WORD4(e, f, g, h) << 32)
#define FIRST(word, bytes) ((word) & ((1ull << 8 * (bytes)) - 1))

#define EACH 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull
/* Steps of one look at a window: one for 32 characters, one for each line. */
#define LINE_STEPS 40

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

/* Eight characters of the window. */
static __always_inline u64 word_at(volatile struct http_scratch *s, u64 at)
{
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

/* The number that follows Content-Length. */
static __always_inline u64 length_at(struct http_scratch *s, u64 at)
{
	u64 value = 0;
	for (u32 i = 0; i < 16; i++) {
		u64 c = word_at(s, at + i) & 255;
		if (BELOW((c - '0') & 0xff, 10))
			value = value * 10 + c - '0';
		else if (c != ' ' || value)
			break;
	}
	return value;
}

#if HTTP_HOSTS
/* A host, hashed. */
static __always_inline void host_read(struct http_scratch *s)
{
	u64 hash = 0, at = s->host_at;
	at += BELOW((word_at(s, at) & 255) ^ ' ', 1);
	s->host_at = at;
	for (u32 i = 0; i < HOST_BYTES / 8; i++) {
		u64 word = word_at(s, at), end = marks(word, '\r') | marks(word, '\n'), bytes = 8;
		if (end) {
			bytes = up_to(end) - 1;
			word &= (1ull << 8 * (bytes & 7)) - 1;
		}
		hash = (hash ^ word ^ bytes << 56) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 29;
		at += bytes;
		if (end)
			break;
	}
	s->host = hash;
	s->host_end = at;
}
#endif

/* How far the next line begins behind `at`; 0 if not within 32 characters. */
static __always_inline u64 line_end(volatile struct http_scratch *s, u64 at)
{
	u64 first = marks(word_at(s, at), '\n'), second = marks(word_at(s, at + 8), '\n');
	u64 third = marks(word_at(s, at + 16), '\n'), fourth = marks(word_at(s, at + 24), '\n');
	if (first)
		return up_to(first);
	if (second)
		return 8 + up_to(second);
	if (third)
		return 16 + up_to(third);
	return fourth ? 24 + up_to(fourth) : 0;
}

/* Looks at the window from `at` on for lines. Returns 1 where the head ends: `at` is behind it then. What a step has found goes
 * through memory: to the verifier all steps are alike. */
static __always_inline int lines_find(volatile struct http_scratch *s, volatile struct http_way *way)
{
	for (u32 i = 0; i < LINE_STEPS; i++) {
		u64 at = s->at;
		if (at >= s->size)
			return 0;
		u64 behind = line_end(s, at);
		if (!behind) {
			s->at = at + 32;
			continue;
		}
		u64 next = at + behind, word = word_at(s, next), name = LOWER(word);
		s->at = next;
		if (next > s->size)
			return 0;
		s->line = next - 1;
		if (FIRST(word, 2) == WORD2('\r', '\n')) { /* zeros are behind the window */
			s->at = next + 2;
			return 1;
		}
		if (FIRST(word, 1) == '\n') {
			s->at = next + 1;
			return 1;
		}
		if (name == NAME_CONTENT && FIRST(LOWER(word_at(s, next + 8)), 7) == NAME_LENGTH)
			s->length_at = next + 15;
		else if (name == NAME_TRANSFER && LOWER(word_at(s, next + 8)) == NAME_ENCODING)
			way->chunked = 1;
		else if (FIRST(name, 7) == NAME_EXPECT)
			way->expects = 1;
#if HTTP_HOSTS
		else if (s->asks && FIRST(name, 4) == NAME_HOST && FIRST(word >> 32, 1) == ':')
			s->host_at = next + 5;
#endif
	}
	return 0;
}

/* Looks at the window from `at` on. Returns 1 where the head ends: `at` is behind it then. Values are read once the end of their
 * line was seen. */
static __always_inline int lines_read(struct http_scratch *s, struct http_way *way)
{
	s->length_at = s->host_at = s->host_end = 0;
	int ended = lines_find(s, way);
	if (s->length_at && s->line > s->length_at) {
		way->left = length_at(s, s->length_at);
		way->sized = 1;
	}
#if HTTP_HOSTS
	if (s->host_at && s->line > s->host_at)
		host_read(s);
#endif
	return ended;
}

/* From where on the window has to be looked at again with what follows it: the line under way, unless it is so long that it
 * is none of those that matter. */
static __always_inline u64 lines_left(struct http_scratch *s)
{
	u64 at = s->at, line = s->line, size = s->size;
	if (at < size) /* the steps have ended before the window */
		return at;
	return line < size && size - line < PART_BYTES ? line : size;
}
#endif
