/* SPDX-License-Identifier: Apache-2.0
 *
 * option_values: see option_values.h. Numbers are read digit by digit with overflow checks instead
 * of strtoll(), which takes signs, blanks and half a text. Fractions of durations are kept as whole
 * numbers over a power of ten, so that 0.1s is 100 ms exactly and no rounding hides a typing error.
 */
#include "option_values.h"
#include "base.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const not_whole = "not a whole number; write it like 100, 10_000 or 10k";
static const char *const too_big = "far too big";
static const char *const no_time = "not a time; write it like 500us, 1ms, 30s, 2m or 1h";

/* Appends one digit; false on overflow. */
static bool push_digit(int64_t *value, char digit)
{
    return !__builtin_mul_overflow(*value, 10, value) &&
           !__builtin_add_overflow(*value, digit - '0', value);
}

/* After a separator come exactly three digits, and then no further digit. */
static bool is_group(const char *text)
{
    return isdigit((unsigned char)text[0]) && isdigit((unsigned char)text[1]) &&
           isdigit((unsigned char)text[2]) && !isdigit((unsigned char)text[3]);
}

/* Reads digits with optional groups of three; `*text` moves behind them. */
static const char *read_digits(const char **text, int64_t *value)
{
    const char *at = *text;
    *value = 0;
    if (!isdigit((unsigned char)*at))
        return not_whole;
    char separator = 0;
    for (int run = 0;; at++) {
        if (isdigit((unsigned char)*at)) {
            if (!push_digit(value, *at))
                return too_big;
            run++;
        } else if ((*at == '_' || *at == ',') && is_group(at + 1) && run <= 3 &&
                   (separator == 0 || separator == *at)) {
            separator = *at;
            run = 0;
        } else {
            break;
        }
    }
    *text = at;
    return NULL;
}

const char *option_value_count(const char *text, int64_t *count)
{
    int64_t value;
    const char *problem = read_digits(&text, &value);
    if (problem != NULL)
        return problem;
    int64_t factor = 1;
    if (*text == 'k' || *text == 'K')
        factor = 1000;
    else if (*text == 'M')
        factor = 1000000;
    if (factor > 1)
        text++;
    if (*text != '\0')
        return not_whole;
    if (__builtin_mul_overflow(value, factor, &value))
        return too_big;
    *count = value;
    return NULL;
}

const char *option_value_counts(const char *text, struct option_counts *counts)
{
    char *copy = x_strdup(text);
    struct option_counts list = {0};
    size_t capacity = 0;
    const char *problem = NULL;
    char *rest = copy;
    for (char *part; problem == NULL && (part = strsep(&rest, ",")) != NULL;) {
        int64_t value;
        if (part[0] == '0' && isdigit((unsigned char)part[1]))
            problem = "commas make a list here; write ten thousand as 10000, 10_000 or 10k";
        else
            problem = option_value_count(part, &value);
        if (problem == NULL) {
            size_t at =
                array_grow((void **)&list.items, &list.count, &capacity, sizeof *list.items);
            list.items[at] = value;
        }
    }
    free(copy);
    if (problem != NULL)
        free(list.items);
    else
        *counts = list;
    return problem;
}

/* Nanoseconds in a unit's name, or 0. */
static int64_t unit_find(const char *name)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1},          {"us", 1000},         {"ms", 1000000},     {"s", 1000000000},
                 {"m", 60000000000}, {"min", 60000000000}, {"h", 3600000000000}};
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (strcmp(name, units[i].name) == 0)
            return units[i].ns;
    return 0;
}

const char *option_value_duration(const char *text, int64_t unit_ns, int64_t *duration)
{
    int64_t value;
    int64_t scale = 1;
    if (strcmp(text, "0") == 0) {
        *duration = 0;
        return NULL;
    }
    if (read_digits(&text, &value) != NULL)
        return no_time;
    if (*text == '.') {
        if (!isdigit((unsigned char)*++text))
            return no_time;
        for (; isdigit((unsigned char)*text); text++)
            if (!push_digit(&value, *text) || __builtin_mul_overflow(scale, 10, &scale))
                return too_big;
    }
    if (*text == '\0')
        return "needs a unit; write it like 500us, 1ms, 30s, 2m or 1h";
    int64_t ns = unit_find(text);
    if (ns == 0)
        return no_time;
    if (__builtin_mul_overflow(value, ns, &value))
        return too_big;
    if (value % scale != 0 || value / scale % unit_ns != 0)
        return unit_ns == 1000000 ? "must be whole milliseconds" : "must be whole microseconds";
    *duration = value / scale / unit_ns;
    return NULL;
}

const char *option_value_seed(const char *text, uint64_t *seed)
{
    const char *problem = "not a seed; write a whole number from 0 to 9223372036854775807";
    uint64_t base = 10;
    uint64_t value = 0;
    if (text[0] == '0' && text[1] == 'x') {
        base = 16;
        text += 2;
    }
    if (*text == '\0')
        return problem;
    for (; *text != '\0'; text++) {
        unsigned char letter = (unsigned char)*text;
        if (base == 16 ? !isxdigit(letter) : !isdigit(letter))
            return problem;
        uint64_t digit = (uint64_t)(isdigit(letter) ? letter - '0' : tolower(letter) - 'a' + 10);
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value) || value > INT64_MAX)
            return problem;
    }
    *seed = value;
    return NULL;
}

const char *option_value_flag(const char *text, bool *flag)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *flag = i % 2 == 1;
            return NULL;
        }
    }
    return "neither yes nor no; write 1 or 0";
}

const char *option_value_choice(const char *text, const char *choices, int *index)
{
    size_t length = strlen(text);
    for (int i = 0; choices != NULL; i++) {
        const char *bar = strchrnul(choices, '|');
        if ((size_t)(bar - choices) == length && memcmp(choices, text, length) == 0) {
            *index = i;
            return NULL;
        }
        choices = *bar == '|' ? bar + 1 : NULL;
    }
    return "not one of the choices";
}

/* Reads the times of "kind:T:T" into `us`, `wanted` of them; false unless it is just those. */
static bool read_times(char *rest, int wanted, int64_t us[2])
{
    for (int i = 0; i < wanted; i++) {
        char *part = strsep(&rest, ":");
        if (part == NULL || option_value_duration(part, 1000, &us[i]) != NULL)
            return false;
    }
    return rest == NULL;
}

const char *option_value_backoff(const char *text, struct backoff *backoff)
{
    static const struct {
        const char *name;
        int times;
    } kinds[] = {[BACKOFF_NONE] = {"none", 0},
                 [BACKOFF_FIXED] = {"fixed", 1},
                 [BACKOFF_EXPONENTIAL] = {"exponential", 2},
                 [BACKOFF_FULL_JITTER] = {"full-jitter", 2}};
    const char *problem = "not a back-off; write none, fixed:1ms, exponential:1ms:100ms or "
                          "full-jitter:1ms:100ms";
    int64_t us[2] = {0, 0};
    char *copy = x_strdup(text);
    char *rest = copy;
    const char *name = strsep(&rest, ":");
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(name, kinds[i].name) != 0 || !read_times(rest, kinds[i].times, us))
            continue;
        if (kinds[i].times < 2)
            us[1] = us[0];
        if (us[0] > us[1])
            problem = "the first time must not be longer than the second";
        else if (us[1] > INT64_C(3600000000))
            problem = "must not be longer than 1h";
        else if (kinds[i].times > 0 && us[0] == 0)
            problem = "must be longer than 0; write none to try again at once";
        else
            problem = NULL;
        if (problem == NULL)
            *backoff = (struct backoff){(enum backoff_kind)i, us[0], us[1]};
    }
    free(copy);
    return problem;
}

const char *option_value_output(const char *text, struct option_output *output)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == '\0')
        return "write it KIND=FILE, for example json=result.json (- is stdout)";
    output->kind = x_strndup(text, (size_t)(equals - text));
    output->file = x_strdup(equals + 1);
    return NULL;
}

enum { NAME_MAX_LENGTH = 40 }; /* longer ones are not worth a suggestion */

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Edits that make `b` of `a`: insertion, deletion, change, swap of neighbours ("optimal string
 * alignment"; Damerau 1964). */
static int distance(const char *a, const char *b)
{
    int rows = (int)strlen(a);
    int columns = (int)strlen(b);
    int d[NAME_MAX_LENGTH + 1][NAME_MAX_LENGTH + 1];
    for (int i = 0; i <= rows; i++) {
        for (int j = 0; j <= columns; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            int cost = a[i - 1] == b[j - 1] ? 0 : 1;
            d[i][j] = least(d[i - 1][j - 1] + cost, least(d[i - 1][j] + 1, d[i][j - 1] + 1));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[rows][columns];
}

const char *option_suggest(const char *text, const char *const *names)
{
    size_t length = strlen(text);
    const char *best = NULL;
    int fewest = length < 3 ? 2 : (int)length / 3 + 2; /* from here on they are different words */
    if (length == 0 || length > NAME_MAX_LENGTH)
        return NULL;
    for (; *names != NULL; names++) {
        if (strlen(*names) > NAME_MAX_LENGTH)
            continue;
        int edits = distance(text, *names);
        if (strncmp(*names, text, length) == 0)
            edits = 1;
        if (edits < fewest) {
            fewest = edits;
            best = *names;
        }
    }
    return best;
}
