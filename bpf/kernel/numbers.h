/* Numbers that no kernel type carries. */

#define AF_INET 2
#define AF_INET6 10
#define ECANCELED 125
#define EADDRNOTAVAIL 99
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
