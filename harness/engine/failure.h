/* SPDX-License-Identifier: Apache-2.0
 *
 * failure: what a command is refused with. One table (failure.c) holds MongoDB's codes and names;
 * functions that can refuse take a `struct failure *` last and `return failure_set(...)`.
 */
#ifndef RACEBENCH_ENGINE_FAILURE_H
#define RACEBENCH_ENGINE_FAILURE_H

#include <bson/bson.h>
#include <stdbool.h>

/* MongoDB's error codes, those that this engine can answer with. */
enum failure_code {
    FAILURE_NONE = 0,
    FAILURE_BAD_VALUE = 2,
    FAILURE_NO_SUCH_KEY = 4,
    FAILURE_FAILED_TO_PARSE = 9,
    FAILURE_UNAUTHORIZED = 13,
    FAILURE_TYPE_MISMATCH = 14,
    FAILURE_OVERFLOW = 15,
    FAILURE_INVALID_LENGTH = 16,
    FAILURE_ILLEGAL_OPERATION = 20,
    FAILURE_INVALID_BSON = 22,
    FAILURE_NAMESPACE_NOT_FOUND = 26,
    FAILURE_INDEX_NOT_FOUND = 27,
    FAILURE_PATH_NOT_VIABLE = 28,
    FAILURE_CANNOT_BACKFILL_ARRAY = 34,
    FAILURE_CONFLICTING_UPDATE_OPERATORS = 40,
    FAILURE_CURSOR_NOT_FOUND = 43,
    FAILURE_NAMESPACE_EXISTS = 48,
    FAILURE_MAX_TIME_EXPIRED = 50,
    FAILURE_DOLLAR_PREFIXED_FIELD_NAME = 52,
    FAILURE_INVALID_ID_FIELD = 53,
    FAILURE_NOT_SINGLE_VALUE_FIELD = 54,
    FAILURE_EMPTY_FIELD_NAME = 56,
    FAILURE_COMMAND_NOT_FOUND = 59,
    FAILURE_IMMUTABLE_FIELD = 66,
    FAILURE_CANNOT_CREATE_INDEX = 67,
    FAILURE_INVALID_OPTIONS = 72,
    FAILURE_INVALID_NAMESPACE = 73,
    FAILURE_UNKNOWN_WRITE_CONCERN = 79,
    FAILURE_INDEX_OPTIONS_CONFLICT = 85,
    FAILURE_INDEX_KEY_SPECS_CONFLICT = 86,
    FAILURE_UNSATISFIABLE_WRITE_CONCERN = 100,
    FAILURE_WRITE_CONFLICT = 112,
    FAILURE_EXCEEDED_MEMORY_LIMIT = 146,
    FAILURE_PARALLEL_ARRAYS = 171,
    FAILURE_INVALID_PIPELINE_OPERATOR = 168,
    FAILURE_EXPRESSION_IN_UPSERT = 224,
    FAILURE_NOT_IMPLEMENTED = 238,
    FAILURE_TRANSACTION_OPERATION = 263,
    FAILURE_API_VERSION = 322,
    FAILURE_UNSUPPORTED_OP_QUERY = 352,
    FAILURE_OBJECT_TOO_LARGE = 10334,
    FAILURE_DUPLICATE_KEY = 11000,
    FAILURE_UNKNOWN_ACCUMULATOR = 15952,
    FAILURE_SORT_KEY = 15974,
    FAILURE_SORT_ORDER = 15975,
    FAILURE_EXPRESSION_FORM = 15983,
    FAILURE_FIELD_PATH_EMPTY = 15998,
    FAILURE_ARITY = 16020,
    FAILURE_FIELD_PATH_DOLLAR = 16410,
    FAILURE_FIELD_NAME_DOTTED = 16412,
    FAILURE_TWO_DATES = 16612,
    FAILURE_COND_IF = 17080,
    FAILURE_COND_THEN = 17081,
    FAILURE_COND_ELSE = 17082,
    FAILURE_COND_UNKNOWN = 17083,
    FAILURE_UNDEFINED_VARIABLE = 17276,
    FAILURE_UNSET_SPECIFICATION = 31002,
    FAILURE_PATH_COLLISION = 31249,
    FAILURE_INCLUSION_IN_EXCLUSION = 31253,
    FAILURE_EXCLUSION_IN_INCLUSION = 31254,
    FAILURE_PIPELINE_PATH_CONFLICT = 40176,
    FAILURE_EMPTY_SPECIFICATION = 40180,
    FAILURE_REPLACEMENT_NOT_OBJECT = 40228,
    FAILURE_REPLACE_ROOT_FORM = 40229,
    FAILURE_REPLACE_ROOT_MISSING = 40231,
    FAILURE_SET_STAGE_FORM = 40272,
    FAILURE_STAGE_FORM = 40323,
    FAILURE_UNKNOWN_STAGE = 40324,
    FAILURE_UNKNOWN_FIELD = 40415,
    FAILURE_IF_NULL_ARITY = 1257300,
};

/* Why a command, or one write of it, was refused. */
struct failure {
    enum failure_code code;
    char message[320]; /* one line, in MongoDB's wording where it is known */
    bson_t *detail;    /* further fields of the reply (keyPattern, keyValue), or NULL; owned */
};

/* Fills in code and message (printf's rules, cut where it is too long) and returns false, for
 * `return failure_set(...)`. An earlier failure in the same struct is overwritten; `detail` is
 * freed and becomes NULL. */
bool failure_set(struct failure *, enum failure_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* MongoDB's name of a code, "DuplicateKey"; "Location<code>" for codes without a name of their own
 * (returned in `buffer`, of at least 32 bytes). */
const char *failure_name(enum failure_code code, char *buffer);

/* Frees what the failure holds and sets it to FAILURE_NONE. */
void failure_reset(struct failure *);

#endif
