/* peers TO FROM COUNT: datagrams of 10 bytes from one socket on the port FROM to the port TO over loopback, each from another
 * address from 127.16.0.0 on. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#define BATCH 64

int main(int count, char **words)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
	int out = socket(AF_INET, SOCK_DGRAM, 0), all = atoi(words[3]);
	char data[10] = {0}, controls[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
	struct iovec piece = {data, sizeof(data)};
	struct mmsghdr messages[BATCH];
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(out, (void *)&from, sizeof(from)))
		return 1;
	for (int sent = 0; sent < all; sent += BATCH) {
		for (int at = 0; at < BATCH; at++) {
			struct msghdr *head = &messages[at].msg_hdr;
			memset(head, 0, sizeof(*head));
			*head = (struct msghdr){&to, sizeof(to), &piece, 1, controls[at], sizeof(controls[at]), 0};
			struct cmsghdr *control = CMSG_FIRSTHDR(head);
			control->cmsg_level = IPPROTO_IP;
			control->cmsg_type = IP_PKTINFO;
			control->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
			struct in_pktinfo source = {.ipi_spec_dst.s_addr = htonl(0x7f100000 + sent + at)};
			memcpy(CMSG_DATA(control), &source, sizeof(source));
		}
		if (sendmmsg(out, messages, BATCH, 0) != BATCH)
			return 1;
	}
	return 0;
}
