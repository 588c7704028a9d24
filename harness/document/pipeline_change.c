/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline_change: see pipeline_change.h. All expressions of a stage see the document as it was
 * before the stage. A $set stage is first made flat ({a: {b: 1}} and {"a.b": 1} mean the same
 * there: fields beside b stay) and then applied path by path, and so are the computed fields of a
 * $project. In a pipeline a path goes into each element of an array, and what is no document on
 * the way becomes one; numbers in paths are plain names.
 */
#include "pipeline_change.h"

#include "base.h"
#include "expression.h"
#include "fields.h"
#include "path.h"
#include "project.h"
#include "value.h"
#include <string.h>

/* $set, $addFields ----------------------------------------------------------------------------- */

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
            const char *path = prefix->length > 0 ? (const char *)prefix->bytes : "";
            element_write_named(out, path, prefix->length, &field);
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
        if (!path_check(field.name, failure) || !expression_check(&expression, failure))
            return false;
        struct elements behind = flat;
        while (elements_next(&behind, &other))
            if (path_overlaps(field.name, other.name))
                return failure_set(failure, FAILURE_PIPELINE_PATH_CONFLICT,
                                   "specification contains two conflicting paths. Cannot specify "
                                   "both '%s' and '%s'",
                                   other.name, field.name);
    }
    return true;
}

bool change_set_check(const struct element *stage, struct failure *failure)
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
    size_t length = path_part(path);
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

/* Sets each path to its expression's value over the old document in that of `is`. */
static bool assign(const struct changing *changing, struct elements fields, struct buffer *is)
{
    struct buffer result = {0};
    struct expression_result given;
    struct element field;
    bson_value_t expression;
    bool fine = true;
    while (fine && elements_next(&fields, &field)) {
        element_value(&field, &expression);
        fine = expression_evaluate(&expression, changing->was, changing->now_ms, &given,
                                   changing->failure);
        if (!fine)
            break;
        result.length = 0;
        size_t begun = document_begin(&result);
        set_path(&result, elements_of_buffer(is), field.name, &given);
        document_end(&result, begun);
        expression_result_reset(&given);
        struct buffer before = *is;
        *is = result;
        result = before;
        fine = expression_fits(is->length, changing->failure);
    }
    buffer_release(&result);
    return fine;
}

bool change_set(const struct changing *changing, const struct element *stage, struct buffer *is)
{
    struct buffer flat = {0};
    flatten_stage(stage, &flat);
    buffer_append(is, bson_get_data(changing->was), changing->was->len);
    bool fine = assign(changing, elements_of_buffer(&flat), is);
    buffer_release(&flat);
    return fine;
}

/* $unset, $project ----------------------------------------------------------------------------- */

static void keep_projected(const bson_t *projection, const bson_t *was, struct buffer *is)
{
    bson_t result = BSON_INITIALIZER;
    project(projection, was, &result);
    buffer_append(is, bson_get_data(&result), result.len);
    bson_destroy(&result);
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

bool change_unset_check(const struct element *stage, struct failure *failure)
{
    bson_t exclusion = BSON_INITIALIZER;
    bool fine = read_unset(stage, &exclusion);
    if (!fine)
        failure_set(failure, FAILURE_UNSET_SPECIFICATION,
                    "$unset specification must be a string or an array with at least one field");
    fine = fine && project_check(&exclusion, failure);
    bson_destroy(&exclusion);
    return fine;
}

bool change_unset(const struct changing *changing, const struct element *stage, struct buffer *is)
{
    bson_t exclusion = BSON_INITIALIZER;
    must(read_unset(stage, &exclusion));
    keep_projected(&exclusion, changing->was, is);
    bson_destroy(&exclusion);
    return true;
}

/* A $project stage as a projection, in which computed fields are kept, and a document of those. */
struct projection {
    bson_t kept;
    struct buffer computed;
};

static void read_project(const struct element *stage, struct projection *projection)
{
    struct buffer flat = {0};
    struct element field;
    bson_value_t value;
    flatten_stage(stage, &flat);
    struct elements fields = elements_of_buffer(&flat);
    bson_init(&projection->kept);
    projection->computed = (struct buffer){0};
    size_t begun = document_begin(&projection->computed);
    while (elements_next(&fields, &field)) {
        element_value(&field, &value);
        if (value.value_type == BSON_TYPE_BOOL || value_is_number(&value)) {
            bson_append_value(&projection->kept, field.name, -1, &value);
        } else {
            bson_append_int32(&projection->kept, field.name, -1, 1);
            element_write(&projection->computed, &field);
        }
    }
    document_end(&projection->computed, begun);
    buffer_release(&flat);
}

static void projection_release(struct projection *projection)
{
    bson_destroy(&projection->kept);
    buffer_release(&projection->computed);
}

bool change_project_check(const struct element *stage, struct failure *failure)
{
    struct projection projection;
    if (stage->type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, FAILURE_PROJECT_FORM,
                           "$project specification must be an object");
    if (stage->size == 5)
        return failure_set(failure, FAILURE_PROJECT_EMPTY,
                           "Invalid $project :: caused by :: projection specification must have at "
                           "least one field");
    read_project(stage, &projection);
    bool fine = check_assignments(elements_of_buffer(&projection.computed), failure) &&
                project_check(&projection.kept, failure);
    projection_release(&projection);
    return fine;
}

bool change_project(const struct changing *changing, const struct element *stage, struct buffer *is)
{
    struct projection projection;
    read_project(stage, &projection);
    keep_projected(&projection.kept, changing->was, is);
    bool fine = assign(changing, elements_of_buffer(&projection.computed), is);
    projection_release(&projection);
    return fine;
}

/* $replaceRoot, $replaceWith ------------------------------------------------------------------- */

static bool is_replace_root(const struct element *stage)
{
    return strcmp(stage->name, "$replaceRoot") == 0;
}

/* The expression of $replaceWith, or of $replaceRoot's newRoot, which check_root() has seen. */
static void root_of(const struct element *stage, bson_value_t *expression)
{
    struct element root = *stage;
    if (is_replace_root(stage))
        must(elements_find(elements_of_element(stage), "newRoot", 7, &root));
    element_value(&root, expression);
}

bool change_root_check(const struct element *stage, struct failure *failure)
{
    bson_value_t expression;
    struct element root;
    if (is_replace_root(stage) && stage->type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, FAILURE_REPLACE_ROOT_FORM,
                           "expected an object as specification for $replaceRoot stage, got %s",
                           fields_type_name(stage->type));
    if (is_replace_root(stage) && !elements_find(elements_of_element(stage), "newRoot", 7, &root))
        return failure_set(failure, FAILURE_REPLACE_ROOT_MISSING,
                           "no newRoot specified for the $replaceRoot stage");
    root_of(stage, &expression);
    return expression_check(&expression, failure);
}

bool change_root(const struct changing *changing, const struct element *stage, struct buffer *is)
{
    struct expression_result root;
    bson_value_t expression;
    root_of(stage, &expression);
    if (!expression_evaluate(&expression, changing->was, changing->now_ms, &root,
                             changing->failure))
        return false;
    bool fine = !root.missing && root.value.value_type == BSON_TYPE_DOCUMENT;
    if (fine)
        buffer_append(is, root.value.value.v_doc.data, root.value.value.v_doc.data_len);
    else
        failure_set(changing->failure, FAILURE_REPLACEMENT_NOT_OBJECT,
                    "'%s' expression must evaluate to an object, but resulting value was of type "
                    "%s",
                    is_replace_root(stage) ? "newRoot" : "replacement document",
                    root.missing ? "missing" : fields_type_name(root.value.value_type));
    expression_result_reset(&root);
    return fine;
}
