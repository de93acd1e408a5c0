/* datagrams PORT PEERS SECONDS: sends datagrams of 100 bytes over loopback to so many ports in turn, from PORT on, as fast as
 * it can, and reads none; prints how many were sent. One peer: the socket is connected. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TURN 256

static double now(void)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec + at.tv_nsec / 1e9;
}

int main(int count, char **words)
{
	if (count != 4)
		return 2;
	int first = atoi(words[1]), peers = atoi(words[2]), out = socket(AF_INET, SOCK_DGRAM, 0), room = 1;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char data[100] = {0};
	unsigned long sent = 0;
	for (int peer = 0; peer < peers; peer++) {
		int in = socket(AF_INET, SOCK_DGRAM, 0);
		to.sin_port = htons(first + peer);
		setsockopt(in, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
		if (bind(in, (void *)&to, sizeof(to)))
			return 1;
	}
	to.sin_port = htons(first);
	if (peers == 1 && connect(out, (void *)&to, sizeof(to)))
		return 1;
	for (double end = now() + atof(words[3]); now() < end;)
		for (int turn = 0; turn < TURN; turn++) {
			to.sin_port = htons(first + sent % peers);
			long done = peers == 1 ? send(out, data, sizeof(data), 0) :
						 sendto(out, data, sizeof(data), 0, (void *)&to, sizeof(to));
			sent += done == sizeof(data);
		}
	printf("%lu\n", sent);
	return 0;
}
