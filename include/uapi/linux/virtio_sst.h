/* SPDX-License-Identifier: ((GPL-2.0-only WITH Linux-syscall-note) OR BSD-3-Clause) */
/*
 * Virtio SST: requests to, and responses and events from, a hardware
 * simulator (the Structural Simulation Toolkit).
 *
 * The first part is the wire format, shared with the device; the second part
 * is the interface of the character devices /dev/sst0, /dev/sst1, ...
 */

#ifndef _LINUX_VIRTIO_SST_H
#define _LINUX_VIRTIO_SST_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * Wire format. All integers are little-endian on every transport. No structure
 * has padding: natural alignment and packed give the same layout.
 */

/*
 * Virtio device IDs. None is assigned by the virtio technical committee, so
 * both are provisional. The first one cannot be carried by virtio-pci, the
 * second one is the last one that can.
 */
#define SST_VIRTIO_ID		0x1042
#define SST_VIRTIO_ID_PCI	0x3f

/* Virtio feature bits, and the bits of &struct sst_config.features */
#define SST_F_ECHO		0	/* SST_REQUEST_ECHO is supported */
#define SST_F_COMPUTE		1	/* SST_REQUEST_COMPUTE is supported */
#define SST_F_MEMORY		2	/* SST_REQUEST_READ and _WRITE are supported */
#define SST_F_EVENTS		3	/* the device sends events */
#define SST_F_MULTI_QUEUE	4	/* more than one pair of queues */
#define SST_F_RESET		5	/* SST_REQUEST_RESET is supported */

/* Version of the wire format: major number in the upper 16 bits */
#define SST_WIRE_VERSION	0x00010000

/* Bytes of payload in a request and in a response */
#define SST_PAYLOAD_SIZE	4080

/**
 * enum sst_request_type - what a request asks for
 * @SST_REQUEST_NOOP: nothing; tests the way to the device and back
 * @SST_REQUEST_ECHO: the payload back
 * @SST_REQUEST_COMPUTE: computation, described by &struct sst_compute
 * @SST_REQUEST_READ: device memory, described by &struct sst_memory
 * @SST_REQUEST_WRITE: storing to device memory, described by &struct sst_memory
 * @SST_REQUEST_RESET: the state of the simulated device as it was at its start
 * @SST_REQUEST_GET_INFO: what the device can do: &struct sst_device_info
 * @SST_REQUEST_CONFIGURE: a parameter set: &struct sst_parameter
 *
 * Devices may define further types; the driver carries every type unread.
 */
enum sst_request_type {
	SST_REQUEST_NOOP = 0,
	SST_REQUEST_ECHO = 1,
	SST_REQUEST_COMPUTE = 2,
	SST_REQUEST_READ = 3,
	SST_REQUEST_WRITE = 4,
	SST_REQUEST_RESET = 5,
	SST_REQUEST_GET_INFO = 6,
	SST_REQUEST_CONFIGURE = 7,
};

/**
 * enum sst_response_status - how a request ended
 * @SST_RESPONSE_OK: done
 * @SST_RESPONSE_ERROR: failed; from the driver: the device did not answer in
 *	the agreed form, was reset or suspended, or the request was cancelled
 * @SST_RESPONSE_BUSY: not accepted, may be sent again
 * @SST_RESPONSE_INVALID: the device does not know the type or its arguments
 * @SST_RESPONSE_TIMEOUT: no answer in time
 * @SST_RESPONSE_NO_DEVICE: no simulator behind the device at the moment
 */
enum sst_response_status {
	SST_RESPONSE_OK = 0,
	SST_RESPONSE_ERROR = 1,
	SST_RESPONSE_BUSY = 2,
	SST_RESPONSE_INVALID = 3,
	SST_RESPONSE_TIMEOUT = 4,
	SST_RESPONSE_NO_DEVICE = 5,
};

/**
 * struct sst_compute - payload of SST_REQUEST_COMPUTE
 * @compute_units: amount of work, in units of the simulated device
 * @latency_model: which latency model the simulator shall use; 0 is its default
 * @reserved: 0
 */
struct sst_compute {
	__le64 compute_units;
	__le32 latency_model;
	__le32 reserved;
};

/**
 * struct sst_memory - payload of SST_REQUEST_READ and SST_REQUEST_WRITE
 * @addr: address in the memory of the simulated device, in bytes
 * @size: number of bytes
 * @reserved: 0
 *
 * The data of SST_REQUEST_WRITE follow this structure, so that they start at
 * byte 16 of the payload; the data of a successful SST_REQUEST_READ start at
 * byte 0 of the payload of the response.
 */
struct sst_memory {
	__le64 addr;
	__le32 size;
	__le32 reserved;
};

/**
 * struct sst_parameter - payload of SST_REQUEST_CONFIGURE
 * @param_id: number of the parameter, defined by the simulator
 * @reserved: 0
 * @value: new value
 */
struct sst_parameter {
	__le32 param_id;
	__le32 reserved;
	__le64 value;
};

/**
 * struct sst_request - a request, as programs write it and the device reads it
 * @type: one of &enum sst_request_type, or a type of the device's own
 * @flags: carried to the device unread; 0 unless the device defines some
 * @request_id: set by the driver, ignored in what programs write
 * @user_data: returned in the response
 * @compute: arguments of SST_REQUEST_COMPUTE
 * @memory: arguments of SST_REQUEST_READ and SST_REQUEST_WRITE
 * @parameter: arguments of SST_REQUEST_CONFIGURE
 * @payload: the arguments as bytes
 *
 * 4104 bytes.
 */
struct sst_request {
	__le32 type;
	__le32 flags;
	__le64 request_id;
	__le64 user_data;
	union {
		struct sst_compute compute;
		struct sst_memory memory;
		struct sst_parameter parameter;
		__u8 payload[SST_PAYLOAD_SIZE];
	};
};

/**
 * struct sst_compute_result - payload of the response to SST_REQUEST_COMPUTE
 * @cycles: simulated cycles that the computation took
 * @timestamp: simulated time at its end, in the simulator's unit
 */
struct sst_compute_result {
	__le64 cycles;
	__le64 timestamp;
};

/**
 * struct sst_device_info - payload of the response to SST_REQUEST_GET_INFO
 * @version: version of the wire format, SST_WIRE_VERSION
 * @capabilities: bit mask of SST_F_* numbers; further bits have no meaning
 * @max_compute_units: largest number of units in one SST_REQUEST_COMPUTE
 * @memory_size: size of the memory of the simulated device, in bytes
 */
struct sst_device_info {
	__le32 version;
	__le32 capabilities;
	__le64 max_compute_units;
	__le64 memory_size;
};

/*
 * Flag of a response: it was made by the driver, not by the device. Set with
 * SST_RESPONSE_TIMEOUT and SST_RESPONSE_ERROR; result and payload are zero then.
 */
#define SST_RESPONSE_F_DRIVER	0x1

/**
 * struct sst_response - a response, as the device writes it and programs read it
 * @status: one of &enum sst_response_status
 * @flags: SST_RESPONSE_F_* as the driver sets them; on the wire this word is
 *	reserved, and what a device puts there never reaches a program
 * @request_id: the driver's own record of the request's ID
 * @user_data: the driver's own record of the request's user_data
 * @result: result of the request, defined by its type
 * @compute: result of SST_REQUEST_COMPUTE
 * @info: result of SST_REQUEST_GET_INFO
 * @payload: the result as bytes
 *
 * 4112 bytes.
 */
struct sst_response {
	__le32 status;
	__le32 flags;
	__le64 request_id;
	__le64 user_data;
	__le64 result;
	union {
		struct sst_compute_result compute;
		struct sst_device_info info;
		__u8 payload[SST_PAYLOAD_SIZE];
	};
};

/*
 * Flag of an event: it was made by the driver, not by the device. Its type is one of
 * &enum sst_driver_event, its timestamp is 0, since the driver knows no simulated time.
 */
#define SST_EVENT_F_DRIVER	0x1

/**
 * enum sst_driver_event - types of events that the driver makes, with SST_EVENT_F_DRIVER
 * @SST_EVENT_OVERRUN: events were lost at this place in the order, since they were not
 *	read in time; the data is their number
 * @SST_EVENT_RESET: the device was started again after a reset or a suspension, and
 *	has lost its state: events before this one are from before that, those behind
 *	it are from afterwards. The data is how often that has happened to it
 */
enum sst_driver_event {
	SST_EVENT_OVERRUN = 1,
	SST_EVENT_RESET = 2,
};

/**
 * struct sst_event - what the device tells without having been asked
 * @type: kind of event, defined by the simulator; with SST_EVENT_F_DRIVER, one of
 *	&enum sst_driver_event
 * @flags: SST_EVENT_F_* as the driver sets them; on the wire this word is reserved,
 *	and what a device puts there never reaches a program
 * @timestamp: simulated time of the event, in the simulator's unit
 * @data: defined by @type
 *
 * 24 bytes. Read from a descriptor made by SST_IOCTL_EVENT_FD.
 */
struct sst_event {
	__le32 type;
	__le32 flags;
	__le64 timestamp;
	__le64 data;
};

/**
 * struct sst_config - virtio configuration space
 * @version: version of the wire format, SST_WIRE_VERSION
 * @device_id: number that tells devices of one machine from each other
 * @features: bit mask of SST_F_* numbers; further bits have no meaning
 * @max_queues: number of pairs of request and response queues
 *
 * 24 bytes.
 */
struct sst_config {
	__le32 version;
	__le32 device_id;
	__le64 features;
	__le64 max_queues;
};

/*
 * Character device.
 *
 * write() submits requests: a multiple of 4104 bytes, or one request of 24 to
 * 4103 bytes, which the driver fills up with zeros. read() returns responses in
 * the order of their completion: a buffer of 4112 bytes or more takes as many
 * as are ready and fit, a buffer of 32 to 4111 bytes one response whose other
 * bytes are all zero. Documentation/userspace-api/virtio_sst.rst has the
 * details, the limits and the errors.
 */

/* Bytes before the payload, and the least that write() and read() take */
#define SST_REQUEST_HEADER_SIZE		24
#define SST_RESPONSE_HEADER_SIZE	32

/* Version of the interface below: grows with every addition */
#define SST_ABI_VERSION		5

/**
 * struct sst_info - what the driver knows about a device
 * @abi_version: SST_ABI_VERSION of the driver
 * @version: version of the wire format, from configuration space
 * @device_id: the device's number, from configuration space
 * @queue_pairs: pairs of request and response queues in use
 * @features: bit mask of SST_F_* numbers, from configuration space; bits
 *	without a meaning are masked out
 * @queue_size: requests that can be in flight per queue pair
 * @request_limit: requests that this open file may have at once, in flight or
 *	answered and not yet read
 * @request_timeout_ms: time that requests of this open file, submitted now, have
 *	to be answered, in milliseconds
 * @reserved: 0
 *
 * Filled in by SST_IOCTL_GET_INFO. All fields are in the byte order of the CPU.
 */
struct sst_info {
	__u32 abi_version;
	__u32 version;
	__u32 device_id;
	__u32 queue_pairs;
	__aligned_u64 features;
	__u32 queue_size;
	__u32 request_limit;
	__u32 request_timeout_ms;
	__u32 reserved[7];
};

/**
 * struct sst_transaction - a request and its response in one call
 * @request: address of the request, a &struct sst_request
 * @response: address of the buffer for the response, a &struct sst_response
 * @request_size: bytes of the request: 24 to 4104, filled up with zeros
 * @response_size: bytes of the buffer: 32 to 4112; the response is cut off to
 *	them if only zeros are lost
 * @request_id: set by the driver once the request is submitted; 0 if it was not
 * @flags: 0
 * @reserved: 0
 *
 * Argument of SST_IOCTL_TRANSACT. All fields are in the byte order of the CPU.
 */
struct sst_transaction {
	__aligned_u64 request;
	__aligned_u64 response;
	__u32 request_size;
	__u32 response_size;
	__aligned_u64 request_id;
	__u32 flags;
	__u32 reserved[5];
};

/* Flags of &struct sst_settings: which ones are set */
#define SST_SETTING_TIMEOUT	0x1	/* request_timeout_ms */
#define SST_SETTING_LIMIT	0x2	/* request_limit */

/* Bounds of the settings; there are no others for the device's time-out */
#define SST_REQUEST_TIMEOUT_MIN_MS	1
#define SST_REQUEST_TIMEOUT_MAX_MS	86400000
#define SST_REQUEST_LIMIT_MIN		1
#define SST_REQUEST_LIMIT_MAX		4096

/* The longest that the driver looks for a response before it sleeps */
#define SST_BUSY_POLL_MAX_US		10000

/**
 * struct sst_settings - settings of an open file
 * @flags: SST_SETTING_*. Set: which fields to take over, at least one. Got:
 *	which ones were set for this open file
 * @request_timeout_ms: time that a request has to be answered, in milliseconds,
 *	1 to 86400000; unless set, that of the device
 * @request_limit: requests that the open file may have at once, in flight or
 *	answered and not yet read, 1 to 4096; unless set, 64
 * @reserved: 0
 *
 * Argument of SST_IOCTL_GET_SETTINGS and SST_IOCTL_SET_SETTINGS. A field that is
 * not set by its flag is ignored. Settings hold for what is submitted afterwards.
 * All fields are in the byte order of the CPU.
 */
struct sst_settings {
	__u32 flags;
	__u32 request_timeout_ms;
	__u32 request_limit;
	__u32 reserved[5];
};

/* Flag of &struct sst_cancel: all requests of the open file */
#define SST_CANCEL_ALL		0x1

/**
 * struct sst_cancel - which requests to cancel
 * @user_data: of the requests; 0 with SST_CANCEL_ALL
 * @flags: 0 or SST_CANCEL_ALL
 * @count: set by the driver: how many were cancelled
 * @reserved: 0
 *
 * Argument of SST_IOCTL_CANCEL. All fields are in the byte order of the CPU,
 * @user_data is compared with what le64_to_cpu() makes of the requests'.
 */
struct sst_cancel {
	__aligned_u64 user_data;
	__u32 flags;
	__u32 count;
	__u32 reserved[4];
};

#define SST_IOCTL_TYPE		0xBB

/**
 * SST_IOCTL_GET_INFO - get what the driver knows about the device
 *
 * Argument: pointer to &struct sst_info, written only.
 * Return: 0, or -1 and errno set to EFAULT (bad pointer) or ENODEV (the device
 * is gone).
 */
#define SST_IOCTL_GET_INFO	_IOR(SST_IOCTL_TYPE, 0x00, struct sst_info)

/**
 * SST_IOCTL_TRANSACT - submit a request and wait for its response
 *
 * Argument: pointer to &struct sst_transaction, read and written.
 *
 * Waits for room as write() does. The response does not enter the queue that
 * read() takes from. It does so only if the call fails after the request was
 * submitted, and the device is not gone: with EINTR (a signal came), EFAULT (the
 * response cannot be stored) or EMSGSIZE (it does not fit); request_id tells
 * which one it will be. The call is never restarted by the kernel after the
 * request was submitted, so that none is sent twice. O_NONBLOCK keeps it from
 * waiting for room, not from waiting for the response.
 *
 * Return: 0, or -1 and errno set to EBADF (the file is not open for reading and
 * writing), EFAULT, EINVAL (a size out of range, a flag or reserved field that is
 * not 0), EMSGSIZE, EINTR, ENODEV (the device is gone), or as write(): EAGAIN,
 * ENOBUFS, EIO, ENOMEM.
 */
#define SST_IOCTL_TRANSACT	_IOWR(SST_IOCTL_TYPE, 0x01, struct sst_transaction)

/**
 * SST_IOCTL_GET_SETTINGS - get the settings of this open file
 *
 * Argument: pointer to &struct sst_settings, written only.
 * Return: 0, or -1 and errno set to EFAULT or ENODEV.
 */
#define SST_IOCTL_GET_SETTINGS	_IOR(SST_IOCTL_TYPE, 0x02, struct sst_settings)

/**
 * SST_IOCTL_SET_SETTINGS - change settings of this open file
 *
 * Argument: pointer to &struct sst_settings, read only.
 * Return: 0, or -1 and errno set to EFAULT, ENODEV or EINVAL (a value out of
 * range, an unknown flag or none, a reserved field that is not 0); nothing is
 * changed then.
 */
#define SST_IOCTL_SET_SETTINGS	_IOW(SST_IOCTL_TYPE, 0x03, struct sst_settings)

/**
 * SST_IOCTL_CANCEL - end requests of this open file that are in flight
 *
 * Argument: pointer to &struct sst_cancel, read and written.
 *
 * Each of the requests ends with a response of the driver, of the status
 * SST_RESPONSE_ERROR. The device may still work on it; what it answers is
 * dropped.
 *
 * Return: 0, or -1 and errno set to ENOENT (no such request is in flight),
 * EFAULT, ENODEV or EINVAL (an unknown flag, a reserved field that is not 0, a
 * user_data with SST_CANCEL_ALL).
 */
#define SST_IOCTL_CANCEL	_IOWR(SST_IOCTL_TYPE, 0x04, struct sst_cancel)

/**
 * struct sst_slot_setup - slots that a program shares with the device
 * @nr: number of slots, 1 to 1024
 * @flags: 0
 * @size: set by the driver: bytes to map
 * @slot_size: set by the driver: distance of two slots in the mapping
 * @response_offset: set by the driver: where in a slot the payload of the response
 *	is; that of the request is at 0
 * @reserved: 0
 *
 * Argument of SST_IOCTL_SETUP_SLOTS. All fields are in the byte order of the CPU.
 */
struct sst_slot_setup {
	__u32 nr;
	__u32 flags;
	__aligned_u64 size;
	__u32 slot_size;
	__u32 response_offset;
	__u32 reserved[2];
};

/**
 * struct sst_slot_request - a request whose payload is in a slot
 * @type: as in &struct sst_request, but in the byte order of the CPU, as all fields
 * @flags: as in &struct sst_request
 * @user_data: as in &struct sst_request
 * @index: number of the slot, from 0
 * @reserved: 0
 */
struct sst_slot_request {
	__u32 type;
	__u32 flags;
	__aligned_u64 user_data;
	__u32 index;
	__u32 reserved;
};

/**
 * struct sst_slot_response - a response whose payload is in a slot
 * @status: as in &struct sst_response, but in the byte order of the CPU, as all fields
 * @flags: as in &struct sst_response; with SST_RESPONSE_F_DRIVER, the payload is none
 * @request_id: as in &struct sst_response
 * @user_data: as in &struct sst_response
 * @result: as in &struct sst_response
 * @index: number of the slot
 * @reserved: 0
 */
struct sst_slot_response {
	__u32 status;
	__u32 flags;
	__aligned_u64 request_id;
	__aligned_u64 user_data;
	__aligned_u64 result;
	__u32 index;
	__u32 reserved;
};

/**
 * struct sst_slot_transaction - requests and responses whose payloads are in slots
 * @requests: address of @nr &struct sst_slot_request
 * @responses: address of the buffer for @nr &struct sst_slot_response, in the order of
 *	the requests
 * @nr: number of requests, at least 1, at most the request_limit of the open file and
 *	half of the queue_size of the device
 * @flags: 0
 * @submitted: 0. SST_IOCTL_TRANSACT_SLOTS sets it to @nr once the requests are submitted,
 *	and leaves or makes it 0 if they are not
 * @reserved: 0
 *
 * Argument of SST_IOCTL_TRANSACT_SLOTS, and command of SST_URING_CMD_TRANSACT_SLOTS. All
 * fields are in the byte order of the CPU.
 */
struct sst_slot_transaction {
	__aligned_u64 requests;
	__aligned_u64 responses;
	__u32 nr;
	__u32 flags;
	__u32 submitted;
	__u32 reserved[3];
};

/**
 * SST_IOCTL_SETUP_SLOTS - get slots that the program can map
 *
 * Argument: pointer to &struct sst_slot_setup, read and written.
 *
 * A slot has room for the payloads of a request and of its response, 4080 bytes each,
 * where the device reads and writes them: they are not copied. mmap() of the device's
 * file from offset 0 maps them, with MAP_SHARED. The headers are not in there: a program
 * cannot forge them. What the program does to a slot while a request is in it harms only
 * that request. The slots stay as long as the file is open or mapped, and until the
 * device has given back those that it has.
 *
 * An open file gets slots once. They count as locked memory of the user.
 *
 * Return: 0, or -1 and errno set to EBUSY (it has slots), EFAULT, EINTR (a signal came while
 * another thread was doing the same), EINVAL (a number out of range, a flag or reserved field
 * that is not 0), ENODEV, or ENOMEM (also beyond RLIMIT_MEMLOCK).
 */
#define SST_IOCTL_SETUP_SLOTS	_IOWR(SST_IOCTL_TYPE, 0x05, struct sst_slot_setup)

/**
 * SST_IOCTL_TRANSACT_SLOTS - submit requests in slots and wait for all of their responses
 *
 * Argument: pointer to &struct sst_slot_transaction, read and written.
 *
 * All requests reach the device with one notification, or nothing is submitted and the
 * call fails. A payload that the device has not written in full keeps what was there
 * before in the rest. If the call fails after the requests were submitted, as its field
 * submitted tells, the responses can be read; a slot is free again once its response was.
 *
 * Return: the number of responses stored, or -1 and errno set to EBADF (the file is not
 * open for reading and writing), EBUSY (a slot is in use), EINVAL (a number out of range,
 * a slot twice, a flag or reserved field that is not 0, no slots), EFAULT, EINTR, ENODEV,
 * or as write(): EAGAIN, ENOBUFS, EIO. The number is less than that of the requests if
 * later ones could not be stored, or the device went: those can be read.
 */
#define SST_IOCTL_TRANSACT_SLOTS \
	_IOWR(SST_IOCTL_TYPE, 0x06, struct sst_slot_transaction)

/* Flags of &struct sst_event_setup */
#define SST_EVENT_CLOEXEC	0x1	/* the descriptor is closed on exec */
#define SST_EVENT_NONBLOCK	0x2	/* O_NONBLOCK is set */

/* Events that are kept for a reader, see &struct sst_event_setup */
#define SST_EVENT_CAPACITY_DEFAULT	1024
#define SST_EVENT_CAPACITY_MAX		65536

/**
 * struct sst_event_setup - how events are to be read
 * @flags: SST_EVENT_*
 * @capacity: how many unread events are kept, 1 to 65536, rounded up to a power of two;
 *	0: 1024
 * @reserved: 0
 *
 * Argument of SST_IOCTL_EVENT_FD. All fields are in the byte order of the CPU.
 */
struct sst_event_setup {
	__u32 flags;
	__u32 capacity;
	__u32 reserved[2];
};

/**
 * SST_IOCTL_EVENT_FD - get a file descriptor to read events from
 *
 * Argument: pointer to &struct sst_event_setup, read only.
 *
 * read() gives whole &struct sst_event, as many as there are and as fit, at least one;
 * it waits for the first. Each such descriptor gets every event in order from this call
 * on, whoever else reads; descriptors that were duplicated from it share its events.
 * If more events come than are kept, the oldest ones are lost, and the next one to be
 * read is of the type SST_EVENT_OVERRUN and tells their number. poll() tells EPOLLIN if
 * read() does not wait, EPOLLHUP and EPOLLERR if the device is gone. The descriptor
 * stays valid when that of the device is closed. At most 8 of those that were made from one
 * open file of the device can exist at once, and 1024 of those of one device that were made
 * by one user, unless the user has CAP_SYS_RESOURCE.
 *
 * read() fails with EINVAL (less than 24 bytes), EAGAIN (no event, and O_NONBLOCK),
 * EFAULT (no event is lost then), EINTR, or ENODEV (the device is gone, and all events
 * were read).
 *
 * Return: the descriptor, or -1 and errno set to EBADF (the file is not open for
 * reading), EBUSY (8 such descriptors made from the file exist), EFAULT, EINVAL (an unknown
 * flag, a capacity out of range, a reserved field that is not 0), EMFILE (also if the user
 * has 1024), ENFILE, ENODEV or ENOMEM.
 */
#define SST_IOCTL_EVENT_FD	_IOW(SST_IOCTL_TYPE, 0x07, struct sst_event_setup)

/*
 * io_uring: commands of the operation IORING_OP_URING_CMD. The ring needs entries of
 * 128 bytes (IORING_SETUP_SQE128); the structure of a command stands in the "cmd"
 * part of the entry, with zeros behind it, and its number in "cmd_op".
 */

/**
 * struct sst_uring_transact - requests and their responses in one command
 * @requests: address of the requests, one behind the other
 * @responses: address of the buffer for the responses, one behind the other, in the
 *	order of the requests
 * @nr: number of requests, at least 1, at most the request_limit of the open file and
 *	the queue_size of the device
 * @request_size: bytes of each request: 24 to 4104, filled up with zeros
 * @response_size: bytes of each response: 32 to 4112; a response is cut off to them
 *	if only zeros are lost
 * @flags: 0
 * @reserved: 0
 *
 * Command of SST_URING_CMD_TRANSACT. All fields are in the byte order of the CPU.
 */
struct sst_uring_transact {
	__aligned_u64 requests;
	__aligned_u64 responses;
	__u32 nr;
	__u32 request_size;
	__u32 response_size;
	__u32 flags;
	__u32 reserved[4];
};

/**
 * SST_URING_CMD_TRANSACT - submit requests and wait for all of their responses
 *
 * Command: &struct sst_uring_transact. With IORING_URING_CMD_FIXED both the requests
 * and the responses are in the registered buffer of the entry's buf_index.
 *
 * All requests reach the device with one notification, with none of others in between,
 * or nothing is submitted and the command fails. It completes once all of them have
 * ended. The responses do not enter the queue that read() takes from, except for those
 * that could not be stored, and those after them: the result of the command is then the
 * number of those before, or the error if there is none before.
 *
 * Result: the number of responses stored, or -EBADF (the file is not open for reading
 * and writing), -EFAULT, -EINVAL (a number or size out of range, a flag or reserved
 * field that is not 0, a ring without entries of 128 bytes), -EMSGSIZE, -ENODEV (the
 * device is gone), -EOPNOTSUPP (a ring with IORING_SETUP_IOPOLL, and the device is not
 * polled), -ECANCELED (the ring goes away; or the thread that submitted the command has
 * ended, and the responses can be read), or as write(): -EAGAIN (only with O_NONBLOCK),
 * -EINTR, -EIO, -ENOMEM.
 */
#define SST_URING_CMD_TRANSACT	_IOWR(SST_IOCTL_TYPE, 0x10, struct sst_uring_transact)

/**
 * SST_URING_CMD_CANCEL - end requests of this open file that are in flight
 *
 * Command: &struct sst_cancel, whose count is 0. As SST_IOCTL_CANCEL.
 *
 * Result: how many were ended, or -ENOENT (no such request is in flight), -ENODEV or
 * -EINVAL (as SST_IOCTL_CANCEL, or a count that is not 0, or a ring without entries of
 * 128 bytes).
 */
#define SST_URING_CMD_CANCEL	_IOW(SST_IOCTL_TYPE, 0x11, struct sst_cancel)

/**
 * SST_URING_CMD_TRANSACT_SLOTS - submit requests in slots and wait for their responses
 *
 * Command: &struct sst_slot_transaction. As SST_IOCTL_TRANSACT_SLOTS, and completes as
 * SST_URING_CMD_TRANSACT does. With IORING_URING_CMD_FIXED the two arrays are in the
 * registered buffer of the entry's buf_index.
 *
 * Result: as that of SST_URING_CMD_TRANSACT, or -EBUSY (a slot is in use).
 */
#define SST_URING_CMD_TRANSACT_SLOTS \
	_IOW(SST_IOCTL_TYPE, 0x12, struct sst_slot_transaction)

#endif /* _LINUX_VIRTIO_SST_H */
