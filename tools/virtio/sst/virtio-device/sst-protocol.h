/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * The messages of the SST virtio device under the names that programs written
 * for the ACALSim device use. New programs include <linux/virtio_sst.h>, which
 * describes every field; the layout is the same.
 */

#ifndef SST_PROTOCOL_H
#define SST_PROTOCOL_H

#include <stdint.h>

#define VIRTIO_ID_SST		0x1042
#define SST_PROTOCOL_VERSION	0x00010000
#define SST_MAX_DATA_SIZE	4080

/* Virtqueues */
#define SST_VQ_REQUEST		0
#define SST_VQ_RESPONSE		1
#define SST_VQ_EVENT		2
#define SST_VQ_MAX		3

/* Masks of the feature bits */
#define SST_FEATURE_ECHO	(1U << 0)
#define SST_FEATURE_COMPUTE	(1U << 1)
#define SST_FEATURE_MEMORY	(1U << 2)
#define SST_FEATURE_EVENTS	(1U << 3)
#define SST_FEATURE_MULTI_QUEUE	(1U << 4)
#define SST_FEATURE_RESET	(1U << 5)

enum SSTRequestType {
	SST_REQ_NOOP = 0,
	SST_REQ_ECHO = 1,
	SST_REQ_COMPUTE = 2,
	SST_REQ_READ = 3,
	SST_REQ_WRITE = 4,
	SST_REQ_RESET = 5,
	SST_REQ_GET_INFO = 6,
	SST_REQ_CONFIGURE = 7,
};

enum SSTStatus {
	SST_STATUS_OK = 0,
	SST_STATUS_ERROR = 1,
	SST_STATUS_BUSY = 2,
	SST_STATUS_INVALID = 3,
	SST_STATUS_TIMEOUT = 4,
	SST_STATUS_NO_DEVICE = 5,
};

struct SSTRequest {
	uint32_t type;
	uint32_t flags;
	uint64_t request_id;	/* set by the driver */
	uint64_t user_data;	/* comes back in the response */
	union {
		struct {
			uint64_t compute_units;
			uint32_t latency_model;
			uint32_t reserved;
		} __attribute__((packed)) compute;
		struct {
			uint64_t addr;
			uint32_t size;
			uint32_t reserved;
		} __attribute__((packed)) memory;
		struct {
			uint32_t param_id;
			uint32_t reserved;
			uint64_t value;
		} __attribute__((packed)) config;
		uint8_t data[SST_MAX_DATA_SIZE];
	} payload;
} __attribute__((packed));

struct SSTResponse {
	uint32_t status;
	uint32_t reserved;	/* 1: the response was made by the driver; else 0 */
	uint64_t request_id;
	uint64_t user_data;
	uint64_t result;
	union {
		struct {
			uint64_t cycles;
			uint64_t timestamp;
		} __attribute__((packed)) compute;
		struct {
			uint32_t version;
			uint32_t capabilities;
			uint64_t max_compute_units;
			uint64_t memory_size;
		} __attribute__((packed)) info;
		uint8_t data[SST_MAX_DATA_SIZE];
	} payload;
} __attribute__((packed));

struct SSTEvent {
	uint32_t type;
	uint32_t reserved;
	uint64_t timestamp;
	uint64_t data;
} __attribute__((packed));

struct SSTConfig {
	uint32_t version;
	uint32_t device_id;
	uint64_t features;
	uint64_t max_queues;
} __attribute__((packed));

static inline const char *sst_request_type_str(uint32_t type)
{
	static const char *const names[] = {
		"NOOP", "ECHO", "COMPUTE", "READ",
		"WRITE", "RESET", "GET_INFO", "CONFIGURE",
	};

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "UNKNOWN";
}

static inline const char *sst_status_str(uint32_t status)
{
	static const char *const names[] = {
		"OK", "ERROR", "BUSY", "INVALID", "TIMEOUT", "NO_DEVICE",
	};

	return status < sizeof(names) / sizeof(names[0]) ? names[status] : "UNKNOWN";
}

#endif /* SST_PROTOCOL_H */
