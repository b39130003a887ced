// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options from a file. It is JSON: an object with the names of options, without the dashes,
 * and with "devices", an array of such objects, one for each device. An option that may be
 * given several times can have an array of values.
 *
 * Options keep the strings that they are given, so the file stays in memory.
 */

#include <json-c/json.h>
#include <string.h>

#include "config.h"
#include "log.h"

/* Enters one value of an option */
static bool enter_value(struct options_list *list, const char *name, json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_boolean:
		return !json_object_get_boolean(value) || options_enter(list, name, NULL);
	case json_type_int:
	case json_type_string:
		return options_enter(list, name, json_object_get_string(value));
	default:
		log_error("%.40s: neither a string, a whole number nor true", name);
		return false;
	}
}

static bool enter_values(struct options_list *list, const char *name, json_object *value)
{
	size_t i;

	if (!json_object_is_type(value, json_type_array))
		return enter_value(list, name, value);
	for (i = 0; i < json_object_array_length(value); i++)
		if (!enter_value(list, name, json_object_array_get_idx(value, i)))
			return false;
	return true;
}

static bool enter_options(struct options_list *list, json_object *options, const char *but)
{
	json_object_object_foreach(options, name, value)
		if (strcmp(name, but) && !enter_values(list, name, value))
			return false;
	return true;
}

static bool enter_device(struct options_list *list, json_object *device)
{
	if (!json_object_is_type(device, json_type_object)) {
		log_error("devices: one that is not an object");
		return false;
	}
	return options_begin_device(list) && enter_options(list, device, "");
}

static bool enter_devices(struct options_list *list, json_object *devices)
{
	size_t i;

	if (!json_object_is_type(devices, json_type_array)) {
		log_error("devices: not an array");
		return false;
	}
	for (i = 0; i < json_object_array_length(devices); i++)
		if (!enter_device(list, json_object_array_get_idx(devices, i)))
			return false;
	return true;
}

bool config_read(struct options_list *list, const char *path)
{
	json_object *root, *devices;
	const char *error;

	if (list->config) {
		log_error("--config can be given once only");
		return false;
	}
	root = json_object_from_file(path);
	list->config = root;
	if (!root) {
		/* json-c ends its text with a newline */
		error = json_util_get_last_err();
		log_error("%.*s", error ? (int)strcspn(error, "\n") : 0, error ? error : "");
		return false;
	}
	if (!json_object_is_type(root, json_type_object)) {
		log_error("%s: not an object", path);
		return false;
	}
	/* What devices have in common comes first, wherever it is in the file */
	if (!enter_options(list, root, "devices"))
		return false;
	return !json_object_object_get_ex(root, "devices", &devices) ||
	       enter_devices(list, devices);
}

void config_free(struct options_list *list)
{
	json_object_put(list->config);
}
