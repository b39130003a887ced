/* SPDX-License-Identifier: GPL-2.0-only */
/* Answers that differ from the model's, to test drivers: option --answer. */

#ifndef SST_ANSWER_H
#define SST_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "virtq.h"

#define ANSWER_MAX_RULES	32

/* Delay of an answer that is never given */
#define ANSWER_NEVER		UINT64_MAX

/* Where the response to a request goes, and when its chain comes back */
enum answer_way {
	ANSWER_DEFAULT,		/* as the device's other responses do */
	ANSWER_IN_CHAIN,	/* into the request's chain */
	ANSWER_AFTER,		/* to the response queue, after the empty chain */
	ANSWER_BEFORE,		/* to the response queue, before that */
	ANSWER_ALTERNATE,	/* the last two in turn, from request to request */
};

/* Whose request_id a response carries */
enum answer_id {
	ANSWER_ID_OWN,
	ANSWER_ID_INVERTED,	/* nobody's, and another user_data */
	ANSWER_ID_OTHER,	/* that of another request that is not answered yet */
	ANSWER_ID_LAST,		/* that of the request before it */
	ANSWER_ID_NEXT,		/* one that no request has had so far */
};

/* Which descriptor the used ring names */
enum answer_head {
	ANSWER_HEAD_OWN,
	ANSWER_HEAD_BEYOND,	/* the first one behind the table */
	ANSWER_HEAD_HUGE,	/* 4294967295 */
	ANSWER_HEAD_NEIGHBOUR,	/* the one behind it, whatever that is */
	ANSWER_HEAD_TWICE,	/* the right one, in two entries */
	ANSWER_HEAD_OTHER,	/* that of another request that is not answered yet */
};

/**
 * struct answer - how requests of one type are answered
 * @type: the type
 * @way: where the response goes
 * @delay_ns: time from the request to its answer, if @has_delay
 * @written: bytes that are written at most
 * @used_len: bytes that are said to be written, if @has_used_len
 * @status: status of the response, if @has_status
 * @fill: value of every byte of the payload, if @has_fill
 * @chain_delay_ns: time from the response to the chain, if @has_chain_delay, or
 *	ANSWER_NEVER
 * @silence_ns: how long the device is silent after the answer, 0 for not at all
 * @id: whose request_id the response carries
 * @head: which descriptor the used ring names
 * @has_chain_delay: the chain does not follow the response at once
 * @no_response: the chain comes back empty, and no response follows
 * @repeat: the response is sent twice
 * @both: the response is in its chain as well
 * @noise: flags and result have all bits set
 * @dies: the program ends when it gets the request
 */
struct answer {
	uint32_t type;
	enum answer_way way;
	uint64_t delay_ns;
	uint32_t written;
	uint32_t used_len;
	uint32_t status;
	uint8_t fill;
	uint64_t chain_delay_ns;
	uint64_t silence_ns;
	bool has_delay;
	bool has_used_len;
	bool has_status;
	bool has_fill;
	enum answer_id id;
	enum answer_head head;
	bool has_chain_delay;
	bool no_response;
	bool repeat;
	bool both;
	bool noise;
	bool dies;
};

/**
 * struct answer_table - all rules
 * @nr: rules in use
 * @rule: the rules, one for each type
 */
struct answer_table {
	unsigned int nr;
	struct answer rule[ANSWER_MAX_RULES];
};

/* What --answer accepts */
#define ANSWER_SYNTAX \
	"TYPE=BEHAVIOUR[,BEHAVIOUR]...: TYPE from 0 to 4294967295, 32 types " \
	"at most; BEHAVIOUR one of never, after:MS (0 to 1000000000), " \
	"wrong-id, short:N (0 to 4112), len:N and status:N (0 to " \
	"4294967295), dirty, fill:BYTE (0 to 255), break, in-chain, " \
	"queue:ORDER (after, before, alternate), chain-after:MS, keep-chain, " \
	"no-response, repeat, silence[:MS], die"

/* Adds what one option says. Return: whether it is well formed */
bool answer_parse(struct answer_table *table, const char *text);

/* Reads an order of response queue and chain. Return: whether it is one */
bool answer_parse_order(const char *text, enum answer_way *way);

/* Returns where a response goes; @answer may be NULL */
enum answer_way answer_way(const struct answer *answer,
			   enum answer_way default_way);

/* Returns what does not fit together in a rule, or NULL */
const char *answer_conflict(const struct answer *answer,
			    enum answer_way default_way);

/* Returns the rule for a type, or NULL */
const struct answer *answer_find(const struct answer_table *table,
				 uint32_t type);

/*
 * Gives a chain back under the number that @head says, which is not ANSWER_HEAD_OTHER.
 * Return: whether it is still known which chains the driver has
 */
bool answer_push(struct virtq *vq, enum answer_head head, uint32_t own, uint32_t len);

#endif /* SST_ANSWER_H */
