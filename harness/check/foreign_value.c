/* SPDX-License-Identifier: Apache-2.0
 *
 * foreign_value: what the value of a line means. It depends on the model and the function, and on
 * whether the history has several keys: a field `key`, or values that are [key value] (what
 * jepsen.independent makes). Which of these it is, the first invocation decides, because only there
 * can it be told: a read is invoked with nil or with [key nil], a cas with [old new] or with
 * [key [old new]]. An operation that does not fit this is refused, never guessed at.
 *
 * An acknowledged write, cas or add must repeat what it was invoked with, or say nothing: a client
 * that answers with something else means something else than this model does.
 */
#include "base.h"
#include "foreign.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum action action;
    unsigned models;
} functions[] = {
    {"read", ACTION_READ,
     1 << MODEL_REGISTER | 1 << MODEL_CAS_REGISTER | 1 << MODEL_COUNTER | 1 << MODEL_SET},
    {"r", ACTION_READ, 1 << MODEL_REGISTER | 1 << MODEL_CAS_REGISTER},
    {"write", ACTION_WRITE, 1 << MODEL_REGISTER | 1 << MODEL_CAS_REGISTER},
    {"w", ACTION_WRITE, 1 << MODEL_REGISTER | 1 << MODEL_CAS_REGISTER},
    {"cas", ACTION_CAS, 1 << MODEL_CAS_REGISTER},
    {"add", ACTION_ADD, 1 << MODEL_COUNTER | 1 << MODEL_SET},
    {"increment", ACTION_INCREMENT, 1 << MODEL_COUNTER},
    {"inc", ACTION_INCREMENT, 1 << MODEL_COUNTER},
    {"acquire", ACTION_ACQUIRE, 1 << MODEL_MUTEX},
    {"release", ACTION_RELEASE, 1 << MODEL_MUTEX},
};

/* racebench's own histories are counters whose versions make them registers too. */
static bool fits_model(const struct foreign *foreign, size_t row)
{
    if ((functions[row].models >> foreign->model & 1) != 0)
        return true;
    return foreign->own && functions[row].action == ACTION_ADD &&
           (foreign->model == MODEL_REGISTER || foreign->model == MODEL_CAS_REGISTER);
}

static char *find_action(const struct foreign *foreign, const char *name, uint8_t *action)
{
    for (size_t i = 0; i < COUNT_OF(functions); i++)
        if (strcmp(functions[i].name, name) == 0 && fits_model(foreign, i)) {
            *action = (uint8_t)functions[i].action;
            return NULL;
        }
    return x_format("'%s' is no operation of the model %s, which has: %s; is it another --model?",
                    name, model_name(foreign->model), model_functions(foreign->model));
}

/* Keys ---------------------------------------------------------------------------------------- */

static void decide_keys(struct foreign *foreign, const struct line *line, enum action action)
{
    const struct datum *key, *value, *first, *second;
    if (datum_is_given(line->key))
        foreign->keyed = KEYED_BY_FIELD;
    else if (datum_pair(line->value, &key, &value) &&
             (action != ACTION_CAS || datum_pair(value, &first, &second)))
        foreign->keyed = KEYED_BY_PAIR;
}

/* The key's number, in `*key`. Cells of an own history have documents of their own. */
static uint32_t key_number(struct foreign *foreign, const struct line *line,
                           const struct datum *key)
{
    int64_t cell;
    if (!foreign->own || !datum_whole(datum_field(line->map, "cell"), &cell) || cell == 0)
        return (uint32_t)names_put(&foreign->keys, key);
    int64_t plain = names_put(&foreign->keys, key);
    char *text = x_format("%s of cell %" PRId64, names_text(&foreign->keys, plain), cell);
    int64_t number = names_put_text(&foreign->keys, text, strlen(text));
    free(text);
    return (uint32_t)number;
}

/* Takes the key off: `*value` becomes what the model is about. */
static char *split_key(struct foreign *foreign, const struct line *line, uint32_t *number,
                       const struct datum **value)
{
    const struct datum *key = NULL;
    *value = line->value;
    switch (foreign->keyed) {
    case KEYED_NOT:
        if (datum_is_given(line->key))
            return x_strdup("has a 'key', but the first operation has none");
        break;
    case KEYED_BY_FIELD:
        if (!datum_is_given(line->key))
            return x_strdup("has no 'key', but the first operation has one");
        key = line->key;
        break;
    case KEYED_BY_PAIR:
        if (!datum_pair(line->value, &key, value))
            return x_strdup("has no [key value], but the first operation has");
        break;
    }
    *number = key_number(foreign, line, key);
    return NULL;
}

/* Likewise of a return, which may leave the key or the whole value out. */
static char *split_return(struct foreign *foreign, const struct line *line,
                          const struct operation *operation, const struct datum **value)
{
    uint32_t key = operation->key;
    *value = line->value;
    if (foreign->keyed == KEYED_BY_FIELD && !datum_is_given(line->key))
        return NULL;
    if (foreign->keyed == KEYED_BY_PAIR && !datum_is_given(line->value))
        return NULL;
    char *problem = split_key(foreign, line, &key, value);
    if (problem == NULL && key != operation->key)
        problem =
            x_format("returns with key %s, but was invoked with key %s",
                     names_text(&foreign->keys, key), names_text(&foreign->keys, operation->key));
    return problem;
}

/* Invocations --------------------------------------------------------------------------------- */

/* What is written, added or compared, in numbers. */
static char *read_arguments(struct foreign *foreign, enum action action, const struct datum *value,
                            int64_t arguments[2])
{
    const struct datum *first, *second;
    int64_t number;
    switch (action) {
    case ACTION_WRITE:
        arguments[0] = names_put(&foreign->values, value);
        return NULL;
    case ACTION_CAS:
        if (!datum_pair(value, &first, &second))
            return x_strdup("a cas needs the value [old new]");
        arguments[0] = names_put(&foreign->values, first);
        arguments[1] = names_put(&foreign->values, second);
        return NULL;
    case ACTION_ADD:
        if (foreign->model == MODEL_SET)
            arguments[0] = names_put(&foreign->values, value);
        else if (!datum_whole(value, &arguments[0]))
            return x_strdup("an add to a counter needs a whole number as its value");
        else if (arguments[0] > AMOUNT_MAX || arguments[0] < -AMOUNT_MAX)
            return x_strdup("an add of more than 10,000,000,000: sums could overflow");
        return NULL;
    case ACTION_INCREMENT:
        if (datum_is_given(value) && (!datum_whole(value, &number) || number != 1))
            return x_strdup("an increment is by one and answers with the new value; use 'add' for "
                            "other amounts");
        return NULL;
    default:
        return NULL;
    }
}

char *value_invoke(struct foreign *foreign, const struct line *line, struct operation *operation)
{
    char *problem = find_action(foreign, line->function, &operation->action);
    if (problem != NULL)
        return problem;
    if (foreign->lines == 1)
        decide_keys(foreign, line, operation->action);
    const struct datum *value;
    int64_t arguments[2] = {0, 0};
    problem = split_key(foreign, line, &operation->key, &value);
    if (problem == NULL)
        problem = read_arguments(foreign, operation->action, value, arguments);
    operation->first = arguments[0];
    operation->second = arguments[1];
    return problem;
}

/* Returns ------------------------------------------------------------------------------------- */

static char *read_elements(struct foreign *foreign, const struct datum *value,
                           struct operation *operation)
{
    operation->first = (int64_t)foreign->element_count;
    operation->second = 0;
    if (!datum_is_given(value))
        return NULL;
    if (value->kind != DATUM_LIST && value->kind != DATUM_SET)
        return x_strdup("a read of a set returns all its elements: [1 2 3], #{1 2 3} or nil");
    for (const struct datum *element = value->first; element != NULL; element = element->next) {
        void *items = foreign->elements;
        size_t at = array_grow(&items, &foreign->element_count, &foreign->element_capacity,
                               sizeof(int64_t));
        foreign->elements = items;
        foreign->elements[at] = names_put(&foreign->values, element);
    }
    operation->second = (int64_t)value->count;
    return NULL;
}

/* A counter nobody has written yet may be read as nil. */
static char *read_count(const struct datum *value, bool may_be_nil, int64_t *number)
{
    if (datum_whole(value, number) || (may_be_nil && !datum_is_given(value)))
        return NULL;
    return x_strdup("a counter's value must be a whole number");
}

static char *read_result(struct foreign *foreign, const struct datum *value,
                         struct operation *operation)
{
    int64_t arguments[2] = {0, 0};
    char *problem = NULL;
    switch ((enum action)operation->action) {
    case ACTION_READ:
        if (foreign->model == MODEL_SET)
            return read_elements(foreign, value, operation);
        if (foreign->model == MODEL_COUNTER || foreign->own)
            return read_count(value, true, &operation->first);
        operation->first = names_put(&foreign->values, value);
        return NULL;
    case ACTION_INCREMENT:
        return read_count(value, false, &operation->first);
    case ACTION_ACQUIRE:
    case ACTION_RELEASE:
        return NULL;
    default:
        if (!datum_is_given(value))
            return NULL;
        problem = read_arguments(foreign, operation->action, value, arguments);
        if (problem == NULL &&
            (arguments[0] != operation->first || arguments[1] != operation->second))
            problem =
                x_format("returns with another value than line %" PRIu32 " invoked it with%s",
                         operation->begin_line,
                         foreign->model == MODEL_COUNTER
                             ? "; an add that answers with the new value is called 'increment'"
                             : "");
        return problem;
    }
}

/* What racebench's own lines add: results/README.md. */
static void read_versions(struct foreign *foreign, const struct line *line,
                          struct operation *operation)
{
    const struct datum *read = datum_field(line->map, "read_version");
    const struct datum *wrote = datum_field(line->map, "wrote_version");
    const char *outcome = datum_word(datum_field(line->map, "outcome"));
    int64_t attempts = 1;
    datum_whole(datum_field(line->map, "attempts"), &attempts);
    operation->read = datum_is_given(read) ? names_put(&foreign->values, read) : NO_VERSION;
    operation->wrote = datum_is_given(wrote) ? names_put(&foreign->values, wrote) : NO_VERSION;
    if (operation->action != ACTION_ADD || operation->wrote != NO_VERSION)
        return;
    if (!operation->pending && outcome != NULL && strcmp(outcome, "nothing") == 0)
        operation->first = 0; /* there was nothing to add */
    else if (!operation->pending || attempts > 1)
        operation->wrote = VERSION_UNSURE;
}

char *value_return(struct foreign *foreign, const struct line *line, struct operation *operation)
{
    uint8_t action;
    const struct datum *value;
    char *problem = find_action(foreign, line->function, &action);
    if (problem == NULL && action != operation->action)
        problem = x_format("returns from '%s', but line %" PRIu32 " invoked '%s'", line->function,
                           operation->begin_line, action_name(operation->action));
    if (problem == NULL)
        problem = split_return(foreign, line, operation, &value);
    if (problem == NULL && !operation->pending)
        problem = read_result(foreign, value, operation);
    if (problem == NULL && foreign->own)
        read_versions(foreign, line, operation);
    return problem;
}

/* Texts --------------------------------------------------------------------------------------- */

static char *describe_set(const struct foreign *foreign, const struct operation *operation)
{
    enum { SHOWN = 12 };
    char *text = x_format("read -> %" PRId64 " elements:", operation->second);
    for (int64_t i = 0; i < operation->second && i < SHOWN; i++) {
        int64_t element = foreign->elements[operation->first + i];
        char *longer = x_format("%s %s", text, names_text(&foreign->values, element));
        free(text);
        text = longer;
    }
    if (operation->second > SHOWN) {
        char *longer = x_format("%s ...", text);
        free(text);
        text = longer;
    }
    return text;
}

static const char *version_text(const struct foreign *foreign, int64_t version)
{
    return version >= 0 ? names_text(&foreign->values, version) : "nothing";
}

char *foreign_describe(const struct foreign *foreign, const struct operation *operation)
{
    const char *name = action_name(operation->action);
    bool counts = foreign->model == MODEL_COUNTER || foreign->own;
    if (foreign->own && (operation->read != NO_VERSION || operation->wrote != NO_VERSION))
        return x_format("%s %" PRId64 " (read %s, wrote %s)", name, operation->first,
                        version_text(foreign, operation->read),
                        version_text(foreign, operation->wrote));
    switch ((enum action)operation->action) {
    case ACTION_READ:
        if (operation->pending)
            return x_strdup(name);
        if (foreign->model == MODEL_SET)
            return describe_set(foreign, operation);
        return counts ? x_format("%s -> %" PRId64, name, operation->first)
                      : x_format("%s -> %s", name, names_text(&foreign->values, operation->first));
    case ACTION_CAS:
        return x_format("%s %s -> %s", name, names_text(&foreign->values, operation->first),
                        names_text(&foreign->values, operation->second));
    case ACTION_INCREMENT:
        return operation->pending ? x_strdup(name)
                                  : x_format("%s -> %" PRId64, name, operation->first);
    case ACTION_ACQUIRE:
    case ACTION_RELEASE:
        return x_strdup(name);
    default:
        return counts ? x_format("%s %" PRId64, name, operation->first)
                      : x_format("%s %s", name, names_text(&foreign->values, operation->first));
    }
}
