/* SPDX-License-Identifier: GPL-2.0-only */
/* Answers that differ from the model's, to test drivers: option --answer. */

#ifndef SST_ANSWER_H
#define SST_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#define ANSWER_MAX_RULES	32

/* Delay of an answer that is never given */
#define ANSWER_NEVER		UINT64_MAX

/**
 * struct answer - how requests of one type are answered
 * @type: the type
 * @delay_ns: time from the request to its answer, if @has_delay
 * @written: bytes that are written at most
 * @used_len: bytes that are said to be written, if @has_used_len
 * @status: status of the response, if @has_status
 * @fill: value of every byte of the payload, if @has_fill
 * @wrong_id: the response carries other IDs than the request
 * @wrong_head: the used ring names a descriptor that does not exist
 */
struct answer {
	uint32_t type;
	uint64_t delay_ns;
	uint32_t written;
	uint32_t used_len;
	uint32_t status;
	uint8_t fill;
	bool has_delay;
	bool has_used_len;
	bool has_status;
	bool has_fill;
	bool wrong_id;
	bool wrong_head;
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
	"4294967295), dirty, fill:BYTE (0 to 255), break"

/* Adds what one option says. Return: whether it is well formed */
bool answer_parse(struct answer_table *table, const char *text);

/* Returns the rule for a type, or NULL */
const struct answer *answer_find(const struct answer_table *table,
				 uint32_t type);

#endif /* SST_ANSWER_H */
