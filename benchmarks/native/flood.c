/* flood PORT PORTS SECONDS SENDERS: so many threads send datagrams of 100 bytes over loopback to so many ports in turn, from
 * PORT on, as fast as they can; nobody need listen. Prints how many were sent. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define TURN 64
#define SENDERS 16

static int first, ports;
static double seconds;

static double now(void)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec + at.tv_nsec / 1e9;
}

static void *send_all(void *number)
{
	int out = socket(AF_INET, SOCK_DGRAM, 0), port = (long)number * 7919 % ports;
	struct sockaddr_in to[TURN] = {0};
	struct mmsghdr turn[TURN] = {0};
	char data[100] = {0};
	struct iovec part = {.iov_base = data, .iov_len = sizeof(data)};
	unsigned long sent = 0;
	for (int place = 0; place < TURN; place++) {
		to[place].sin_family = AF_INET;
		to[place].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		turn[place].msg_hdr = (struct msghdr){
			.msg_name = &to[place], .msg_namelen = sizeof(to[place]), .msg_iov = &part, .msg_iovlen = 1};
	}
	for (double end = now() + seconds; now() < end;) {
		for (int place = 0; place < TURN; place++, port = port + 1 < ports ? port + 1 : 0)
			to[place].sin_port = htons(first + port);
		int done = sendmmsg(out, turn, TURN, 0);
		sent += done > 0 ? done : 0;
	}
	return (void *)sent;
}

int main(int count, char **words)
{
	pthread_t threads[SENDERS];
	unsigned long sent = 0;
	if (count != 5 || atoi(words[4]) > SENDERS)
		return 2;
	first = atoi(words[1]), ports = atoi(words[2]), seconds = atof(words[3]);
	for (long number = 0; number < atoi(words[4]); number++)
		if (pthread_create(&threads[number], 0, send_all, (void *)number))
			return 1;
	for (int number = 0; number < atoi(words[4]); number++) {
		void *mine;
		pthread_join(threads[number], &mine);
		sent += (unsigned long)mine;
	}
	printf("%lu\n", sent);
	return 0;
}
