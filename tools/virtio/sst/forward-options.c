// SPDX-License-Identifier: GPL-2.0-only
/* Options about a simulator in a process of its own. */

#include <string.h>

#include "forward-options.h"
#include "log.h"
#include "parse.h"
#include "util.h"

#define MAX_MSEC	UINT64_C(1000000000)

/* Of several, the last one counts */
static bool set_endpoint(struct endpoint *endpoint, const char *arg, bool listens)
{
	bool ok = endpoint_parse(endpoint, arg);

	endpoint->listens = listens;
	return ok;
}

bool forward_set_connect(struct options *options, const char *arg)
{
	return set_endpoint(&options->forward.endpoint, arg, false);
}

bool forward_set_listen(struct options *options, const char *arg)
{
	return set_endpoint(&options->forward.endpoint, arg, true);
}

bool forward_set_events_connect(struct options *options, const char *arg)
{
	return set_endpoint(&options->events_endpoint, arg, false);
}

bool forward_set_events_listen(struct options *options, const char *arg)
{
	return set_endpoint(&options->events_endpoint, arg, true);
}

bool forward_set_on_disconnect(struct options *options, const char *arg)
{
	uint64_t nr = 0;
	bool ok = true;

	if (!strcmp(arg, "queue"))
		nr = FORWARD_DEFAULT_WAITING;
	else if (!strncmp(arg, "queue:", 6))
		ok = parse_number(arg + 6, FORWARD_MAX_WAITING, &nr) && nr;
	else
		ok = !strcmp(arg, "error");
	options->forward.max_waiting = (uint32_t)nr;
	return ok;
}

bool forward_set_timeout(struct options *options, const char *arg)
{
	uint64_t timeout;

	if (!parse_number(arg, MAX_MSEC, &timeout))
		return false;
	options->forward.timeout_ns = timeout * NSEC_PER_MSEC;
	return timeout;
}

static bool refuse(const char *option, const char *other)
{
	log_error("%s does not go together with %s", option, other);
	return false;
}

/*
 * The first option that is about a simulator that answers requests, and that differs from the
 * default, or NULL
 */
static const char *about_simulator(const struct forward_options *forward,
				   const struct forward_options *defaults)
{
	if (forward->all && !defaults->all)
		return "--forward-all";
	if (forward->in_order && !defaults->in_order)
		return "--in-order";
	if (forward->max_waiting && forward->max_waiting != defaults->max_waiting)
		return "--on-disconnect";
	if (forward->timeout_ns != defaults->timeout_ns)
		return "--simulator-timeout";
	return NULL;
}

static bool check_existing(const struct options *options)
{
	const struct forward_options *forward = &options->forward;
	const char *other = "--quirks existing";

	if (forward->all)
		return refuse("--forward-all", other);
	if (forward->max_waiting)
		return refuse("--on-disconnect queue", other);
	if (options->events_endpoint.text)
		return refuse("--events-connect and --events-listen", other);
	return true;
}

bool forward_options_finish(struct options *options, const struct options *defaults)
{
	struct forward_options *forward = &options->forward;
	const char *option = about_simulator(forward, &defaults->forward);

	if (option && !options_forward(options)) {
		log_error("%s is about a simulator: add --connect or --listen", option);
		return false;
	}
	if (options->existing && !check_existing(options))
		return false;
	if (options->hostile.on && (options_forward(options) || options->events_endpoint.text))
		return refuse("--hostile", "a simulator");
	forward->existing = options->existing;
	/* The existing device does not look at IDs */
	forward->in_order |= options->existing;
	return true;
}
