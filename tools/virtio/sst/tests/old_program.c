// SPDX-License-Identifier: GPL-2.0-only
/*
 * What programs for the existing driver do with its header: it must compile, in C
 * and C++, with no more than an include path, and the names must say the same.
 */
#include <stdio.h>
#include <string.h>

#include "../virtio-device/sst-protocol.h"
#include "sst-protocol.h"

static int status_name(enum SSTStatus status, const char *name)
{
	return strcmp(sst_status_str((uint32_t)status), name) != 0;
}

static int type_name(enum SSTRequestType type, const char *name)
{
	return strcmp(sst_request_type_str((uint32_t)type), name) != 0;
}

int main(void)
{
	static struct SSTRequest req;
	static struct SSTResponse resp;
	struct SSTConfig config = { SST_PROTOCOL_VERSION, 0, SST_FEATURE_ECHO, 1 };
	struct SSTEvent event = { 0, 0, 1, 2 };
	int wrong = 0;

	req.type = SST_REQ_COMPUTE;
	req.payload.compute.compute_units = 1000;
	req.payload.compute.latency_model = 0;
	req.payload.memory.addr = 0;
	req.payload.memory.size = SST_MAX_DATA_SIZE;
	req.payload.config.param_id = 1;
	req.payload.config.value = event.data;
	memset(req.payload.data, 0, sizeof(req.payload.data));
	if (resp.status == SST_STATUS_OK && resp.payload.info.version <= config.version)
		wrong += resp.payload.compute.cycles != 0;

	wrong += type_name(SST_REQ_NOOP, "NOOP") + type_name(SST_REQ_CONFIGURE, "CONFIGURE");
	wrong += type_name((enum SSTRequestType)8, "UNKNOWN");
	wrong += status_name(SST_STATUS_OK, "OK") + status_name(SST_STATUS_NO_DEVICE, "NO_DEVICE");
	wrong += status_name((enum SSTStatus)6, "UNKNOWN");
	wrong += sizeof(req) != 4104 || sizeof(resp) != 4112;
	wrong += SST_VQ_REQUEST != 0 || SST_VQ_RESPONSE != 1 || SST_VQ_EVENT != 2;
	printf("%d wrong\n", wrong);
	return wrong != 0;
}
