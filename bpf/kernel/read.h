/* Reading the kernel's memory, and writing down what was read. */

#define LOW(a, b) ((a) < (b) ? (a) : (b))
#define HIGH(a, b) ((a) > (b) ? (a) : (b))
#define READ(to, from) bpf_probe_read_kernel(&(to), sizeof(to), &(from))

/* An address as IPv6, IPv4-mapped where it is IPv4. */
static __always_inline void fill_address(u8 *to, u16 family, u8 *v4, u8 *v6)
{
	if (family == AF_INET6) {
		__builtin_memcpy(to, v6, 16);
		return;
	}
	to[10] = to[11] = 0xff;
	__builtin_memcpy(to + 12, v4, 4);
}
