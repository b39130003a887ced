// SPDX-License-Identifier: GPL-2.0-only
/* What the driver tells, and takes, over netlink. */

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../util.h"
#include "fail.h"
#include "netlink.h"

/* The longest message that is sent, and that the kernel sends */
#define REQUEST_SIZE	256
#define ANSWER_SIZE	32768

/**
 * struct answer - what the kernel answers
 * @list: where to add objects, or NULL
 * @object: where an object goes, if not to @list
 * @queues: the objects are pairs of queues, not devices
 * @family: the number of the family
 * @reason: what the kernel says in words when it refuses
 */
struct answer {
	struct nl_list *list;
	struct nl_object *object;
	bool queues;
	uint16_t family;
	char reason[128];
};

/* Ends the program: nobody knows the family */
static void __attribute__((noreturn)) fail_no_family(void)
{
	if (access("/sys/module/virtio_sst", F_OK))
		fail(EXIT_NO_DRIVER,
		     "the driver is not loaded; as root: modprobe virtio-sst");
	fail(EXIT_NO_DRIVER,
	     "the driver that is loaded has no netlink interface: it is older than sstctl %s",
	     SST_TOOLS_VERSION);
}

static struct nlmsghdr *start_message(struct netlink *nl, char *buffer, uint16_t type,
				      uint16_t flags, uint8_t command)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *header;

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++nl->sequence;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->cmd = command;
	header->version = VIRTIO_SST_FAMILY_VERSION;
	return message;
}

static void get_text(const struct nlattr *attr, char *text, size_t size)
{
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
		snprintf(text, size, "%s", mnl_attr_get_str(attr));
}

static int take_reason(const struct nlattr *attr, void *data)
{
	struct answer *answer = data;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
		get_text(attr, answer->reason, sizeof(answer->reason));
	return MNL_CB_OK;
}

/* An answer that is an error, or, as error 0, that all is well */
static int take_error(const struct nlmsghdr *message, void *data)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	size_t offset = sizeof(*error);

	if (message->nlmsg_len < mnl_nlmsg_size(sizeof(*error))) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		offset += error->msg.nlmsg_len - sizeof(error->msg);
	if (message->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(message, (unsigned int)offset, take_reason, data);
	errno = -error->error;
	return error->error ? MNL_CB_ERROR : MNL_CB_STOP;
}

/* The end of a list, which may be an error as well */
static int take_end(const struct nlmsghdr *message, void *data)
{
	const int *error = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_len < mnl_nlmsg_size(sizeof(*error)) || *error >= 0)
		return MNL_CB_STOP;
	if (message->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(message, sizeof(*error), take_reason, data);
	errno = -*error;
	return MNL_CB_ERROR;
}

/*
 * Looks whether the kernel says that a list has changed meanwhile. libmnl would stop there,
 * and leave the rest of the list in front of the next one.
 */
static bool changed_meanwhile(char *buffer, ssize_t len)
{
	struct nlmsghdr *message = (struct nlmsghdr *)buffer;
	bool changed = false;
	int left = (int)len;

	while (mnl_nlmsg_ok(message, left)) {
		changed = changed || message->nlmsg_flags & NLM_F_DUMP_INTR;
		message->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
		message = mnl_nlmsg_next(message, &left);
	}
	return changed;
}

/* Receives what answers a message. Return: 0, EINTR if a list has changed, or an error */
static int receive(struct netlink *nl, mnl_cb_t take, struct answer *answer)
{
	mnl_cb_t control[] = { [NLMSG_ERROR] = take_error, [NLMSG_DONE] = take_end };
	char buffer[ANSWER_SIZE];
	bool changed = false;
	ssize_t len;
	int ret;

	do {
		do
			len = mnl_socket_recvfrom(nl->socket, buffer, sizeof(buffer));
		while (len < 0 && errno == EINTR);
		if (len < 0)
			return errno;
		changed = changed_meanwhile(buffer, len) || changed;
		ret = mnl_cb_run2(buffer, (size_t)len, nl->sequence,
				  mnl_socket_get_portid(nl->socket), take, answer, control,
				  ARRAY_SIZE(control));
	} while (ret == MNL_CB_OK);
	return ret == MNL_CB_ERROR ? errno : changed ? EINTR : 0;
}

/* Sends a message and receives what answers it. Return: 0 or an error */
static int ask(struct netlink *nl, const struct nlmsghdr *message, mnl_cb_t take,
	       struct answer *answer)
{
	if (mnl_socket_sendto(nl->socket, message, message->nlmsg_len) < 0)
		return errno;
	return receive(nl, take, answer);
}

static int take_family_attribute(const struct nlattr *attr, void *data)
{
	struct answer *answer = data;

	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
	    mnl_attr_validate(attr, MNL_TYPE_U16) >= 0)
		answer->family = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

static int take_family(const struct nlmsghdr *message, void *data)
{
	return mnl_attr_parse(message, sizeof(struct genlmsghdr), take_family_attribute, data);
}

/* Finds out the number of the family. Return: 0 or an error */
static int find_family(struct netlink *nl)
{
	struct answer answer = { 0 };
	char buffer[REQUEST_SIZE];
	struct nlmsghdr *message;
	int error;

	message = start_message(nl, buffer, GENL_ID_CTRL, NLM_F_ACK, CTRL_CMD_GETFAMILY);
	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, VIRTIO_SST_FAMILY_NAME);
	error = ask(nl, message, take_family, &answer);
	nl->family = answer.family;
	return error;
}

void netlink_open(struct netlink *nl)
{
	int on = 1, error;

	memset(nl, 0, sizeof(*nl));
	nl->socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!nl->socket || mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		fail(EXIT_OTHER, "netlink: %s", strerror(errno));
	mnl_socket_setsockopt(nl->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(nl->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	error = find_family(nl);
	if (error == ENOENT)
		fail_no_family();
	if (error)
		fail(EXIT_OTHER, "netlink: %s", strerror(error));
}

void netlink_close(struct netlink *nl)
{
	mnl_socket_close(nl->socket);
}

/* Numbers are of 32 bits, or of as many as they need */
static uint64_t get_number(const struct nlattr *attr)
{
	switch (mnl_attr_get_payload_len(attr)) {
	case sizeof(uint32_t):
		return mnl_attr_get_u32(attr);
	case sizeof(uint64_t):
		return mnl_attr_get_u64(attr);
	default:
		return 0;
	}
}

static int take_stats(const struct nlattr *attr, void *data)
{
	struct nl_object *object = data;
	uint16_t type = mnl_attr_get_type(attr);

	if (type <= VIRTIO_SST_A_STATS_MAX)
		object->stats[type] = get_number(attr);
	return MNL_CB_OK;
}

static int take_device(const struct nlattr *attr, void *data)
{
	struct nl_object *object = data;
	uint16_t type = mnl_attr_get_type(attr);

	switch (type) {
	case VIRTIO_SST_A_DEVICE_NAME:
		get_text(attr, object->name, sizeof(object->name));
		break;
	case VIRTIO_SST_A_DEVICE_PARENT:
		get_text(attr, object->parent, sizeof(object->parent));
		break;
	case VIRTIO_SST_A_DEVICE_STATS:
		return mnl_attr_parse_nested(attr, take_stats, object);
	default:
		if (type <= VIRTIO_SST_A_DEVICE_MAX)
			object->value[type] = get_number(attr);
	}
	return MNL_CB_OK;
}

static int take_queue(const struct nlattr *attr, void *data)
{
	struct nl_object *object = data;
	uint16_t type = mnl_attr_get_type(attr);

	if (type == VIRTIO_SST_A_QUEUE_STATS)
		return mnl_attr_parse_nested(attr, take_stats, object);
	if (type <= VIRTIO_SST_A_QUEUE_MAX)
		object->value[type] = get_number(attr);
	return MNL_CB_OK;
}

static struct nl_object *add_object(struct nl_list *list)
{
	struct nl_object *objects;

	objects = realloc(list->objects, (list->nr + 1) * sizeof(*objects));
	if (!objects)
		fail(EXIT_OTHER, "out of memory");
	list->objects = objects;
	return &objects[list->nr++];
}

static int take_object(const struct nlmsghdr *message, void *data)
{
	struct answer *answer = data;
	struct nl_object *object = answer->list ? add_object(answer->list) : answer->object;

	memset(object, 0, sizeof(*object));
	return mnl_attr_parse(message, sizeof(struct genlmsghdr),
			      answer->queues ? take_queue : take_device, object);
}

/* Judges how a request ended. Return: whether there is such a device */
static bool judge(int error, const struct answer *answer)
{
	if (error == ENODEV)
		return false;
	/* The family is no longer known, or its module is on its way out. */
	if (error == ENOENT || error == EPROTONOSUPPORT)
		fail(EXIT_NO_DRIVER, "the driver is being unloaded");
	if (error == EPERM || error == EACCES)
		fail(EXIT_NO_PERMISSION,
		     "no permission: only root (CAP_SYS_ADMIN) may change or reset a device");
	if (error)
		fail(EXIT_OTHER, "netlink: %s%s%s", strerror(error), *answer->reason ? ": " : "",
		     answer->reason);
	return true;
}

/* Gets a list, from the start again if it changes meanwhile. Return: as judge() */
static bool dump(struct netlink *nl, struct nlmsghdr *message, struct answer *answer)
{
	int error;

	do {
		answer->list->nr = 0;
		message->nlmsg_seq = ++nl->sequence;
		error = ask(nl, message, take_object, answer);
	} while (error == EINTR);
	return judge(error, answer);
}

void netlink_devices(struct netlink *nl, struct nl_list *list)
{
	struct answer answer = { .list = list };
	char buffer[REQUEST_SIZE];

	memset(list, 0, sizeof(*list));
	dump(nl, start_message(nl, buffer, nl->family, NLM_F_DUMP, VIRTIO_SST_CMD_DEVICE_GET),
	     &answer);
}

bool netlink_queues(struct netlink *nl, uint32_t index, struct nl_list *list)
{
	struct answer answer = { .list = list, .queues = true };
	char buffer[REQUEST_SIZE];
	struct nlmsghdr *message;

	memset(list, 0, sizeof(*list));
	message = start_message(nl, buffer, nl->family, NLM_F_DUMP, VIRTIO_SST_CMD_QUEUE_GET);
	mnl_attr_put_u32(message, VIRTIO_SST_A_QUEUE_DEVICE_INDEX, index);
	return dump(nl, message, &answer);
}

/* Begins a message about one device */
static struct nlmsghdr *start_device(struct netlink *nl, char *buffer, uint8_t command,
				     uint32_t index)
{
	struct nlmsghdr *message = start_message(nl, buffer, nl->family, NLM_F_ACK, command);

	mnl_attr_put_u32(message, VIRTIO_SST_A_DEVICE_INDEX, index);
	return message;
}

bool netlink_device(struct netlink *nl, uint32_t index, struct nl_object *device)
{
	struct answer answer = { .object = device };
	char buffer[REQUEST_SIZE];

	return judge(ask(nl, start_device(nl, buffer, VIRTIO_SST_CMD_DEVICE_GET, index),
			 take_object, &answer), &answer);
}

bool netlink_set(struct netlink *nl, uint32_t index, uint16_t attribute, uint32_t value)
{
	struct answer answer = { 0 };
	char buffer[REQUEST_SIZE];
	struct nlmsghdr *message = start_device(nl, buffer, VIRTIO_SST_CMD_DEVICE_SET, index);

	mnl_attr_put_u32(message, attribute, value);
	return judge(ask(nl, message, NULL, &answer), &answer);
}

bool netlink_reset(struct netlink *nl, uint32_t index)
{
	struct answer answer = { 0 };
	char buffer[REQUEST_SIZE];

	return judge(ask(nl, start_device(nl, buffer, VIRTIO_SST_CMD_DEVICE_RESET, index), NULL,
			 &answer), &answer);
}

void nl_list_free(struct nl_list *list)
{
	free(list->objects);
}
