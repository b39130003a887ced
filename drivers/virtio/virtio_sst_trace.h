/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio SST driver: tracepoints. They may be called with the lock of a queue held.
 */

#undef TRACE_SYSTEM
#define TRACE_SYSTEM virtio_sst

#if !defined(_VIRTIO_SST_TRACE_H_) || defined(TRACE_HEADER_MULTI_READ)
#define _VIRTIO_SST_TRACE_H_

#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "virtio_sst_internal.h"

TRACE_DEFINE_ENUM(SST_REQUEST_NOOP);
TRACE_DEFINE_ENUM(SST_REQUEST_ECHO);
TRACE_DEFINE_ENUM(SST_REQUEST_COMPUTE);
TRACE_DEFINE_ENUM(SST_REQUEST_READ);
TRACE_DEFINE_ENUM(SST_REQUEST_WRITE);
TRACE_DEFINE_ENUM(SST_REQUEST_RESET);
TRACE_DEFINE_ENUM(SST_REQUEST_GET_INFO);
TRACE_DEFINE_ENUM(SST_REQUEST_CONFIGURE);

/* Types of a device's own are shown as numbers. */
#define sst_show_type(type)					\
	__print_symbolic(type,					\
			 { SST_REQUEST_NOOP, "NOOP" },		\
			 { SST_REQUEST_ECHO, "ECHO" },		\
			 { SST_REQUEST_COMPUTE, "COMPUTE" },	\
			 { SST_REQUEST_READ, "READ" },		\
			 { SST_REQUEST_WRITE, "WRITE" },	\
			 { SST_REQUEST_RESET, "RESET" },	\
			 { SST_REQUEST_GET_INFO, "GET_INFO" },	\
			 { SST_REQUEST_CONFIGURE, "CONFIGURE" })

TRACE_DEFINE_ENUM(SST_RESPONSE_OK);
TRACE_DEFINE_ENUM(SST_RESPONSE_ERROR);
TRACE_DEFINE_ENUM(SST_RESPONSE_BUSY);
TRACE_DEFINE_ENUM(SST_RESPONSE_INVALID);
TRACE_DEFINE_ENUM(SST_RESPONSE_TIMEOUT);
TRACE_DEFINE_ENUM(SST_RESPONSE_NO_DEVICE);

#define sst_show_status(status)					\
	__print_symbolic(status,				\
			 { SST_RESPONSE_OK, "OK" },		\
			 { SST_RESPONSE_ERROR, "ERROR" },	\
			 { SST_RESPONSE_BUSY, "BUSY" },		\
			 { SST_RESPONSE_INVALID, "INVALID" },	\
			 { SST_RESPONSE_TIMEOUT, "TIMEOUT" },	\
			 { SST_RESPONSE_NO_DEVICE, "NO_DEVICE" })

#ifndef TRACE_HEADER_MULTI_READ
/* 0 if the time of the submission is not known */
static inline u64 sst_latency_since(u64 submitted)
{
	return submitted ? ktime_get_ns() - submitted : 0;
}
#endif

/* A request is handed to the device; it ends with one sst_complete. */
TRACE_EVENT(sst_submit,
	    TP_PROTO(const struct sst_queue *q, const struct sst_slot *slot),
	    TP_ARGS(q, slot),
	    TP_STRUCT__entry(__field(u32, device)
			     __field(u32, queue)
			     __field(u64, request_id)
			     __field(u64, user_data)
			     __field(u32, type)),
	    TP_fast_assign(__entry->device = q->sst->index;
			   __entry->queue = q->index;
			   __entry->request_id = sst_slot_id(slot);
			   __entry->user_data = le64_to_cpu(slot->user_data);
			   __entry->type = le32_to_cpu(slot->type);),
	    TP_printk("sst%u queue=%u request_id=%#llx user_data=%#llx type=%s",
		      __entry->device, __entry->queue, __entry->request_id,
		      __entry->user_data, sst_show_type(__entry->type))
);

/* A request has ended for its owner, by a response or by the driver. */
TRACE_EVENT(sst_complete,
	    TP_PROTO(const struct sst_queue *q, const struct sst_slot *slot),
	    TP_ARGS(q, slot),
	    TP_STRUCT__entry(__field(u32, device)
			     __field(u32, queue)
			     __field(u64, request_id)
			     __field(u64, user_data)
			     __field(u64, latency_ns)
			     __field(u32, type)
			     __field(u32, status)
			     __field(u32, length)
			     __field(bool, by_driver)),
	    TP_fast_assign(__entry->device = q->sst->index;
			   __entry->queue = q->index;
			   __entry->request_id = sst_slot_id(slot);
			   __entry->user_data = le64_to_cpu(slot->user_data);
			   __entry->latency_ns = sst_latency_since(slot->submitted);
			   __entry->type = le32_to_cpu(slot->type);
			   __entry->status = slot->by_driver ? slot->status :
				le32_to_cpu(READ_ONCE(slot->answer->status));
			   __entry->length = slot->length;
			   __entry->by_driver = slot->by_driver;),
	    TP_printk("sst%u queue=%u request_id=%#llx user_data=%#llx type=%s status=%s by=%s length=%u latency_ns=%llu",
		      __entry->device, __entry->queue, __entry->request_id,
		      __entry->user_data, sst_show_type(__entry->type),
		      sst_show_status(__entry->status),
		      __entry->by_driver ? "driver" : "device",
		      __entry->length, __entry->latency_ns)
);

/* The device has not answered a request in time; sst_complete follows. */
TRACE_EVENT(sst_timeout,
	    TP_PROTO(const struct sst_queue *q, const struct sst_slot *slot),
	    TP_ARGS(q, slot),
	    TP_STRUCT__entry(__field(u32, device)
			     __field(u32, queue)
			     __field(u64, request_id)
			     __field(u64, user_data)
			     __field(u32, type)
			     __field(u32, timeout_ms)),
	    TP_fast_assign(__entry->device = q->sst->index;
			   __entry->queue = q->index;
			   __entry->request_id = sst_slot_id(slot);
			   __entry->user_data = le64_to_cpu(slot->user_data);
			   __entry->type = le32_to_cpu(slot->type);
			   __entry->timeout_ms = jiffies_to_msecs(slot->timeout);),
	    TP_printk("sst%u queue=%u request_id=%#llx user_data=%#llx type=%s timeout_ms=%u",
		      __entry->device, __entry->queue, __entry->request_id,
		      __entry->user_data, sst_show_type(__entry->type),
		      __entry->timeout_ms)
);

/*
 * The device has answered a request that had ended before. What the answer says
 * is the device's word; of a request whose slot may be another one's by now, nothing
 * else is known. Where there is no whole header an older one may be left: it is not
 * shown.
 */
TRACE_EVENT(sst_late,
	    TP_PROTO(const struct sst_queue *q, u64 request_id,
		     const struct sst_response *answer, u32 length, u64 submitted),
	    TP_ARGS(q, request_id, answer, length, submitted),
	    TP_STRUCT__entry(__field(u32, device)
			     __field(u32, queue)
			     __field(u64, request_id)
			     __field(u64, user_data)
			     __field(u64, latency_ns)
			     __field(u32, status)
			     __field(u32, length)),
	    TP_fast_assign(__entry->device = q->sst->index;
			   __entry->queue = q->index;
			   __entry->request_id = request_id;
			   __entry->user_data = length < SST_RESPONSE_HEADER_SIZE ? 0 :
				le64_to_cpu(READ_ONCE(answer->user_data));
			   __entry->latency_ns = sst_latency_since(submitted);
			   __entry->status = length < SST_RESPONSE_HEADER_SIZE ? 0 :
				le32_to_cpu(READ_ONCE(answer->status));
			   __entry->length = length;),
	    TP_printk("sst%u queue=%u request_id=%#llx user_data=%#llx status=%s length=%u latency_ns=%llu",
		      __entry->device, __entry->queue, __entry->request_id,
		      __entry->user_data, sst_show_status(__entry->status),
		      __entry->length, __entry->latency_ns)
);

/* A request was answered with another request_id or user_data than its own. */
TRACE_EVENT(sst_mismatch,
	    TP_PROTO(const struct sst_queue *q, const struct sst_slot *slot),
	    TP_ARGS(q, slot),
	    TP_STRUCT__entry(__field(u32, device)
			     __field(u32, queue)
			     __field(u64, request_id)
			     __field(u64, user_data)
			     __field(u64, answer_request_id)
			     __field(u64, answer_user_data)
			     __field(u32, type)),
	    TP_fast_assign(__entry->device = q->sst->index;
			   __entry->queue = q->index;
			   __entry->request_id = sst_slot_id(slot);
			   __entry->user_data = le64_to_cpu(slot->user_data);
			   __entry->answer_request_id =
				le64_to_cpu(READ_ONCE(slot->answer->request_id));
			   __entry->answer_user_data =
				le64_to_cpu(READ_ONCE(slot->answer->user_data));
			   __entry->type = le32_to_cpu(slot->type);),
	    TP_printk("sst%u queue=%u request_id=%#llx user_data=%#llx type=%s answer_request_id=%#llx answer_user_data=%#llx",
		      __entry->device, __entry->queue, __entry->request_id,
		      __entry->user_data, sst_show_type(__entry->type),
		      __entry->answer_request_id, __entry->answer_user_data)
);

/*
 * A response on the response queue is of an impossible length, or no request's. It
 * is shown as of request 0 if it has no whole header, since an older one may be left.
 */
TRACE_EVENT(sst_unmatched,
	    TP_PROTO(const struct sst_queue *q, const struct sst_response *answer,
		     u32 length),
	    TP_ARGS(q, answer, length),
	    TP_STRUCT__entry(__field(u32, device)
			     __field(u32, queue)
			     __field(u64, answer_request_id)
			     __field(u32, length)),
	    TP_fast_assign(__entry->device = q->sst->index;
			   __entry->queue = q->index;
			   __entry->answer_request_id = length < SST_RESPONSE_HEADER_SIZE ? 0 :
				le64_to_cpu(READ_ONCE(answer->request_id));
			   __entry->length = length;),
	    TP_printk("sst%u queue=%u answer_request_id=%#llx length=%u",
		      __entry->device, __entry->queue,
		      __entry->answer_request_id, __entry->length)
);

/*
 * The device has sent an event, which is none if its length is not that of one; the
 * caller's copy, in which what the device has not written is 0.
 */
TRACE_EVENT(sst_event,
	    TP_PROTO(const struct sst_device *sst, const struct sst_event *event,
		     u32 length),
	    TP_ARGS(sst, event, length),
	    TP_STRUCT__entry(__field(u32, device)
			     __field(u32, type)
			     __field(u64, timestamp)
			     __field(u64, data)
			     __field(u32, length)),
	    TP_fast_assign(__entry->device = sst->index;
			   __entry->type = le32_to_cpu(event->type);
			   __entry->timestamp = le64_to_cpu(event->timestamp);
			   __entry->data = le64_to_cpu(event->data);
			   __entry->length = length;),
	    TP_printk("sst%u type=%u timestamp=%llu data=%#llx length=%u",
		      __entry->device, __entry->type, __entry->timestamp,
		      __entry->data, __entry->length)
);

/* The device is going to be reset. */
TRACE_EVENT(sst_reset,
	    TP_PROTO(const struct sst_device *sst, const char *reason),
	    TP_ARGS(sst, reason),
	    TP_STRUCT__entry(__field(u32, device)
			     __array(char, reason, 32)),
	    TP_fast_assign(__entry->device = sst->index;
			   strscpy_pad(__entry->reason, reason, sizeof(__entry->reason));),
	    TP_printk("sst%u reason=\"%s\"", __entry->device, __entry->reason)
);

#endif /* _VIRTIO_SST_TRACE_H_ */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE virtio_sst_trace

#include <trace/define_trace.h>
