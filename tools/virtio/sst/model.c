// SPDX-License-Identifier: GPL-2.0-only
/* The built-in model of a simulated device. */

#include <endian.h>
#include <string.h>
#include <sys/mman.h>

#include "model.h"
#include "util.h"

/* Bytes that fit into a WRITE request, after its struct sst_memory */
#define MAX_WRITE	(SST_PAYLOAD_SIZE - sizeof(struct sst_memory))

int model_init(struct model *model, uint32_t capabilities, bool existing)
{
	void *memory;

	memset(model, 0, sizeof(*model));
	model->capabilities = capabilities;
	model->existing = existing;
	memory = mmap(NULL, MODEL_MEMORY_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -1;
	model->memory = memory;
	pthread_mutex_init(&model->lock, NULL);
	return 0;
}

void model_destroy(struct model *model)
{
	pthread_mutex_destroy(&model->lock);
	munmap(model->memory, MODEL_MEMORY_SIZE);
}

void model_reset(struct model *model)
{
	madvise(model->memory, MODEL_MEMORY_SIZE, MADV_DONTNEED);
	memset(model->parameter, 0, sizeof(model->parameter));
	__atomic_store_n(&model->time, 0, __ATOMIC_RELAXED);
}

uint64_t model_time(const struct model *model)
{
	return __atomic_load_n(&model->time, __ATOMIC_RELAXED);
}

static void set_status(struct sst_response *resp, uint32_t status)
{
	resp->status = htole32(status);
}

static void run_noop(struct model *model, const struct sst_request *req,
		     struct sst_response *resp)
{
	(void)model;
	(void)req;
	(void)resp;
}

void model_echo(struct model *model, const struct sst_request *req,
		struct sst_response *resp)
{
	(void)model;
	memset(resp, 0, sizeof(*resp));
	resp->request_id = req->request_id;
	resp->user_data = req->user_data;
	memcpy(resp->payload, req->payload, sizeof(resp->payload));
}

static void run_compute(struct model *model, const struct sst_request *req,
			struct sst_response *resp)
{
	uint64_t units = le64toh(req->compute.compute_units);
	uint64_t cycles = units * MODEL_CYCLES_PER_UNIT;
	uint64_t time;

	if (units > MODEL_MAX_UNITS) {
		set_status(resp, SST_RESPONSE_INVALID);
		return;
	}
	time = __atomic_add_fetch(&model->time, cycles, __ATOMIC_RELAXED);
	resp->result = htole64(cycles);
	resp->compute.cycles = htole64(cycles);
	resp->compute.timestamp = htole64(time);
}

/* Returns where the bytes of a READ or WRITE are, or NULL when out of bounds */
static uint8_t *find_memory(struct model *model, const struct sst_request *req,
			    uint32_t max, uint32_t *size)
{
	uint64_t addr = le64toh(req->memory.addr);

	*size = le32toh(req->memory.size);
	if (*size > max || addr > MODEL_MEMORY_SIZE - *size)
		return NULL;
	return model->memory + addr;
}

static void run_read(struct model *model, const struct sst_request *req,
		     struct sst_response *resp)
{
	uint32_t size;
	const uint8_t *from = find_memory(model, req, SST_PAYLOAD_SIZE, &size);

	if (!from) {
		set_status(resp, SST_RESPONSE_INVALID);
		return;
	}
	memcpy(resp->payload, from, size);
	resp->result = htole64(size);
}

static void run_write(struct model *model, const struct sst_request *req,
		      struct sst_response *resp)
{
	uint32_t size;
	uint8_t *to = find_memory(model, req, MAX_WRITE, &size);

	if (!to) {
		set_status(resp, SST_RESPONSE_INVALID);
		return;
	}
	memcpy(to, req->payload + sizeof(req->memory), size);
	resp->result = htole64(size);
}

static void run_reset(struct model *model, const struct sst_request *req,
		      struct sst_response *resp)
{
	(void)req;
	(void)resp;
	model_reset(model);
}

static void run_get_info(struct model *model, const struct sst_request *req,
			 struct sst_response *resp)
{
	uint32_t version = SST_WIRE_VERSION;

	(void)req;
	/* The existing device fills in its version when this is first read */
	if (model->existing && !model->config_read)
		version = 0;
	resp->info.version = htole32(version);
	resp->info.capabilities = htole32(model->capabilities);
	resp->info.max_compute_units = htole64(MODEL_MAX_UNITS);
	resp->info.memory_size = htole64(MODEL_MEMORY_SIZE);
}

static void run_configure(struct model *model, const struct sst_request *req,
			  struct sst_response *resp)
{
	uint32_t id = le32toh(req->parameter.param_id);

	if (id >= MODEL_PARAMETERS) {
		set_status(resp, SST_RESPONSE_INVALID);
		return;
	}
	resp->result = htole64(model->parameter[id]);
	model->parameter[id] = le64toh(req->parameter.value);
}

/**
 * struct model_type - one type of request
 * @run: fills in what differs from a zeroed response with status OK
 * @forwarded: it is for the simulator, if there is one
 * @locked: it uses memory or parameters, one request at a time
 */
struct model_type {
	void (*run)(struct model *model, const struct sst_request *req,
		    struct sst_response *resp);
	bool forwarded;
	bool locked;
};

static const struct model_type types[] = {
	[SST_REQUEST_NOOP] = { run_noop, false, false },
	[SST_REQUEST_ECHO] = { model_echo, false, false },
	[SST_REQUEST_COMPUTE] = { run_compute, true, false },
	[SST_REQUEST_READ] = { run_read, true, true },
	[SST_REQUEST_WRITE] = { run_write, true, true },
	[SST_REQUEST_RESET] = { run_reset, false, true },
	[SST_REQUEST_GET_INFO] = { run_get_info, false, false },
	[SST_REQUEST_CONFIGURE] = { run_configure, true, true },
};

bool model_knows(uint32_t type)
{
	return type < ARRAY_SIZE(types);
}

bool model_forwards(uint32_t type, bool existing)
{
	return model_knows(type) ? types[type].forwarded : !existing;
}

/*
 * The existing device passes on the ID that its simulator sent, whatever that
 * is, and makes NO_DEVICE of every status of the simulator but OK.
 */
static void pass_through_simulator(struct sst_response *resp)
{
	resp->request_id = ~resp->request_id;
	if (resp->status)
		set_status(resp, SST_RESPONSE_NO_DEVICE);
}

static void run_type(struct model *model, const struct model_type *type,
		     const struct sst_request *req, struct sst_response *resp)
{
	if (type->locked)
		pthread_mutex_lock(&model->lock);
	type->run(model, req, resp);
	if (type->locked)
		pthread_mutex_unlock(&model->lock);
}

void model_run(struct model *model, const struct sst_request *req,
	       struct sst_response *resp)
{
	uint32_t type = le32toh(req->type);

	memset(resp, 0, sizeof(*resp));
	resp->request_id = req->request_id;
	resp->user_data = req->user_data;
	if (!model_knows(type)) {
		set_status(resp, SST_RESPONSE_INVALID);
		return;
	}
	run_type(model, &types[type], req, resp);
	if (model->existing && types[type].forwarded)
		pass_through_simulator(resp);
}
