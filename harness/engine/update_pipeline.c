/* SPDX-License-Identifier: Apache-2.0
 *
 * update_pipeline: see update_pipeline.h. Each stage makes a new document out of the one before;
 * all expressions of a stage see the document as it was before the stage. A $set stage is first
 * made flat ({a: {b: 1}} and {"a.b": 1} mean the same there: fields beside b stay) and then applied
 * path by path. In a pipeline a path goes into each element of an array, and what is no document on
 * the way becomes one; numbers in paths are plain names.
 */
#include "update_pipeline.h"

#include "base.h"
#include "element.h"
#include "expression.h"
#include "fields.h"
#include "project.h"
#include "value.h"
#include <string.h>

enum stage_kind { STAGE_SET, STAGE_UNSET, STAGE_REPLACE_WITH, STAGE_REPLACE_ROOT };

static const struct {
    const char *name;
    enum stage_kind kind;
} known[] = {{"$set", STAGE_SET},
             {"$addFields", STAGE_SET},
             {"$unset", STAGE_UNSET},
             {"$replaceWith", STAGE_REPLACE_WITH},
             {"$replaceRoot", STAGE_REPLACE_ROOT}};

static bool kind_of(const char *name, enum stage_kind *kind, struct failure *failure)
{
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strcmp(name, known[i].name) == 0) {
            *kind = known[i].kind;
            return true;
        }
    if (strcmp(name, "$project") == 0)
        return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                           "$project in an update is not implemented");
    return failure_set(failure, FAILURE_UNKNOWN_STAGE, "Unrecognized pipeline stage name: '%s'",
                       name);
}

/* Appends {path: expression} for each leaf of a $set specification; `prefix` is the path so far. */
static void flatten(struct elements fields, struct buffer *prefix, struct buffer *out)
{
    struct element field;
    size_t length = prefix->length;
    while (elements_next(&fields, &field)) {
        buffer_append(prefix, field.name, field.name_length);
        if (field.type == BSON_TYPE_DOCUMENT && field.size > 5 && field.data[5] != '$') {
            buffer_byte(prefix, '.');
            flatten(elements_of_element(&field), prefix, out);
        } else {
            element_write_named(out, (const char *)prefix->bytes, prefix->length, &field);
        }
        prefix->length = length;
    }
}

static void flatten_stage(const struct element *stage, struct buffer *out)
{
    struct buffer prefix = {0};
    size_t begun = document_begin(out);
    flatten(elements_of_element(stage), &prefix, out);
    document_end(out, begun);
    buffer_release(&prefix);
}

static struct elements elements_of_buffer(const struct buffer *buffer)
{
    return (struct elements){buffer->bytes + 4, buffer->bytes + buffer->length - 1};
}

/* Checking ------------------------------------------------------------------------------------- */

static bool check_path(const char *path, struct failure *failure)
{
    int depth = 1;
    for (const char *part = path;; depth++) {
        size_t length = strcspn(part, ".");
        if (length == 0)
            return failure_set(failure, FAILURE_FIELD_PATH_EMPTY,
                               "FieldPath field names may not be empty strings.");
        if (part[0] == '$')
            return failure_set(failure, FAILURE_FIELD_PATH_DOLLAR,
                               "FieldPath field names may not start with '$'.");
        if (part[length] == '\0')
            break;
        part += length + 1;
    }
    return depth <= VALUE_DEPTH_MAX ||
           failure_set(failure, FAILURE_OVERFLOW, "a path has more than %d parts", VALUE_DEPTH_MAX);
}

/* Is one of the paths the other or a part of it? */
static bool is_conflict(const struct element *a, const struct element *b)
{
    size_t length = a->name_length < b->name_length ? a->name_length : b->name_length;
    const char *longer = a->name_length < b->name_length ? b->name : a->name;
    return strncmp(a->name, b->name, length) == 0 &&
           (longer[length] == '.' || longer[length] == '\0');
}

static bool check_assignments(struct elements flat, struct failure *failure)
{
    struct element field, other;
    bson_value_t expression;
    while (elements_next(&flat, &field)) {
        if (field.type == BSON_TYPE_DOCUMENT && field.size == 5)
            return failure_set(failure, FAILURE_EMPTY_SPECIFICATION,
                               "an empty object is not a valid value. Found empty object at path "
                               "%s",
                               field.name);
        element_value(&field, &expression);
        if (!check_path(field.name, failure) || !expression_check(&expression, failure))
            return false;
        struct elements behind = flat;
        while (elements_next(&behind, &other))
            if (is_conflict(&field, &other))
                return failure_set(failure, FAILURE_PIPELINE_PATH_CONFLICT,
                                   "specification contains two conflicting paths. Cannot specify "
                                   "both '%s' and '%s'",
                                   other.name, field.name);
    }
    return true;
}

static bool check_set(const struct element *stage, struct failure *failure)
{
    struct buffer flat = {0};
    if (stage->type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, FAILURE_SET_STAGE_FORM,
                           "%s specification stage must be an object, got %s", stage->name,
                           fields_type_name(stage->type));
    flatten_stage(stage, &flat);
    bool fine = check_assignments(elements_of_buffer(&flat), failure);
    buffer_release(&flat);
    return fine;
}

static bool append_exclusion(bson_t *exclusion, const struct element *name)
{
    bson_value_t value;
    element_value(name, &value);
    return name->type == BSON_TYPE_UTF8 &&
           bson_append_int32(exclusion, value.value.v_utf8.str, -1, 0);
}

/* The names of a $unset stage as a projection {name: 0, ...}, appended to `exclusion`. */
static bool read_unset(const struct element *stage, bson_t *exclusion)
{
    struct elements names = elements_of_element(stage);
    struct element name;
    if (stage->type != BSON_TYPE_ARRAY)
        return append_exclusion(exclusion, stage);
    while (elements_next(&names, &name))
        if (!append_exclusion(exclusion, &name))
            return false;
    return !bson_empty(exclusion);
}

static bool check_unset(const struct element *stage, struct failure *failure)
{
    bson_t exclusion = BSON_INITIALIZER;
    struct element name;
    bool fine = read_unset(stage, &exclusion);
    if (!fine)
        failure_set(failure, FAILURE_UNSET_SPECIFICATION,
                    "$unset specification must be a string or an array with at least one field");
    struct elements names = elements_of(&exclusion);
    while (fine && elements_next(&names, &name))
        fine = check_path(name.name, failure);
    fine = fine && project_check(&exclusion, failure);
    bson_destroy(&exclusion);
    return fine;
}

/* The expression of $replaceWith, or of $replaceRoot's newRoot, which check_root() has seen. */
static void root_of(enum stage_kind kind, const struct element *stage, bson_value_t *expression)
{
    struct element root = *stage;
    if (kind == STAGE_REPLACE_ROOT)
        must(elements_find(elements_of_element(stage), "newRoot", 7, &root));
    element_value(&root, expression);
}

static bool check_root(enum stage_kind kind, const struct element *stage, struct failure *failure)
{
    bson_value_t expression;
    struct element root;
    if (kind == STAGE_REPLACE_ROOT && stage->type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, FAILURE_REPLACE_ROOT_FORM,
                           "expected an object as specification for $replaceRoot stage, got %s",
                           fields_type_name(stage->type));
    if (kind == STAGE_REPLACE_ROOT &&
        !elements_find(elements_of_element(stage), "newRoot", 7, &root))
        return failure_set(failure, FAILURE_REPLACE_ROOT_MISSING,
                           "no newRoot specified for the $replaceRoot stage");
    root_of(kind, stage, &expression);
    return expression_check(&expression, failure);
}

bool pipeline_check(const bson_value_t *stages, struct failure *failure)
{
    struct elements list = elements_of_value(stages);
    struct element holder, stage, more;
    while (elements_next(&list, &holder)) {
        enum stage_kind kind = STAGE_SET;
        struct elements inside = elements_of_element(&holder);
        if (holder.type != BSON_TYPE_DOCUMENT)
            return failure_set(failure, FAILURE_TYPE_MISMATCH,
                               "Each element of the 'pipeline' array must be an object");
        if (!elements_next(&inside, &stage) || elements_next(&inside, &more))
            return failure_set(failure, FAILURE_STAGE_FORM,
                               "A pipeline stage specification object must contain exactly one "
                               "field.");
        if (!kind_of(stage.name, &kind, failure))
            return false;
        bool fine = kind == STAGE_SET     ? check_set(&stage, failure)
                    : kind == STAGE_UNSET ? check_unset(&stage, failure)
                                          : check_root(kind, &stage, failure);
        if (!fine)
            return false;
    }
    return true;
}

/* Applying ------------------------------------------------------------------------------------- */

static void set_field(struct buffer *out, const char *name, size_t length,
                      const struct expression_result *result)
{
    if (!result->missing)
        element_write_value(out, name, length, &result->value);
}

static void set_path(struct buffer *out, struct elements old, const char *path,
                     const struct expression_result *result);

/* What is at `old` when the path goes on below it. */
static void set_inside(struct buffer *out, const struct element *old, const char *rest,
                       const struct expression_result *result)
{
    bool is_array = old->type == BSON_TYPE_ARRAY;
    element_begin(out, is_array ? BSON_TYPE_ARRAY : BSON_TYPE_DOCUMENT, old->name,
                  old->name_length);
    size_t begun = document_begin(out);
    struct elements inside = elements_of_element(old);
    struct element element;
    if (is_array)
        while (elements_next(&inside, &element))
            set_inside(out, &element, rest, result);
    else
        set_path(out, inside, rest, result);
    document_end(out, begun);
}

/* Copies a level of a document with the field at `path` set (or removed, by a missing result). */
static void set_path(struct buffer *out, struct elements old, const char *path,
                     const struct expression_result *result)
{
    size_t length = strcspn(path, ".");
    const char *rest = path[length] == '.' ? path + length + 1 : NULL;
    bool found = false;
    struct element element;
    while (elements_next(&old, &element)) {
        bool here = !found && element_is_named(&element, path, length);
        found = found || here;
        if (!here)
            element_write(out, &element);
        else if (rest != NULL)
            set_inside(out, &element, rest, result);
        else
            set_field(out, path, length, result);
    }
    if (found)
        return;
    if (rest == NULL) {
        set_field(out, path, length, result);
        return;
    }
    element_begin(out, BSON_TYPE_DOCUMENT, path, length);
    size_t begun = document_begin(out);
    set_path(out, (struct elements){0}, rest, result);
    document_end(out, begun);
}

/* A pipeline under way. */
struct running {
    struct buffer present; /* the document before the stage */
    struct buffer next;    /* and after it */
    int64_t now_ms;
    struct failure *failure;
};

static void swap(struct buffer *a, struct buffer *b)
{
    struct buffer kept = *a;
    *a = *b;
    *b = kept;
    b->length = 0;
}

static bool run_set(struct running *running, const struct element *stage)
{
    struct buffer flat = {0}, result = {0};
    struct expression_result given;
    struct element field;
    bson_value_t expression;
    bson_t root;
    bool fine = true;
    flatten_stage(stage, &flat);
    struct elements fields = elements_of_buffer(&flat);
    must(bson_init_static(&root, running->present.bytes, running->present.length));
    buffer_append(&running->next, running->present.bytes, running->present.length);
    while (fine && elements_next(&fields, &field)) {
        element_value(&field, &expression);
        fine = expression_evaluate(&expression, &root, running->now_ms, &given, running->failure);
        if (!fine)
            break;
        size_t begun = document_begin(&result);
        set_path(&result, elements_of_buffer(&running->next), field.name, &given);
        document_end(&result, begun);
        expression_result_reset(&given);
        swap(&running->next, &result);
    }
    buffer_release(&flat);
    buffer_release(&result);
    return fine;
}

static void run_unset(struct running *running, const struct element *stage)
{
    bson_t exclusion = BSON_INITIALIZER, result = BSON_INITIALIZER, view;
    must(read_unset(stage, &exclusion));
    must(bson_init_static(&view, running->present.bytes, running->present.length));
    project(&exclusion, &view, &result);
    buffer_append(&running->next, bson_get_data(&result), result.len);
    bson_destroy(&exclusion);
    bson_destroy(&result);
}

static bool run_root(struct running *running, enum stage_kind kind, const struct element *stage)
{
    struct expression_result root;
    bson_value_t expression;
    bson_t view;
    must(bson_init_static(&view, running->present.bytes, running->present.length));
    root_of(kind, stage, &expression);
    if (!expression_evaluate(&expression, &view, running->now_ms, &root, running->failure))
        return false;
    bool fine = !root.missing && root.value.value_type == BSON_TYPE_DOCUMENT;
    if (fine)
        buffer_append(&running->next, root.value.value.v_doc.data, root.value.value.v_doc.data_len);
    else
        failure_set(running->failure, FAILURE_REPLACEMENT_NOT_OBJECT,
                    "'%s' expression must evaluate to an object, but resulting value was of type "
                    "%s",
                    kind == STAGE_REPLACE_WITH ? "replacement document" : "newRoot",
                    root.missing ? "missing" : fields_type_name(root.value.value_type));
    expression_result_reset(&root);
    return fine;
}

static bool run_stages(struct running *running, const bson_value_t *stages)
{
    struct elements list = elements_of_value(stages), inside;
    struct element holder, stage;
    while (elements_next(&list, &holder)) {
        enum stage_kind kind = STAGE_SET;
        bool fine = true;
        inside = elements_of_element(&holder);
        if (!elements_next(&inside, &stage) || !kind_of(stage.name, &kind, running->failure))
            return false;
        if (kind == STAGE_SET)
            fine = run_set(running, &stage);
        else if (kind == STAGE_UNSET)
            run_unset(running, &stage);
        else
            fine = run_root(running, kind, &stage);
        if (!fine)
            return false;
        if (value_malformed(running->next.bytes, running->next.length))
            return failure_set(running->failure, FAILURE_OVERFLOW,
                               "The update would make the document nest deeper than %d levels",
                               VALUE_DEPTH_MAX);
        swap(&running->present, &running->next);
    }
    return true;
}

bool pipeline_apply(const struct update *update, const bson_t *was, struct buffer *out,
                    struct failure *failure)
{
    struct running running = {.now_ms = update->now_ms, .failure = failure};
    struct element id, field;
    buffer_append(&running.present, bson_get_data(was), was->len);
    bool fine = run_stages(&running, update->change);
    if (fine) {
        struct elements fields = elements_of_buffer(&running.present);
        size_t begun = document_begin(out);
        if (!elements_find(fields, "_id", 3, &id) && elements_find(elements_of(was), "_id", 3, &id))
            element_write(out, &id);
        while (elements_next(&fields, &field))
            element_write(out, &field);
        document_end(out, begun);
    }
    buffer_release(&running.present);
    buffer_release(&running.next);
    return fine;
}
