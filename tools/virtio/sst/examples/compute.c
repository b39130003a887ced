// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has a device compute, and tells the ways in which that can end.
 *
 *	cc -I include/uapi -o compute compute.c		in the driver's sources
 *	cc $(pkg-config --cflags virtio-sst) -o compute compute.c
 *	./compute /dev/sst0 1000
 */

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/virtio_sst.h>

/* A slow simulator is normal: this program gives it a minute, whatever is set for the device */
#define TIMEOUT_MS	60000

static int compute(int fd, uint64_t units, struct sst_response *response)
{
	struct sst_request request = {
		.type = htole32(SST_REQUEST_COMPUTE),
		.compute.compute_units = htole64(units),
	};
	struct sst_transaction transaction = {
		.request = (uintptr_t)&request,
		.response = (uintptr_t)response,
		.request_size = sizeof(request),
		.response_size = sizeof(*response),
	};

	return ioctl(fd, SST_IOCTL_TRANSACT, &transaction);
}

int main(int argc, char **argv)
{
	const struct sst_settings settings = {
		.flags = SST_SETTING_TIMEOUT,
		.request_timeout_ms = TIMEOUT_MS,
	};
	struct sst_response response;
	char *end = NULL;
	uint64_t units = argc == 3 ? strtoull(argv[2], &end, 0) : 0;
	int fd;

	if (!end || end == argv[2] || *end) {
		fprintf(stderr, "usage: compute DEVICE UNITS\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	if (fd < 0 || ioctl(fd, SST_IOCTL_SET_SETTINGS, &settings)) {
		perror(argv[1]);
		return 1;
	}
	/* No response: the device is gone (ENODEV), a signal came (EINTR), and so on */
	if (compute(fd, units, &response)) {
		perror("compute");
		return 1;
	}

	switch (le32toh(response.status)) {
	case SST_RESPONSE_OK:
		printf("%llu cycles\n", (unsigned long long)le64toh(response.compute.cycles));
		return 0;
	case SST_RESPONSE_INVALID:
		fprintf(stderr, "the device does not compute, or not so much\n");
		return 1;
	case SST_RESPONSE_NO_DEVICE:
		fprintf(stderr, "no simulator behind the device; later there may be one\n");
		return 1;
	case SST_RESPONSE_TIMEOUT:
		fprintf(stderr, "no answer in time\n");
		return 1;
	default:
		fprintf(stderr, "status %u%s\n", le32toh(response.status),
			le32toh(response.flags) & SST_RESPONSE_F_DRIVER ? " of the driver" : "");
		return 1;
	}
}
