// SPDX-License-Identifier: GPL-2.0-only
/* Answers that differ from the model's, to test drivers: option --answer. */

#include <linux/virtio_sst.h>
#include <string.h>

#include "answer.h"
#include "parse.h"
#include "util.h"

#define MAX_MSEC	UINT64_C(1000000000)

/* In place of a number that was left out */
#define NO_NUMBER	UINT64_MAX

static void set_never(struct answer *answer, uint64_t arg)
{
	(void)arg;
	answer->has_delay = true;
	answer->delay_ns = ANSWER_NEVER;
}

static void set_after(struct answer *answer, uint64_t arg)
{
	answer->has_delay = true;
	answer->delay_ns = arg * NSEC_PER_MSEC;
}

static void set_wrong_id(struct answer *answer, uint64_t arg)
{
	(void)arg;
	answer->id = ANSWER_ID_INVERTED;
}

static void set_len(struct answer *answer, uint64_t arg)
{
	answer->has_used_len = true;
	answer->used_len = (uint32_t)arg;
}

static void set_short(struct answer *answer, uint64_t arg)
{
	answer->written = (uint32_t)arg;
	set_len(answer, arg);
}

static void set_status(struct answer *answer, uint64_t arg)
{
	answer->has_status = true;
	answer->status = (uint32_t)arg;
}

static void set_dirty(struct answer *answer, uint64_t arg)
{
	(void)arg;
	answer->written = SST_RESPONSE_HEADER_SIZE;
	set_len(answer, sizeof(struct sst_response));
}

static void set_fill(struct answer *answer, uint64_t arg)
{
	answer->has_fill = true;
	answer->fill = (uint8_t)arg;
}

static void set_break(struct answer *answer, uint64_t arg)
{
	(void)arg;
	answer->head = ANSWER_HEAD_BEYOND;
}

static void set_way(struct answer *answer, uint64_t arg)
{
	answer->way = (enum answer_way)arg;
}

static void set_in_chain(struct answer *answer, uint64_t arg)
{
	(void)arg;
	set_way(answer, ANSWER_IN_CHAIN);
}

static void set_chain_after(struct answer *answer, uint64_t arg)
{
	set_way(answer, ANSWER_BEFORE);
	answer->has_chain_delay = true;
	answer->chain_delay_ns = arg * NSEC_PER_MSEC;
}

static void set_keep_chain(struct answer *answer, uint64_t arg)
{
	(void)arg;
	set_chain_after(answer, 0);
	answer->chain_delay_ns = ANSWER_NEVER;
}

static void set_no_response(struct answer *answer, uint64_t arg)
{
	(void)arg;
	set_way(answer, ANSWER_AFTER);
	answer->no_response = true;
}

static void set_repeat(struct answer *answer, uint64_t arg)
{
	(void)arg;
	answer->repeat = true;
}

static void set_silence(struct answer *answer, uint64_t arg)
{
	answer->silence_ns = arg * NSEC_PER_MSEC;
	if (arg == NO_NUMBER)
		answer->silence_ns = ANSWER_NEVER;
}

static void set_die(struct answer *answer, uint64_t arg)
{
	(void)arg;
	answer->dies = true;
}

/* What follows a word, after a colon */
enum argument {
	ARG_NONE,
	ARG_NUMBER,
	ARG_OPTIONAL,		/* a number, or nothing */
	ARG_ORDER,
};

/**
 * struct behaviour - a word of the option
 * @name: the word, up to the colon when it has an argument
 * @arg: kind of its argument
 * @max: largest number, when that is one
 * @set: enters it into a rule
 */
struct behaviour {
	const char *name;
	enum argument arg;
	uint64_t max;
	void (*set)(struct answer *answer, uint64_t arg);
};

static const struct behaviour behaviours[] = {
	{ "never", ARG_NONE, 0, set_never },
	{ "after", ARG_NUMBER, MAX_MSEC, set_after },
	{ "wrong-id", ARG_NONE, 0, set_wrong_id },
	{ "short", ARG_NUMBER, sizeof(struct sst_response), set_short },
	{ "len", ARG_NUMBER, UINT32_MAX, set_len },
	{ "status", ARG_NUMBER, UINT32_MAX, set_status },
	{ "dirty", ARG_NONE, 0, set_dirty },
	{ "fill", ARG_NUMBER, UINT8_MAX, set_fill },
	{ "break", ARG_NONE, 0, set_break },
	{ "in-chain", ARG_NONE, 0, set_in_chain },
	{ "queue", ARG_ORDER, 0, set_way },
	{ "chain-after", ARG_NUMBER, MAX_MSEC, set_chain_after },
	{ "keep-chain", ARG_NONE, 0, set_keep_chain },
	{ "no-response", ARG_NONE, 0, set_no_response },
	{ "repeat", ARG_NONE, 0, set_repeat },
	{ "silence", ARG_OPTIONAL, MAX_MSEC, set_silence },
	{ "die", ARG_NONE, 0, set_die },
};

bool answer_parse_order(const char *text, enum answer_way *way)
{
	if (!strcmp(text, "after"))
		*way = ANSWER_AFTER;
	else if (!strcmp(text, "before"))
		*way = ANSWER_BEFORE;
	else if (!strcmp(text, "alternate"))
		*way = ANSWER_ALTERNATE;
	else
		return false;
	return true;
}

/* @text: what follows the colon, NULL when there is none */
static bool parse_argument(const struct behaviour *b, const char *text,
			   uint64_t *arg)
{
	enum answer_way way;

	*arg = NO_NUMBER;
	if (!text)
		return b->arg == ARG_NONE || b->arg == ARG_OPTIONAL;
	if (b->arg == ARG_NONE)
		return false;
	if (b->arg != ARG_ORDER)
		return parse_number(text, b->max, arg);
	if (!answer_parse_order(text, &way))
		return false;
	*arg = way;
	return true;
}

static bool parse_behaviour(struct answer *answer, const char *word)
{
	size_t len = strcspn(word, ":");
	const char *text = word[len] ? word + len + 1 : NULL;
	unsigned int i;
	uint64_t arg;

	for (i = 0; i < ARRAY_SIZE(behaviours); i++) {
		const struct behaviour *b = &behaviours[i];

		if (strlen(b->name) != len || strncmp(b->name, word, len))
			continue;
		if (!parse_argument(b, text, &arg))
			return false;
		b->set(answer, arg);
		return true;
	}
	return false;
}

/* Returns the rule for a type, made if need be, or NULL when there is no room */
static struct answer *get_rule(struct answer_table *table, uint32_t type)
{
	struct answer *answer;
	unsigned int i;

	for (i = 0; i < table->nr; i++)
		if (table->rule[i].type == type)
			return &table->rule[i];
	if (table->nr == ANSWER_MAX_RULES)
		return NULL;
	answer = &table->rule[table->nr++];
	memset(answer, 0, sizeof(*answer));
	answer->type = type;
	answer->written = sizeof(struct sst_response);
	return answer;
}

bool answer_parse(struct answer_table *table, const char *text)
{
	char copy[256], *save, *word;
	struct answer *answer;
	uint64_t type;

	if (!parse_copy(text, copy, sizeof(copy)))
		return false;
	word = strchr(copy, '=');
	if (!word)
		return false;
	*word++ = '\0';
	if (!parse_number(copy, UINT32_MAX, &type))
		return false;
	answer = get_rule(table, (uint32_t)type);
	word = strtok_r(word, ",", &save);
	if (!answer || !word)
		return false;
	for (; word; word = strtok_r(NULL, ",", &save))
		if (!parse_behaviour(answer, word))
			return false;
	return true;
}

const struct answer *answer_find(const struct answer_table *table,
				 uint32_t type)
{
	unsigned int i;

	for (i = 0; i < table->nr; i++)
		if (table->rule[i].type == type)
			return &table->rule[i];
	return NULL;
}

enum answer_way answer_way(const struct answer *answer,
			   enum answer_way default_way)
{
	if (answer && answer->way != ANSWER_DEFAULT)
		return answer->way;
	return default_way;
}

const char *answer_conflict(const struct answer *answer,
			    enum answer_way default_way)
{
	enum answer_way way = answer_way(answer, default_way);

	if (answer->repeat && way == ANSWER_IN_CHAIN)
		return "repeat is for responses on the response queue: add queue:ORDER, or --response-queue ORDER";
	if (answer->no_response && way != ANSWER_AFTER)
		return "no-response does not go together with in-chain, and only with queue:after";
	if (answer->has_chain_delay && way != ANSWER_BEFORE)
		return "chain-after and keep-chain do not go together with in-chain and no-response, and only with queue:before";
	return NULL;
}

bool answer_push(struct virtq *vq, enum answer_head head, uint32_t own, uint32_t len)
{
	switch (head) {
	case ANSWER_HEAD_BEYOND:
		virtq_push(vq, vq->num, len);
		return true;
	case ANSWER_HEAD_HUGE:
		virtq_push(vq, UINT32_MAX, len);
		return true;
	case ANSWER_HEAD_NEIGHBOUR:
		virtq_push(vq, (own + 1) % vq->num, len);
		return false;
	case ANSWER_HEAD_TWICE:
		virtq_push(vq, own, len);
		virtq_push(vq, own, len);
		return false;
	default:
		virtq_push(vq, own, len);
		return true;
	}
}
