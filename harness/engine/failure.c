/* SPDX-License-Identifier: Apache-2.0
 *
 * failure: see failure.h. One table of MongoDB's codes and names.
 */
#include "failure.h"
#include "base.h"

#include <stdio.h>
#include <string.h>

static const struct {
    enum failure_code code;
    const char *name;
} names[] = {
    {FAILURE_BAD_VALUE, "BadValue"},
    {FAILURE_NO_SUCH_KEY, "NoSuchKey"},
    {FAILURE_FAILED_TO_PARSE, "FailedToParse"},
    {FAILURE_UNAUTHORIZED, "Unauthorized"},
    {FAILURE_TYPE_MISMATCH, "TypeMismatch"},
    {FAILURE_OVERFLOW, "Overflow"},
    {FAILURE_INVALID_LENGTH, "InvalidLength"},
    {FAILURE_ILLEGAL_OPERATION, "IllegalOperation"},
    {FAILURE_INVALID_BSON, "InvalidBSON"},
    {FAILURE_NAMESPACE_NOT_FOUND, "NamespaceNotFound"},
    {FAILURE_INDEX_NOT_FOUND, "IndexNotFound"},
    {FAILURE_PATH_NOT_VIABLE, "PathNotViable"},
    {FAILURE_CONFLICTING_UPDATE_OPERATORS, "ConflictingUpdateOperators"},
    {FAILURE_CURSOR_NOT_FOUND, "CursorNotFound"},
    {FAILURE_NAMESPACE_EXISTS, "NamespaceExists"},
    {FAILURE_MAX_TIME_EXPIRED, "MaxTimeMSExpired"},
    {FAILURE_DOLLAR_PREFIXED_FIELD_NAME, "DollarPrefixedFieldName"},
    {FAILURE_EMPTY_FIELD_NAME, "EmptyFieldName"},
    {FAILURE_COMMAND_NOT_FOUND, "CommandNotFound"},
    {FAILURE_IMMUTABLE_FIELD, "ImmutableField"},
    {FAILURE_CANNOT_CREATE_INDEX, "CannotCreateIndex"},
    {FAILURE_INVALID_OPTIONS, "InvalidOptions"},
    {FAILURE_INVALID_NAMESPACE, "InvalidNamespace"},
    {FAILURE_UNKNOWN_WRITE_CONCERN, "UnknownReplWriteConcern"},
    {FAILURE_INDEX_OPTIONS_CONFLICT, "IndexOptionsConflict"},
    {FAILURE_INDEX_KEY_SPECS_CONFLICT, "IndexKeySpecsConflict"},
    {FAILURE_UNSATISFIABLE_WRITE_CONCERN, "UnsatisfiableWriteConcern"},
    {FAILURE_WRITE_CONFLICT, "WriteConflict"},
    {FAILURE_EXCEEDED_MEMORY_LIMIT, "ExceededMemoryLimit"},
    {FAILURE_PARALLEL_ARRAYS, "CannotIndexParallelArrays"},
    {FAILURE_INVALID_PIPELINE_OPERATOR, "InvalidPipelineOperator"},
    {FAILURE_NOT_IMPLEMENTED, "NotImplemented"},
    {FAILURE_TRANSACTION_OPERATION, "OperationNotSupportedInTransaction"},
    {FAILURE_API_VERSION, "APIVersionError"},
    {FAILURE_UNSUPPORTED_OP_QUERY, "UnsupportedOpQueryCommand"},
    {FAILURE_OBJECT_TOO_LARGE, "BSONObjectTooLarge"},
    {FAILURE_DUPLICATE_KEY, "DuplicateKey"},
};

bool failure_set(struct failure *failure, enum failure_code code, const char *format, ...)
{
    failure_reset(failure);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->message, sizeof(failure->message), format, arguments);
    va_end(arguments);
    failure->code = code;
    return false;
}

const char *failure_name(enum failure_code code, char *buffer)
{
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (names[i].code == code)
            return names[i].name;
    snprintf(buffer, 32, "Location%d", (int)code);
    return buffer;
}

void failure_reset(struct failure *failure)
{
    bson_destroy(failure->detail);
    failure->detail = NULL;
    failure->code = FAILURE_NONE;
    failure->message[0] = '\0';
}
