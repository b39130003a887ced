// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options from a file. It is JSON: an object with the names of options, without the dashes,
 * and with "devices", an array of such objects, one for each device. The option
 * answer, which may be given several times, can have an array of values.
 *
 * Options keep the strings that they are given, so the file stays in memory.
 */

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "log.h"

/* Enters one value of an option */
static bool enter_value(struct options_list *list, const char *name, json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_boolean:
		return options_switch(list, name, json_object_get_boolean(value));
	case json_type_int:
	case json_type_string:
		return options_enter(list, name, json_object_get_string(value));
	default:
		log_error("%.40s: neither a string, a whole number, true nor false", name);
		return false;
	}
}

static bool enter_values(struct options_list *list, const char *name, json_object *value)
{
	size_t i;

	if (!json_object_is_type(value, json_type_array))
		return enter_value(list, name, value);
	if (strcmp(name, "answer")) {
		log_error("%.40s: an array, which only answer can have", name);
		return false;
	}
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

static bool enter_device(struct options_list *list, json_object *device, const char *path,
			 unsigned int number)
{
	char about[OPTIONS_MAX_ABOUT];
	bool ok;

	options_about(about, path, number);
	log_about(about);
	if (json_object_is_type(device, json_type_object)) {
		ok = options_begin_device(list, path, number) && enter_options(list, device, "");
	} else {
		log_error("not an object");
		ok = false;
	}
	log_about(path);
	return ok;
}

static bool enter_devices(struct options_list *list, json_object *devices, const char *path)
{
	unsigned int i;

	if (!json_object_is_type(devices, json_type_array)) {
		log_error("devices: not an array");
		return false;
	}
	for (i = 0; i < json_object_array_length(devices); i++)
		if (!enter_device(list, json_object_array_get_idx(devices, i), path, i + 1))
			return false;
	return true;
}

static unsigned int count_lines(const char *text, size_t len)
{
	unsigned int nr = 0;

	while (len--)
		nr += text[len] == '\n';
	return nr;
}

/* Says where text is wrong, and why */
static void print_error(struct json_tokener *tok, const char *text)
{
	enum json_tokener_error error = json_tokener_get_error(tok);
	const char *why = error == json_tokener_success ? "not one object" :
			  error == json_tokener_continue ? "ends too early" :
			  json_tokener_error_desc(error);

	log_error("line %u: %s", count_lines(text, json_tokener_get_parse_end(tok)) + 1, why);
}

static json_object *parse(const char *text, size_t len)
{
	struct json_tokener *tok = json_tokener_new();
	json_object *root;
	size_t end;

	if (!tok) {
		log_error("out of memory");
		return NULL;
	}
	root = json_tokener_parse_ex(tok, text, (int)len);
	end = json_tokener_get_parse_end(tok);
	if (!root || end + strspn(text + end, " \t\r\n") != len) {
		print_error(tok, text);
		json_object_put(root);
		root = NULL;
	}
	json_tokener_free(tok);
	return root;
}

/* A byte that is zero ends no JSON, so that all is read, or what follows is wrong */
static json_object *parse_file(const char *path)
{
	FILE *file = fopen(path, "r");
	json_object *root = NULL;
	char *text = NULL;
	size_t room = 0;
	ssize_t len;

	if (!file) {
		log_error("%s", strerror(errno));
		return NULL;
	}
	len = getdelim(&text, &room, '\0', file);
	if (ferror(file))
		log_error("%s", strerror(errno));
	else
		root = len < 0 ? parse("", 0) : parse(text, (size_t)len);
	fclose(file);
	free(text);
	return root;
}

static bool enter_file(struct options_list *list, const char *path)
{
	json_object *root = parse_file(path), *devices;

	list->config = root;
	if (!root)
		return false;
	if (!json_object_is_type(root, json_type_object)) {
		log_error("not an object");
		return false;
	}
	/* What devices have in common comes first, wherever it is in the file */
	if (!enter_options(list, root, "devices"))
		return false;
	return !json_object_object_get_ex(root, "devices", &devices) ||
	       enter_devices(list, devices, path);
}

bool config_read(struct options_list *list, const char *path)
{
	bool ok;

	if (list->config) {
		log_error("--config can be given once only");
		return false;
	}
	list->config_path = path;
	log_about(path);
	ok = enter_file(list, path);
	log_about(NULL);
	return ok;
}

void config_free(struct options_list *list)
{
	json_object_put(list->config);
}
