/* SPDX-License-Identifier: Apache-2.0
 *
 * human: see human.h. Only places where a number is rounded need thought: 999.6 us must become
 * "1.00 ms" and not "1000 us", so the unit is chosen after rounding to three digits.
 */
#include "human.h"

#include "base.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct human human_count(int64_t count)
{
    struct human human;
    char digits[32];
    uint64_t size = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, size);
    char *to = human.text;
    if (count < 0)
        *to++ = '-';
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return human;
}

struct human human_counted(int64_t count, const char *noun)
{
    struct human human;
    size_t length = strlen(noun);
    bool hisses = length > 1 && (noun[length - 1] == 's' || strcmp(noun + length - 2, "ch") == 0);
    const char *plural = hisses ? "es" : "s";
    snprintf(human.text, sizeof(human.text), "%.32s %.24s%s", human_count(count).text, noun,
             count == 1 ? "" : plural);
    return human;
}

/* Digits after the point that make three digits in all. */
static int decimals(double number)
{
    double size = fabs(number);
    return size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
}

struct human human_number(double number)
{
    struct human human;
    if (!isfinite(number))
        number = 0;
    if (fabs(number) >= 99.95 && fabs(number) < 9e18)
        return human_count((int64_t)llround(number));
    snprintf(human.text, sizeof(human.text), "%.*f", decimals(number), number);
    return human;
}

struct human human_duration(int64_t ns)
{
    static const struct {
        double unit_ns;
        const char *name;
    } units[] = {{1e3, "us"}, {1e6, "ms"}, {1e9, "s"}};
    struct human human;
    if (ns < 1000) {
        snprintf(human.text, sizeof(human.text), "%" PRId64 " ns", ns);
        return human;
    }
    size_t unit = 0;
    while (unit + 1 < COUNT_OF(units) && (double)ns / units[unit].unit_ns >= 999.5)
        unit++;
    snprintf(human.text, sizeof(human.text), "%.16s %s",
             human_number((double)ns / units[unit].unit_ns).text, units[unit].name);
    return human;
}

struct human human_moment(int64_t ns)
{
    struct human human;
    snprintf(human.text, sizeof(human.text), "%" PRId64 ".%06" PRId64 " s", ns / 1000000000,
             ns / 1000 % 1000000);
    return human;
}

struct human human_share(double share)
{
    struct human human;
    snprintf(human.text, sizeof(human.text), "%.2f %%", isfinite(share) ? share * 100 : 0.0);
    return human;
}

struct human human_operation(int64_t operation)
{
    struct human human;
    if (operation == 0)
        snprintf(human.text, sizeof(human.text), "the seed");
    else
        snprintf(human.text, sizeof(human.text), "w%" PRId32 ".%" PRId64,
                 OPERATION_WORKER(operation), OPERATION_NUMBER(operation));
    return human;
}

struct human human_option(int64_t us)
{
    struct human human;
    if (us == 0)
        snprintf(human.text, sizeof(human.text), "0");
    else if (us % INT64_C(3600000000) == 0)
        snprintf(human.text, sizeof(human.text), "%" PRId64 "h", us / INT64_C(3600000000));
    else if (us % 1000000 == 0)
        snprintf(human.text, sizeof(human.text), "%" PRId64 "s", us / 1000000);
    else if (us % 1000 == 0)
        snprintf(human.text, sizeof(human.text), "%" PRId64 "ms", us / 1000);
    else
        snprintf(human.text, sizeof(human.text), "%" PRId64 "us", us);
    return human;
}

struct human human_backoff(const struct backoff *backoff)
{
    struct human human, base = human_option(backoff->base_us), cap = human_option(backoff->cap_us);
    switch (backoff->kind) {
    case BACKOFF_NONE:
        snprintf(human.text, sizeof(human.text), "none");
        break;
    case BACKOFF_FIXED:
        snprintf(human.text, sizeof(human.text), "fixed:%.22s", base.text);
        break;
    case BACKOFF_EXPONENTIAL:
        snprintf(human.text, sizeof(human.text), "exponential:%.22s:%.22s", base.text, cap.text);
        break;
    case BACKOFF_FULL_JITTER:
        snprintf(human.text, sizeof(human.text), "full-jitter:%.22s:%.22s", base.text, cap.text);
        break;
    }
    return human;
}

/* Length of the next word; a number and its unit ("0.12 s:", "95 %") are one word. */
static int word_length(const char *text)
{
    static const char *const units[] = {"ns", "us", "ms", "s", "%"};
    size_t length = strcspn(text, " \n");
    if (length == 0 || text[length] != ' ' || text[length - 1] < '0' || text[length - 1] > '9')
        return (int)length;
    const char *next = text + length + 1;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        size_t unit = strlen(units[i]), rest = strcspn(next, " \n");
        if (strncmp(next, units[i], unit) == 0 && rest <= unit + 1 &&
            (rest == unit || strchr(",;:.", next[unit]) != NULL))
            return (int)(length + 1 + rest);
    }
    return (int)length;
}

void human_wrap(FILE *out, const char *text, int columns, int first, int indent)
{
    int at = first;
    bool fresh = true; /* nothing but indentation on this line yet */
    for (;;) {
        text += strspn(text, " \n");
        int length = word_length(text);
        if (length == 0)
            break;
        if (!fresh && at + 1 + length > columns) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
            fresh = true;
        }
        at += fprintf(out, "%s%.*s", fresh ? "" : " ", length, text);
        fresh = false;
        text += length;
    }
    fputc('\n', out);
}

/* Length of the valid UTF-8 sequence at `text`, or 0: no overlong forms, surrogates or numbers
 * above U+10FFFF (RFC 3629, section 4). */
static size_t sequence(const unsigned char *text)
{
    size_t length = text[0] < 0x80   ? 1
                    : text[0] < 0xc2 ? 0
                    : text[0] < 0xe0 ? 2
                    : text[0] < 0xf0 ? 3
                    : text[0] < 0xf5 ? 4
                                     : 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

char *human_utf8(const char *text)
{
    char *copy = x_strdup(text != NULL ? text : "unknown");
    for (char *at = copy; *at != '\0';) {
        size_t length = sequence((const unsigned char *)at);
        if (length == 0) {
            *at = '?';
            length = 1;
        }
        at += length;
    }
    return copy;
}

char *human_shell_word(const char *text)
{
    static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "_-+=:,./@%";
    if (*text != '\0' && strspn(text, harmless) == strlen(text))
        return x_strdup(text);
    char *word = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&word, &size);
    must(out != NULL);
    fputc('\'', out);
    for (; *text != '\0'; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
    fputc('\'', out);
    must(fclose(out) == 0);
    return word;
}
