/* One HTTP request per connection to 127.0.0.1, at a fixed rate: `pace PORT SECONDS RATE THREADS REQUEST`.
 * A thread that falls behind its timetable makes up for it. Prints, as numbers in one line: connections made,
 * connects or exchanges that failed, bytes sent, bytes received, seconds. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000L
#define MOST_THREADS 64

static struct sockaddr_in server;
static const char *request;
static size_t request_bytes;
static long seconds, rate, threads;

struct tally {
	long number, made, failed, sent, received;
};

static long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static void wait_for(long at)
{
	struct timespec t = {at / SECOND, at % SECOND};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Connects, asks, reads to the end of the answer, closes. */
static void exchange(struct tally *tally)
{
	char answer[16384];
	ssize_t got = -1;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&server, sizeof(server)) == 0) {
		tally->made++;
		if (write(fd, request, request_bytes) == (ssize_t)request_bytes) {
			tally->sent += request_bytes;
			while ((got = read(fd, answer, sizeof(answer))) > 0)
				tally->received += got;
		}
	}
	tally->failed += got < 0;
	if (fd >= 0)
		close(fd);
}

static void *work(void *argument)
{
	struct tally *tally = argument;
	long begin = now(), gap = SECOND * threads / rate, at = begin + gap * tally->number / threads;
	for (; at < begin + seconds * SECOND; at += gap) {
		wait_for(at);
		exchange(tally);
	}
	return NULL;
}

int main(int count, char **arguments)
{
	pthread_t ids[MOST_THREADS];
	struct tally tallies[MOST_THREADS] = {0}, sum = {0};
	if (count != 6)
		return 2;
	server.sin_family = AF_INET;
	server.sin_port = htons(atoi(arguments[1]));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	seconds = atol(arguments[2]), rate = atol(arguments[3]), threads = atol(arguments[4]);
	request = arguments[5], request_bytes = strlen(request);
	if (rate < 1 || threads < 1 || threads > MOST_THREADS)
		return 2;
	long begin = now();
	for (long i = 0; i < threads; i++) {
		tallies[i].number = i;
		pthread_create(&ids[i], NULL, work, &tallies[i]);
	}
	for (long i = 0; i < threads; i++) {
		pthread_join(ids[i], NULL);
		sum.made += tallies[i].made, sum.failed += tallies[i].failed;
		sum.sent += tallies[i].sent, sum.received += tallies[i].received;
	}
	printf("%ld %ld %ld %ld %.3f\n", sum.made, sum.failed, sum.sent, sum.received,
	       (double)(now() - begin) / SECOND);
	return 0;
}
