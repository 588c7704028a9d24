/* SPDX-License-Identifier: Apache-2.0
 *
 * fields: see fields.h. Tables are short and nearly in the order in which drivers send, so that a
 * look at the next row and then a linear search with the first letter compared first beat any hash;
 * the messages are those of MongoDB's IDL parser.
 */
#include "fields.h"

#include "base.h"
#include "value.h"
#include <math.h>
#include <string.h>

const char *fields_type_name(bson_type_t type)
{
    const char *name = element_types[type & 0xff].name;
    return name != NULL ? name : "missing";
}

bool fields_integer(const bson_value_t *value, int64_t *number)
{
    switch ((int)value->value_type) {
    case BSON_TYPE_INT32:
        *number = value->value.v_int32;
        return true;
    case BSON_TYPE_INT64:
        *number = value->value.v_int64;
        return true;
    case BSON_TYPE_DOUBLE:
        if (!(fabs(value->value.v_double) < 0x1p63) ||
            value->value.v_double != floor(value->value.v_double))
            return false;
        *number = (int64_t)value->value.v_double;
        return true;
    default:
        return false;
    }
}

bool words_contain(const char *words, const char *word)
{
    size_t length = strcspn(word, " ");
    if (length == 0 || word[length] != '\0')
        return false;
    for (const char *at = words; at != NULL; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (*at == *word && strncmp(at, word, length) == 0 &&
            (at[length] == ' ' || at[length] == '\0'))
            return true;
    }
    return false;
}

void fields_prepare(const struct field *fields, void *arguments)
{
    for (; fields->kind != FIELD_END; fields++)
        if (fields->kind == FIELD_DOCUMENT || fields->kind == FIELD_ARRAY)
            bson_init((bson_t *)((char *)arguments + fields->offset));
}

static bool wrong_type(const struct fields_reader *reader, const struct field *field,
                       bson_type_t type, struct failure *failure)
{
    static const char *const expected[] = {
        [FIELD_BOOL] = "bool",   [FIELD_INTEGER] = "long",    [FIELD_COUNT] = "long",
        [FIELD_MS] = "long",     [FIELD_DOCUMENT] = "object", [FIELD_ARRAY] = "array",
        [FIELD_TEXT] = "string", [FIELD_NUMBER] = "number",
    };
    return failure_set(failure, FAILURE_TYPE_MISMATCH,
                       "BSON field '%s.%s' is the wrong type '%s', expected type '%s'",
                       reader->context, field->name, fields_type_name(type), expected[field->kind]);
}

static bool store_integer(const struct fields_reader *reader, const struct field *field,
                          const bson_value_t *value, struct failure *failure)
{
    int64_t number = 0;
    if (!value_is_number(value))
        return wrong_type(reader, field, value->value_type, failure);
    if (!fields_integer(value, &number))
        return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                           "BSON field '%s.%s' must be a number without fraction", reader->context,
                           field->name);
    if (field->kind == FIELD_COUNT && number < 0)
        return failure_set(failure, FAILURE_BAD_LIMIT,
                           "BSON field '%s' value must be >= 0, actual value '%lld'", field->name,
                           (long long)number);
    if (field->kind == FIELD_MS && (number < 0 || number > INT32_MAX))
        return failure_set(failure, FAILURE_BAD_VALUE,
                           "%lld value for %s is out of range [0, 2147483647]", (long long)number,
                           field->name);
    memcpy((char *)reader->arguments + field->offset, &number, sizeof number);
    return true;
}

static bool store_bool(const struct fields_reader *reader, const struct field *field,
                       const bson_value_t *value, struct failure *failure)
{
    int64_t number = 0;
    bool yes;
    if (value->value_type == BSON_TYPE_BOOL)
        yes = value->value.v_bool;
    else if (value_is_number(value)) /* a fraction is not zero either */
        yes = !fields_integer(value, &number) || number != 0;
    else
        return wrong_type(reader, field, value->value_type, failure);
    memcpy((char *)reader->arguments + field->offset, &yes, sizeof yes);
    return true;
}

static bool store_document(const struct fields_reader *reader, const struct field *field,
                           const struct element *element, struct failure *failure)
{
    bson_type_t wanted = field->kind == FIELD_ARRAY ? BSON_TYPE_ARRAY : BSON_TYPE_DOCUMENT;
    bson_t *document = (bson_t *)((char *)reader->arguments + field->offset);
    if (element->type != wanted)
        return wrong_type(reader, field, element->type, failure);
    if (!bson_init_static(document, element->data, element->size))
        return failure_set(failure, FAILURE_INVALID_BSON, "BSON field '%s.%s' is malformed",
                           reader->context, field->name);
    return true;
}

/* Not inlined: its bson_value_t would cost those who need none. */
__attribute__((noinline)) static bool store_checked(const struct fields_reader *reader,
                                                    const struct field *field,
                                                    const struct element *element,
                                                    struct failure *failure)
{
    bson_value_t value;
    char *place = (char *)reader->arguments + field->offset;
    element_value(element, &value);
    switch (field->kind) {
    case FIELD_BOOL:
        return store_bool(reader, field, &value, failure);
    case FIELD_INTEGER:
    case FIELD_COUNT:
    case FIELD_MS:
        return store_integer(reader, field, &value, failure);
    case FIELD_TEXT:
        if (element->type != BSON_TYPE_UTF8)
            return wrong_type(reader, field, element->type, failure);
        memcpy(place, &value.value.v_utf8.str, sizeof value.value.v_utf8.str);
        return true;
    case FIELD_NUMBER:
        return value_is_number(&value) || wrong_type(reader, field, element->type, failure);
    case FIELD_REFUSED: /* what is false is not asked for */
        return (element->type == BSON_TYPE_BOOL && !value.value.v_bool) ||
               failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                           "'%s.%s' is not supported by the embedded engine", reader->context,
                           element->name);
    default:
        return true;
    }
}

static bool store_value(const struct fields_reader *reader, const struct field *field,
                        const struct element *element, struct failure *failure)
{
    if (field->kind == FIELD_DOCUMENT || field->kind == FIELD_ARRAY)
        return store_document(reader, field, element, failure);
    if (field->kind != FIELD_VALUE)
        return store_checked(reader, field, element, failure);
    element_value(element, (bson_value_t *)((char *)reader->arguments + field->offset));
    return true;
}

/* Rows of fields that are treated alike, ignored or refused, hold several names; nearly always it
 * is the first that is meant. */
static bool is_first_name(const struct field *field, const struct element *element)
{
    if (field->name[0] != element->name[0] ||
        strncmp(field->name, element->name, element->name_length) != 0)
        return false;
    char end = field->name[element->name_length];
    return end == '\0' || end == ' ';
}

static bool holds_several(const struct field *field)
{
    return field->kind == FIELD_IGNORED || field->kind == FIELD_REFUSED;
}

/* Is it the list of a row's names, not one of them? That is nobody's name. */
static bool is_list(const struct field *field, const struct element *element)
{
    return holds_several(field) && strchr(element->name, ' ') != NULL;
}

static bool is_other_name(const struct field *field, const struct element *element)
{
    return holds_several(field) && words_contain(field->name, element->name);
}

/* The row of an element's name, and whose it is; NULL: there is none. A name with a blank may find
 * a row of several. */
static const struct field *search(struct fields_reader **reader, const struct element *element)
{
    struct fields_reader *first = *reader;
    const struct field *field;
    for (; *reader != NULL; *reader = (*reader)->next)
        for (field = (*reader)->fields; field->kind != FIELD_END; field++)
            if (is_first_name(field, element))
                return field;
    for (*reader = first; *reader != NULL; *reader = (*reader)->next)
        for (field = (*reader)->fields; field->kind != FIELD_END; field++)
            if (is_other_name(field, element))
                return field;
    return NULL;
}

/* Reads an element whose row is known. */
__attribute__((always_inline)) static inline bool take(struct fields_reader *reader,
                                                       const struct field *field,
                                                       const struct element *element,
                                                       struct failure *failure)
{
    reader->likely = field + 1;
    if (field->kind == FIELD_IGNORED)
        return true;
    if (field->kind == FIELD_REFUSED) /* a row of several names: no bit of its own each */
        return store_value(reader, field, element, failure);
    uint64_t bit = UINT64_C(1) << (field - reader->fields);
    if (reader->seen & bit)
        return failure_set(failure, FAILURE_DUPLICATE_FIELD,
                           "BSON field '%s.%s' is a duplicate field", reader->context,
                           element->name);
    reader->seen |= bit;
    return store_value(reader, field, element, failure);
}

/* Reads an element that is in none of the likely rows. Not inlined: that would cost the others. */
__attribute__((noinline)) static bool read_unlikely(struct fields_reader *reader,
                                                    const struct element *element, bool *known,
                                                    struct failure *failure)
{
    const struct field *field = search(&reader, element);
    *known = field != NULL && !is_list(field, element);
    return !*known || take(reader, field, element, failure);
}

bool fields_read(struct fields_reader *reader, const struct element *element, bool *known,
                 struct failure *failure)
{
    for (struct fields_reader *at = reader; at != NULL; at = at->next) {
        const struct field *field = at->likely;
        if (field->kind == FIELD_END || field->name[0] != element->name[0] ||
            strcmp(field->name, element->name) != 0 || is_list(field, element))
            continue;
        *known = true;
        return take(at, field, element, failure);
    }
    return read_unlikely(reader, element, known, failure);
}

bool fields_complete(const struct fields_reader *reader, struct failure *failure)
{
    const struct field *field = reader->fields;
    for (uint64_t bit = 1; field->kind != FIELD_END; field++, bit <<= 1)
        if (field->required && !(reader->seen & bit))
            return failure_set(failure, FAILURE_MISSING_FIELD,
                               "BSON field '%s.%s' is missing but a required field",
                               reader->context, field->name);
    return true;
}

/* The same for the cursor of a document. */
static bool parse(struct fields_reader *reader, struct elements elements, struct failure *failure)
{
    struct element element;
    bool known;
    fields_prepare(reader->fields, reader->arguments);
    while (elements_next(&elements, &element)) {
        if (!fields_read(reader, &element, &known, failure))
            return false;
        if (!known)
            return failure_set(failure, FAILURE_UNKNOWN_FIELD,
                               "BSON field '%s.%s' is an unknown field.", reader->context,
                               element.name);
    }
    return elements.at == elements.end
               ? fields_complete(reader, failure)
               : failure_set(failure, FAILURE_INVALID_BSON, "'%s' is malformed", reader->context);
}

bool fields_parse(struct fields_reader *reader, const bson_t *document, struct failure *failure)
{
    return parse(reader, elements_of(document), failure);
}

bool fields_parse_element(struct fields_reader *reader, const struct element *element,
                          struct failure *failure)
{
    if (element->type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, FAILURE_TYPE_MISMATCH,
                           "BSON field '%s' is the wrong type '%s', expected type 'object'",
                           reader->context, fields_type_name(element->type));
    return parse(reader, elements_of_element(element), failure);
}
