/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device that breaks its rules at random, to test drivers: option --hostile.
 *
 * What it does wrong differs from life to life. A life lasts from one reading of
 * configuration space, while no queue runs, to the next one, which is from probe
 * to removal for a driver. Everything follows from a seed and the number of the
 * life, which configuration space shows as device_id.
 */

#ifndef SST_HOSTILE_H
#define SST_HOSTILE_H

#include <linux/virtio_sst.h>
#include <stdbool.h>
#include <stdint.h>

#include "answer.h"

/* One life in so many is that of a device without fault, so that all is seen to work again */
#define HOSTILE_GOOD_LIFE	8

/* What it makes up consists of bytes from this value on */
#define HOSTILE_BYTE		0xe0

/* Responses that no program may ever get consist of this byte */
#define HOSTILE_FORBIDDEN	0xdf

/**
 * struct hostile_options - what the option says
 * @on: the device is hostile
 * @seed: what all random choices start from
 * @life: number of the first life
 */
struct hostile_options {
	bool on;
	uint64_t seed;
	uint32_t life;
};

/* Things to do wrong */
enum hostile_vice {
	HOSTILE_LATE,
	HOSTILE_SILENT,
	HOSTILE_LENGTH,
	HOSTILE_SHORT,
	HOSTILE_GARBAGE,
	HOSTILE_ID,
	HOSTILE_QUEUE,
	HOSTILE_CHAIN,
	HOSTILE_EMPTY,
	HOSTILE_REPEAT,
	HOSTILE_BOTH,
	HOSTILE_OTHER_HEAD,
	HOSTILE_BAD_HEAD,
	HOSTILE_SILENCE,
	HOSTILE_ANSWERS,	/* those before are about answers to requests */
	HOSTILE_EVENT = HOSTILE_ANSWERS,
	HOSTILE_INTERRUPT,
	HOSTILE_CONFIG_CHANGE,
	HOSTILE_CONFIG,
	HOSTILE_REFUSAL,
	HOSTILE_VICES,
};

/**
 * struct hostile - how the device is at present
 * @options: what the option says
 * @life: number of this life
 * @begun: a queue was started in it
 * @honesty: percentage of answers and events that are right
 * @vices: which of &enum hostile_vice it has, a bit each; none in a good life
 * @max_delay_ns: longest delay of a late answer
 * @random: state of the generator for what the main thread does
 * @count: how often it did each; atomic, since each pair of queues has a thread
 *
 * Changes only while no queue runs, apart from @random and @count.
 */
struct hostile {
	const struct hostile_options *options;
	uint32_t life;
	bool begun;
	unsigned int honesty;
	uint32_t vices;
	uint64_t max_delay_ns;
	uint64_t random;
	uint64_t count[HOSTILE_VICES];
};

/* Begins the first life; without the option, one that is good and does not end */
void hostile_init(struct hostile *hostile, const struct hostile_options *options);

/* A queue is being started: prints what the life is like, if it is the first one in it */
void hostile_begin(struct hostile *hostile);

/* Begins the next life if this one has had its time. Return: whether it did */
bool hostile_next_life(struct hostile *hostile);

/* Returns the start of a generator, which is another one for each queue and life */
uint64_t hostile_random(const struct hostile *hostile, unsigned int index);

/* Decides whether the device does something, and counts it */
bool hostile_does(struct hostile *hostile, enum hostile_vice vice);

/*
 * Makes up an answer, or the way in which an event comes.
 * Return: whether it is to be a wrong one
 */
bool hostile_answer(struct hostile *hostile, uint64_t *random, struct answer *answer);
bool hostile_event(struct hostile *hostile, uint64_t *random, struct answer *answer);

/* Chooses how often events come in this life */
void hostile_events(struct hostile *hostile, uint64_t *interval_ns, uint64_t *at_once);

/* Changes what configuration space says */
void hostile_config(struct hostile *hostile, struct sst_config *config);

/* Prints how often the device did what */
void hostile_print(const struct hostile *hostile);

#endif /* SST_HOSTILE_H */
