// SPDX-License-Identifier: GPL-2.0-only
/*
 * sst-protocol.h and <linux/virtio_sst.h> have the same layout and values. There
 * is nothing to run: it compiles, or it doesn't.
 */
#include <stddef.h>

#include <linux/virtio_sst.h>

#include "sst-protocol.h"

#define SAME_SIZE(old, new) \
	_Static_assert(sizeof(struct old) == sizeof(struct new), #old)
#define SAME(old, old_field, new, new_field) \
	_Static_assert(offsetof(struct old, old_field) == offsetof(struct new, new_field) && \
		       sizeof(((struct old *)0)->old_field) == sizeof(((struct new *)0)->new_field), \
		       #old "." #old_field)
#define SAME_VALUE(old, new) \
	_Static_assert((int)(old) == (int)(new), #old)
#define SAME_BIT(old, new) \
	_Static_assert((old) == 1U << (new), #old)

SAME_SIZE(SSTRequest, sst_request);
SAME(SSTRequest, type, sst_request, type);
SAME(SSTRequest, flags, sst_request, flags);
SAME(SSTRequest, request_id, sst_request, request_id);
SAME(SSTRequest, user_data, sst_request, user_data);
SAME(SSTRequest, payload, sst_request, payload);
SAME(SSTRequest, payload.data, sst_request, payload);
SAME(SSTRequest, payload.compute, sst_request, compute);
SAME(SSTRequest, payload.compute.compute_units, sst_request, compute.compute_units);
SAME(SSTRequest, payload.compute.latency_model, sst_request, compute.latency_model);
SAME(SSTRequest, payload.memory, sst_request, memory);
SAME(SSTRequest, payload.memory.addr, sst_request, memory.addr);
SAME(SSTRequest, payload.memory.size, sst_request, memory.size);
SAME(SSTRequest, payload.config, sst_request, parameter);
SAME(SSTRequest, payload.config.param_id, sst_request, parameter.param_id);
SAME(SSTRequest, payload.config.value, sst_request, parameter.value);

SAME_SIZE(SSTResponse, sst_response);
SAME(SSTResponse, status, sst_response, status);
SAME(SSTResponse, reserved, sst_response, flags);
SAME(SSTResponse, request_id, sst_response, request_id);
SAME(SSTResponse, user_data, sst_response, user_data);
SAME(SSTResponse, result, sst_response, result);
SAME(SSTResponse, payload.data, sst_response, payload);
SAME(SSTResponse, payload.compute.cycles, sst_response, compute.cycles);
SAME(SSTResponse, payload.compute.timestamp, sst_response, compute.timestamp);
SAME(SSTResponse, payload.info, sst_response, info);
SAME(SSTResponse, payload.info.version, sst_response, info.version);
SAME(SSTResponse, payload.info.capabilities, sst_response, info.capabilities);
SAME(SSTResponse, payload.info.max_compute_units, sst_response, info.max_compute_units);
SAME(SSTResponse, payload.info.memory_size, sst_response, info.memory_size);

SAME_SIZE(SSTEvent, sst_event);
SAME(SSTEvent, type, sst_event, type);
SAME(SSTEvent, timestamp, sst_event, timestamp);
SAME(SSTEvent, data, sst_event, data);

SAME_SIZE(SSTConfig, sst_config);
SAME(SSTConfig, version, sst_config, version);
SAME(SSTConfig, device_id, sst_config, device_id);
SAME(SSTConfig, features, sst_config, features);
SAME(SSTConfig, max_queues, sst_config, max_queues);

SAME_VALUE(SST_REQ_NOOP, SST_REQUEST_NOOP);
SAME_VALUE(SST_REQ_ECHO, SST_REQUEST_ECHO);
SAME_VALUE(SST_REQ_COMPUTE, SST_REQUEST_COMPUTE);
SAME_VALUE(SST_REQ_READ, SST_REQUEST_READ);
SAME_VALUE(SST_REQ_WRITE, SST_REQUEST_WRITE);
SAME_VALUE(SST_REQ_RESET, SST_REQUEST_RESET);
SAME_VALUE(SST_REQ_GET_INFO, SST_REQUEST_GET_INFO);
SAME_VALUE(SST_REQ_CONFIGURE, SST_REQUEST_CONFIGURE);
SAME_VALUE(SST_STATUS_OK, SST_RESPONSE_OK);
SAME_VALUE(SST_STATUS_ERROR, SST_RESPONSE_ERROR);
SAME_VALUE(SST_STATUS_BUSY, SST_RESPONSE_BUSY);
SAME_VALUE(SST_STATUS_INVALID, SST_RESPONSE_INVALID);
SAME_VALUE(SST_STATUS_TIMEOUT, SST_RESPONSE_TIMEOUT);
SAME_VALUE(SST_STATUS_NO_DEVICE, SST_RESPONSE_NO_DEVICE);
SAME_BIT(SST_FEATURE_ECHO, SST_F_ECHO);
SAME_BIT(SST_FEATURE_COMPUTE, SST_F_COMPUTE);
SAME_BIT(SST_FEATURE_MEMORY, SST_F_MEMORY);
SAME_BIT(SST_FEATURE_EVENTS, SST_F_EVENTS);
SAME_BIT(SST_FEATURE_MULTI_QUEUE, SST_F_MULTI_QUEUE);
SAME_BIT(SST_FEATURE_RESET, SST_F_RESET);
SAME_VALUE(VIRTIO_ID_SST, SST_VIRTIO_ID);
SAME_VALUE(SST_PROTOCOL_VERSION, SST_WIRE_VERSION);
SAME_VALUE(SST_MAX_DATA_SIZE, SST_PAYLOAD_SIZE);
