/* Makes the cheapest system call N times: `syscalls N`; says which one it is first. A BPF program on it makes an
 * event of each. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **arguments)
{
	long calls = count > 1 ? atol(arguments[1]) : 0;
	printf("%d\n", SYS_getppid);
	for (long i = 0; i < calls; i++)
		syscall(SYS_getppid);
	return 0;
}
