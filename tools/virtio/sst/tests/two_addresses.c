// SPDX-License-Identifier: GPL-2.0-only
/* For LD_PRELOAD: each host has two addresses, at the first of which nobody listens. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>

static struct sockaddr_in addrs[2];
static struct addrinfo infos[2];

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		struct addrinfo **info)
{
	int i;

	(void)host;
	(void)hints;
	for (i = 0; i < 2; i++) {
		addrs[i].sin_family = AF_INET;
		addrs[i].sin_port = htons((in_port_t)atoi(port));
		addrs[i].sin_addr.s_addr = inet_addr(i ? "127.0.0.1" : "127.0.0.2");
		infos[i].ai_addr = (struct sockaddr *)&addrs[i];
		infos[i].ai_addrlen = sizeof(addrs[i]);
	}
	infos[0].ai_next = &infos[1];
	*info = infos;
	return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
	(void)info;
}
