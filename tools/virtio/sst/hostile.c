// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that breaks its rules at random, to test drivers.
 *
 * It lies to the driver and never does what no driver could survive: memory that it
 * has given back is not written to any more. After a lie that leaves open which
 * buffers the driver takes for its own again, a queue therefore does nothing until it
 * is started again. Nor does it give one request's data to another one. What it makes
 * up can be told from what programs send by its bytes.
 */

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "hostile.h"
#include "util.h"

/* One answer in so many may be one that the queue or the device does not recover from */
#define DRASTIC		24

#define MAX_DELAY_MS	100

/* A number below @limit */
static uint64_t below(uint64_t *random, uint64_t limit)
{
	return random_next(random) % limit;
}

static bool one_in(uint64_t *random, uint64_t n)
{
	return !below(random, n);
}

static uint8_t made_up_byte(uint64_t *random)
{
	return (uint8_t)(HOSTILE_BYTE | below(random, 0x20));
}

static void be_late(const struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	answer->has_delay = true;
	answer->delay_ns = below(random, hostile->max_delay_ns);
}

static void be_silent(const struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	(void)hostile;
	(void)random;
	answer->has_delay = true;
	answer->delay_ns = ANSWER_NEVER;
}

static void claim_length(const struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	const uint32_t length[] = {
		0, 1, SST_RESPONSE_HEADER_SIZE - 1, SST_RESPONSE_HEADER_SIZE,
		sizeof(struct sst_response) - 1, sizeof(struct sst_response) + 1,
		2 * sizeof(struct sst_response), INT32_MAX, UINT32_MAX,
		(uint32_t)below(random, sizeof(struct sst_response)),
		(uint32_t)random_next(random),
	};

	(void)hostile;
	answer->has_used_len = true;
	answer->used_len = length[below(random, ARRAY_SIZE(length))];
}

/* Says that more was written than was, or as much */
static void write_less(const struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	(void)hostile;
	answer->written = (uint32_t)below(random, sizeof(struct sst_response));
	if (one_in(random, 2)) {
		answer->has_used_len = true;
		answer->used_len = answer->written;
	}
}

static void make_up(const struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	(void)hostile;
	answer->has_fill = true;
	answer->fill = made_up_byte(random);
	answer->noise = true;
	answer->has_status = true;
	answer->status = (uint32_t)(one_in(random, 2) ? below(random, 8) : random_next(random));
}

static void lie_about_id(const struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	make_up(hostile, random, answer);
	answer->id = (enum answer_id)(ANSWER_ID_INVERTED + below(random, 4));
	answer->way = (enum answer_way)(ANSWER_IN_CHAIN + below(random, 3));
	/* On the response queue these belong to no request */
	if (answer->way != ANSWER_IN_CHAIN &&
	    (answer->id == ANSWER_ID_INVERTED || answer->id == ANSWER_ID_NEXT))
		answer->fill = HOSTILE_FORBIDDEN;
}

static void use_queue(const struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	if (one_in(random, 2))
		be_late(hostile, random, answer);
	answer->way = one_in(random, 2) ? ANSWER_AFTER : ANSWER_BEFORE;
}

static void delay_chain(const struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	answer->way = ANSWER_BEFORE;
	answer->has_chain_delay = true;
	answer->chain_delay_ns = ANSWER_NEVER;
	if (!one_in(random, 4))
		answer->chain_delay_ns = below(random, hostile->max_delay_ns);
}

static void return_empty(const struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	(void)hostile;
	(void)random;
	answer->way = ANSWER_AFTER;
	answer->no_response = true;
}

static void send_twice(const struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	use_queue(hostile, random, answer);
	answer->repeat = true;
}

static void use_both(const struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	(void)hostile;
	(void)random;
	answer->way = ANSWER_BEFORE;
	answer->both = true;
}

static void name_other(const struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	(void)hostile;
	(void)random;
	answer->head = ANSWER_HEAD_OTHER;
}

static void name_wrong(const struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	(void)hostile;
	answer->head = (enum answer_head)(ANSWER_HEAD_BEYOND + below(random, 4));
	if (one_in(random, 4))
		answer->way = ANSWER_BEFORE;
}

static void fall_silent(const struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	answer->silence_ns = ANSWER_NEVER;
	if (!one_in(random, 3))
		answer->silence_ns = 1 + below(random, hostile->max_delay_ns);
}

/**
 * struct vice - a thing to do wrong
 * @name: what it is called where it is counted
 * @set: makes an answer wrong in this way; NULL for what is not about answers
 */
static const struct {
	const char *name;
	void (*set)(const struct hostile *hostile, uint64_t *random, struct answer *answer);
} vices[HOSTILE_VICES] = {
	[HOSTILE_LATE] = { "delayed and out of order", be_late },
	[HOSTILE_SILENT] = { "never given", be_silent },
	[HOSTILE_LENGTH] = { "with a wrong length", claim_length },
	[HOSTILE_SHORT] = { "with bytes missing", write_less },
	[HOSTILE_GARBAGE] = { "of garbage", make_up },
	[HOSTILE_ID] = { "with a wrong request_id", lie_about_id },
	[HOSTILE_QUEUE] = { "on the response queue", use_queue },
	[HOSTILE_CHAIN] = { "with the chain late or never", delay_chain },
	[HOSTILE_EMPTY] = { "announced and not given", return_empty },
	[HOSTILE_REPEAT] = { "given twice", send_twice },
	[HOSTILE_BOTH] = { "on the response queue and in the chain", use_both },
	[HOSTILE_OTHER_HEAD] = { "in the chain of another request", name_other },
	[HOSTILE_BAD_HEAD] = { "in a chain never offered, or used twice", name_wrong },
	[HOSTILE_SILENCE] = { "followed by silence", fall_silent },
	[HOSTILE_EVENT] = { "wrong events", NULL },
	[HOSTILE_INTERRUPT] = { "spurious interrupts", NULL },
	[HOSTILE_CONFIG_CHANGE] = { "config-change notifications", NULL },
	[HOSTILE_CONFIG] = { "wrong reads of configuration space", NULL },
	[HOSTILE_REFUSAL] = { "refused starts of a queue", NULL },
};

uint64_t hostile_random(const struct hostile *hostile, unsigned int index)
{
	uint64_t state = hostile->options->seed * UINT64_C(0x9e3779b97f4a7c15) +
			 hostile->life * UINT64_C(0xbf58476d1ce4e5b9) +
			 index * UINT64_C(0x94d049bb133111eb) + 1;

	/* Similar starts give similar numbers at first, and 0 no others */
	state = (state ^ state >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	state = (state ^ state >> 27) * UINT64_C(0x94d049bb133111eb);
	return state ? state : 1;
}

static void count(struct hostile *hostile, enum hostile_vice vice)
{
	__atomic_add_fetch(&hostile->count[vice], 1, __ATOMIC_RELAXED);
}

static void choose_mood(struct hostile *hostile)
{
	uint64_t *random = &hostile->random;

	*random = hostile_random(hostile, UINT32_MAX);
	hostile->begun = false;
	hostile->vices = 0;
	if (hostile->life % HOSTILE_GOOD_LIFE) {
		/* Some of the vices, and one at least */
		hostile->vices = (uint32_t)(random_next(random) & random_next(random)) |
				 1U << below(random, HOSTILE_ANSWERS);
		hostile->vices &= (1U << HOSTILE_VICES) - 1;
	}
	hostile->honesty = (unsigned int)(20 + below(random, 76));
	hostile->max_delay_ns = (1 + below(random, MAX_DELAY_MS)) * NSEC_PER_MSEC;
}

void hostile_init(struct hostile *hostile, const struct hostile_options *options)
{
	hostile->options = options;
	hostile->life = options->life;
	if (options->on)
		choose_mood(hostile);
}

void hostile_begin(struct hostile *hostile)
{
	if (!hostile->options->on || hostile->begun)
		return;
	hostile->begun = true;
	printf("vhost-user-sst: life %u: vices %#x, %u%% honest, delays up to %u ms\n",
	       hostile->life, hostile->vices, hostile->honesty,
	       (unsigned int)(hostile->max_delay_ns / NSEC_PER_MSEC));
	fflush(stdout);
}

bool hostile_next_life(struct hostile *hostile)
{
	if (!hostile->options->on || !hostile->begun)
		return false;
	hostile->life++;
	choose_mood(hostile);
	return true;
}

bool hostile_does(struct hostile *hostile, enum hostile_vice vice)
{
	if (!(hostile->vices & 1U << vice) ||
	    (vice == HOSTILE_REFUSAL && !one_in(&hostile->random, 32)))
		return false;
	count(hostile, vice);
	return true;
}

/* Chooses one of the vices about answers; the drastic ones seldom */
static enum hostile_vice choose_vice(const struct hostile *hostile, uint64_t *random)
{
	enum hostile_vice vice;

	do {
		vice = (enum hostile_vice)below(random, HOSTILE_ANSWERS);
	} while (!(hostile->vices & 1U << vice));
	if (vice >= HOSTILE_BAD_HEAD && !one_in(random, DRASTIC))
		return HOSTILE_LENGTH;
	return vice;
}

static bool has_vices(const struct hostile *hostile, uint32_t mask, uint64_t *random)
{
	return hostile->vices & mask && below(random, 100) >= hostile->honesty;
}

bool hostile_answer(struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	enum hostile_vice vice;

	if (!has_vices(hostile, (1U << HOSTILE_ANSWERS) - 1, random))
		return false;
	memset(answer, 0, sizeof(*answer));
	answer->written = sizeof(struct sst_response);
	/* Requests are to be at the device at the same time */
	if (one_in(random, 2)) {
		answer->has_delay = true;
		answer->delay_ns = below(random, 3 * NSEC_PER_MSEC);
	}
	if (one_in(random, 4))
		write_less(hostile, random, answer);
	vice = choose_vice(hostile, random);
	vices[vice].set(hostile, random, answer);
	count(hostile, vice);
	return true;
}

bool hostile_event(struct hostile *hostile, uint64_t *random, struct answer *answer)
{
	const uint32_t length[] = {
		sizeof(struct sst_event), sizeof(struct sst_event), sizeof(struct sst_event),
		0, sizeof(struct sst_event) - 1, sizeof(struct sst_event) + 1, UINT32_MAX,
	};

	if (!has_vices(hostile, 1U << HOSTILE_EVENT, random))
		return false;
	memset(answer, 0, sizeof(*answer));
	answer->fill = made_up_byte(random);
	answer->written = (uint32_t)below(random, sizeof(struct sst_event) + 1);
	answer->used_len = length[below(random, ARRAY_SIZE(length))];
	if (one_in(random, 64))
		name_wrong(hostile, random, answer);
	count(hostile, HOSTILE_EVENT);
	return true;
}

void hostile_events(struct hostile *hostile, uint64_t *interval_ns, uint64_t *at_once)
{
	if (!(hostile->vices & 1U << HOSTILE_EVENT))
		return;
	*interval_ns = (1 + below(&hostile->random, 8)) * NSEC_PER_MSEC;
	*at_once = one_in(&hostile->random, 4) ? 1 + below(&hostile->random, 300) : 1;
}

void hostile_config(struct hostile *hostile, struct sst_config *config)
{
	if (!hostile->options->on)
		return;
	config->device_id = htole32(hostile->life);
	if (!hostile_does(hostile, HOSTILE_CONFIG))
		return;
	config->version = htole32((uint32_t)random_next(&hostile->random));
	config->features = htole64(random_next(&hostile->random));
	config->max_queues = htole64(one_in(&hostile->random, 3) ? 0 :
				     random_next(&hostile->random) >>
				     below(&hostile->random, 64));
}

void hostile_print(const struct hostile *hostile)
{
	unsigned int i;

	for (i = 0; hostile->options->on && i < HOSTILE_VICES; i++)
		printf("vhost-user-sst: hostile: %llu %s%s\n",
		       (unsigned long long)hostile->count[i],
		       i < HOSTILE_ANSWERS ? "answers " : "", vices[i].name);
	fflush(stdout);
}
