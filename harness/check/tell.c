/* SPDX-License-Identifier: Apache-2.0
 *
 * tell: see tell.h. The first line is the verdict, then what was checked, so that "held" always
 * says of how much; then, if broken, the smallest thing that shows it: the key, the operations with
 * their lines in the file, and for a search what was open then and which states were possible.
 * Texts come from the file: control characters are not printed.
 */
#include "tell.h"

#include "base.h"
#include "human.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Text that may be shown on a terminal; the caller frees it. */
static char *printable(const char *text)
{
    char *clean = human_utf8(text);
    for (char *at = clean; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = '?';
    return clean;
}

static int64_t unanswered(const struct foreign *foreign)
{
    return foreign->invoked - foreign->acknowledged - foreign->failed;
}

static const char *reason(const struct judgement *judgement)
{
    if (judgement->status == BROKEN)
        return finding_name(judgement->finding);
    return judgement->status == UNDECIDED ? doubt_name(judgement->doubt) : NULL;
}

static const char *help(const struct judgement *judgement)
{
    if (judgement->status == BROKEN)
        return finding_help(judgement->finding);
    return judgement->status == UNDECIDED ? doubt_help(judgement->doubt) : NULL;
}

/* Text ---------------------------------------------------------------------------------------- */

static void print_operation(const struct tell *tell, FILE *out, const struct operation *operation)
{
    char *text = foreign_describe(tell->foreign, operation);
    char *clean = printable(text);
    fprintf(out, "    process %" PRId64 ": %s, invoked in line %" PRIu32, operation->process, clean,
            operation->begin_line);
    if (operation->pending)
        fprintf(out, ", no answer\n");
    else
        fprintf(out, ", returned in line %" PRIu32 "\n", operation->end_line);
    free(text);
    free(clean);
}

static void print_states(const struct tell *tell, FILE *out)
{
    const struct judgement *judgement = tell->judgement;
    fprintf(out, "  just before it the %s could be: ", model_name(tell->foreign->model));
    for (int i = 0; i < judgement->state_count; i++) {
        char *text = judge_state(tell->foreign, judgement->states[i]);
        char *clean = printable(text);
        fprintf(out, "%s%s", i > 0 ? ", " : "", clean);
        free(text);
        free(clean);
    }
    fprintf(out, "%s\n", judgement->more_states ? ", ..." : "");
}

static void print_witness(const struct tell *tell, FILE *out)
{
    const struct judgement *judgement = tell->judgement;
    bool searched = judgement->algorithm == ALGORITHM_SEARCH;
    if (judgement->element >= 0) {
        char *text = printable(names_text(&tell->foreign->values, judgement->element));
        fprintf(out, "  it is about %s\n", text);
        free(text);
    }
    fprintf(out, searched ? "  everything until then has an order, this has none:\n"
                          : "  these contradict each other or what is known:\n");
    for (int i = 0; i < judgement->witness_count; i++)
        print_operation(tell, out, &judgement->witnesses[i]);
    if (searched && judgement->state_count > 0)
        print_states(tell, out);
    if (judgement->around_count > 0)
        fprintf(out, "  open at that time:\n");
    for (int i = 0; i < judgement->around_count; i++)
        print_operation(tell, out, &judgement->around[i]);
    if (judgement->around_more > 0)
        fprintf(out, "    and %s more\n", human_count(judgement->around_more).text);
}

static void print_counts(const struct tell *tell, FILE *out)
{
    const struct foreign *foreign = tell->foreign;
    const struct judgement *judgement = tell->judgement;
    fprintf(out, "  %s (%s acknowledged, ", human_counted(foreign->invoked, "operation").text,
            human_count(foreign->acknowledged).text);
    fprintf(out, "%s without an answer, ", human_count(unanswered(foreign)).text);
    fprintf(out, "%s failed), ", human_count(foreign->failed).text);
    fprintf(out, "%s, ", human_counted((int64_t)judgement->keys, "key").text);
    fprintf(out, "up to %s at once; ", human_count(judgement->concurrency).text);
    fprintf(out, "read in %.3f s, judged in %.3f s\n", tell->reading_s, tell->judging_s);
    for (int i = 0; i < ALGORITHM_COUNT; i++)
        if (judgement->judged_by[i] > 0)
            fprintf(out, "  %s by %s\n",
                    human_counted((int64_t)judgement->judged_by[i], "key").text,
                    algorithm_help((enum algorithm)i));
    if (judgement->unseen_keys > 0 && judgement->unseen_keys < judgement->keys)
        fprintf(out, "  of %s nothing was ever seen: they prove nothing\n",
                human_counted((int64_t)judgement->unseen_keys, "key").text);
    if (foreign->skipped > 0)
        fprintf(out, "  %s of other processes (nemesis) left out\n",
                human_counted(foreign->skipped, "line").text);
    if (foreign->ties > 0)
        fprintf(out, "  %s at the time of the line before: taken as simultaneous\n",
                human_counted(foreign->ties, "line").text);
    if (judgement->status != HELD && judgement->broken_keys + judgement->undecided_keys > 1)
        fprintf(out, "  %s broken, %s undecided\n",
                human_counted((int64_t)judgement->broken_keys, "key").text,
                human_count((int64_t)judgement->undecided_keys).text);
}

void tell_text(const struct tell *tell, FILE *out)
{
    const struct judgement *judgement = tell->judgement;
    char *path = printable(tell->path);
    fprintf(out, "%s: %s as a %s", status_name(judgement->status), path,
            model_name(tell->foreign->model));
    if (judgement->status == HELD)
        fprintf(out, ": every operation fits into one order that real time allows\n");
    else
        fprintf(out, ": %s\n  %s\n", reason(judgement), help(judgement));
    if (judgement->status == BROKEN && tell->foreign->keyed != KEYED_NOT) {
        char *key = printable(names_text(&tell->foreign->keys, judgement->key));
        fprintf(out, "  key %s\n", key);
        free(key);
    }
    if (judgement->status == BROKEN)
        print_witness(tell, out);
    print_counts(tell, out);
    free(path);
}

/* JSON ---------------------------------------------------------------------------------------- */

static void put_text(FILE *out, const char *key, const char *text)
{
    if (text == NULL) {
        fprintf(out, "\"%s\": null", key);
        return;
    }
    char *clean = human_utf8(text);
    char *escaped = bson_utf8_escape_for_json(clean, -1);
    must(escaped != NULL);
    fprintf(out, "\"%s\": \"%s\"", key, escaped);
    bson_free(escaped);
    free(clean);
}

static void put_operation(const struct tell *tell, FILE *out, const struct operation *operation)
{
    char *text = foreign_describe(tell->foreign, operation);
    fprintf(out, "{\"process\": %" PRId64 ", \"f\": \"%s\", ", operation->process,
            action_name((enum action)operation->action));
    put_text(out, "text", text);
    fprintf(out, ", \"invoke_line\": %" PRIu32 ", \"return_line\": ", operation->begin_line);
    if (operation->end_line > 0)
        fprintf(out, "%" PRIu32, operation->end_line);
    else
        fprintf(out, "null");
    fprintf(out, ", \"answered\": %s}", operation->pending ? "false" : "true");
    free(text);
}

static void put_operations(const struct tell *tell, FILE *out, const struct operation *operations,
                           int count)
{
    fputc('[', out);
    for (int i = 0; i < count; i++) {
        fprintf(out, "%s\n      ", i > 0 ? "," : "");
        put_operation(tell, out, &operations[i]);
    }
    fprintf(out, "%s]", count > 0 ? "\n    " : "");
}

static void put_witness(const struct tell *tell, FILE *out)
{
    const struct foreign *foreign = tell->foreign;
    const struct judgement *judgement = tell->judgement;
    if (judgement->status != BROKEN) {
        fprintf(out, "  \"witness\": null,\n");
        return;
    }
    fprintf(out, "  \"witness\": {\n    ");
    put_text(out, "key",
             foreign->keyed != KEYED_NOT ? names_text(&foreign->keys, judgement->key) : NULL);
    fprintf(out, ",\n    ");
    put_text(out, "algorithm", algorithm_name(judgement->algorithm));
    fprintf(out, ",\n    ");
    put_text(out, "element",
             judgement->element >= 0 ? names_text(&foreign->values, judgement->element) : NULL);
    fprintf(out, ",\n    \"operations\": ");
    put_operations(tell, out, judgement->witnesses, judgement->witness_count);
    fprintf(out, ",\n    \"around\": ");
    put_operations(tell, out, judgement->around, judgement->around_count);
    fprintf(out, ",\n    \"around_more\": %" PRId64 ",\n    \"states\": [", judgement->around_more);
    for (int i = 0; i < judgement->state_count; i++) {
        char *text = judge_state(foreign, judgement->states[i]);
        char *clean = human_utf8(text);
        char *escaped = bson_utf8_escape_for_json(clean, -1);
        fprintf(out, "%s\"%s\"", i > 0 ? ", " : "", escaped);
        bson_free(escaped);
        free(clean);
        free(text);
    }
    fprintf(out, "],\n    \"states_more\": %s\n  },\n", judgement->more_states ? "true" : "false");
}

static void put_counts(const struct tell *tell, FILE *out)
{
    const struct foreign *foreign = tell->foreign;
    const struct judgement *judgement = tell->judgement;
    const struct {
        const char *key;
        int64_t value;
    } rows[] = {
        {"lines", foreign->lines},
        {"skipped_lines", foreign->skipped},
        {"simultaneous_lines", foreign->ties},
        {"keys", (int64_t)judgement->keys},
        {"broken_keys", (int64_t)judgement->broken_keys},
        {"undecided_keys", (int64_t)judgement->undecided_keys},
        {"unseen_keys", (int64_t)judgement->unseen_keys},
        {"concurrency", judgement->concurrency},
        {"search_steps", (int64_t)judgement->steps},
    };
    fprintf(out,
            "  \"operations\": {\"invoked\": %" PRId64 ", \"acknowledged\": %" PRId64
            ", \"failed\": %" PRId64 ", \"unanswered\": %" PRId64 "},\n",
            foreign->invoked, foreign->acknowledged, foreign->failed, unanswered(foreign));
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        fprintf(out, "  \"%s\": %" PRId64 ",\n", rows[i].key, rows[i].value);
    fprintf(out, "  \"algorithms\": {");
    bool first = true;
    for (int i = 0; i < ALGORITHM_COUNT; i++) {
        if (judgement->judged_by[i] == 0)
            continue;
        fprintf(out, "%s\"%s\": %zu", first ? "" : ", ", algorithm_name((enum algorithm)i),
                judgement->judged_by[i]);
        first = false;
    }
    fprintf(out, "},\n");
}

void tell_json(const struct tell *tell, FILE *out)
{
    const struct judgement *judgement = tell->judgement;
    const struct {
        const char *key, *text;
    } rows[] = {
        {"schema", "racebench.check/1"},
        {"file", tell->path},
        {"notation", notation_name(tell->foreign->notation)},
        {"model", model_name(tell->foreign->model)},
        {"verdict", status_name(judgement->status)},
        {"reason", reason(judgement)},
        {"help", help(judgement)},
    };
    fprintf(out, "{\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fprintf(out, "  ");
        put_text(out, rows[i].key, rows[i].text);
        fprintf(out, ",\n");
    }
    put_counts(tell, out);
    put_witness(tell, out);
    fprintf(out, "  \"reading_ms\": %" PRId64 ",\n", (int64_t)llround(tell->reading_s * 1e3));
    fprintf(out, "  \"judging_ms\": %" PRId64 ",\n", (int64_t)llround(tell->judging_s * 1e3));
    fprintf(out, "  \"exit_code\": %d\n}\n", tell->exit_code);
}
