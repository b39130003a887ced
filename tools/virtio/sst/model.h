/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The built-in model of a simulated device. Several threads may run requests on
 * it at the same time; each request takes effect as a whole.
 */

#ifndef SST_MODEL_H
#define SST_MODEL_H

#include <linux/virtio_sst.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define MODEL_MEMORY_SIZE	(UINT64_C(256) << 20)
#define MODEL_MAX_UNITS		UINT64_C(1000000)
#define MODEL_CYCLES_PER_UNIT	100
#define MODEL_PARAMETERS	64

/**
 * struct model - state of the simulated device
 * @memory: its memory, sparse; @lock protects what is in it
 * @capabilities: what SST_REQUEST_GET_INFO tells
 * @existing: behave as the existing device and its simulator do
 * @config_read: configuration space has been read; changes only while no request
 *	runs
 * @parameter: parameters set with SST_REQUEST_CONFIGURE, under @lock
 * @lock: held by requests that use memory or parameters
 * @time: simulated time, in cycles; atomic, so that computations need no lock
 *
 * What changes with requests comes last, away from what every request reads.
 */
struct model {
	uint8_t *memory;
	uint32_t capabilities;
	bool existing;
	bool config_read;
	uint64_t parameter[MODEL_PARAMETERS];
	pthread_mutex_t lock;
	uint64_t time;
};

/* Return: 0, or -1 with errno set */
int model_init(struct model *model, uint32_t capabilities, bool existing);
void model_destroy(struct model *model);

/* Brings memory, parameters and time back to their start, while nothing runs */
void model_reset(struct model *model);

/* Returns the simulated time */
uint64_t model_time(const struct model *model);

/* Fills in the whole response to a request */
void model_run(struct model *model, const struct sst_request *req,
	       struct sst_response *resp);

/* Fills in the response to an echo request, whatever the request's type is */
void model_echo(struct model *model, const struct sst_request *req,
		struct sst_response *resp);

/* Returns whether the model has the type */
bool model_knows(uint32_t type);

/* Returns whether a simulator has to answer the type, if there is one */
bool model_forwards(uint32_t type, bool existing);

#endif /* SST_MODEL_H */
