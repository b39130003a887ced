// SPDX-License-Identifier: GPL-2.0-only
/* Answers that differ from the model's, to test drivers: option --answer. */

#include <linux/virtio_sst.h>
#include <string.h>

#include "answer.h"
#include "parse.h"
#include "util.h"

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
	answer->wrong_id = true;
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
	answer->wrong_head = true;
}

/**
 * struct behaviour - a word of the option
 * @name: the word, up to the colon when it takes a number
 * @max: largest number, 0 when it takes none
 * @set: enters it into a rule
 */
struct behaviour {
	const char *name;
	uint64_t max;
	void (*set)(struct answer *answer, uint64_t arg);
};

static const struct behaviour behaviours[] = {
	{ "never", 0, set_never },
	{ "after", 1000000000, set_after },
	{ "wrong-id", 0, set_wrong_id },
	{ "short", sizeof(struct sst_response), set_short },
	{ "len", UINT32_MAX, set_len },
	{ "status", UINT32_MAX, set_status },
	{ "dirty", 0, set_dirty },
	{ "fill", UINT8_MAX, set_fill },
	{ "break", 0, set_break },
};

static bool parse_behaviour(struct answer *answer, const char *word)
{
	size_t len = strcspn(word, ":");
	uint64_t arg = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(behaviours); i++) {
		const struct behaviour *b = &behaviours[i];

		if (strlen(b->name) != len || strncmp(b->name, word, len))
			continue;
		if (!b->max != !word[len])
			return false;
		if (b->max && !parse_number(word + len + 1, b->max, &arg))
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
