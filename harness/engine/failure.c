/* SPDX-License-Identifier: Apache-2.0
 *
 * failure: see failure.h. Names are those of MongoDB's src/mongo/base/error_codes.yml, of the codes
 * that this engine answers with and of those that clients react to (a failpoint may ask for any). A
 * code without a row has no name there either: MongoDB then calls it by its place in the source,
 * "Location" and the number.
 */
#include "failure.h"

#include "base.h"
#include <stdio.h>
#include <string.h>

/* clang-format off */
#define NAMES(X)                                                                                  \
    X(1, InternalError) X(2, BadValue) X(4, NoSuchKey) X(6, HostUnreachable)                      \
    X(7, HostNotFound) X(8, UnknownError) X(9, FailedToParse) X(11, UserNotFound)                 \
    X(13, Unauthorized) X(14, TypeMismatch) X(15, Overflow) X(16, InvalidLength)                  \
    X(17, ProtocolError) X(18, AuthenticationFailed) X(20, IllegalOperation)                      \
    X(22, InvalidBSON) X(24, LockTimeout) X(26, NamespaceNotFound) X(27, IndexNotFound)           \
    X(28, PathNotViable) X(34, CannotBackfillArray) X(40, ConflictingUpdateOperators)             \
    X(43, CursorNotFound) X(48, NamespaceExists) X(50, MaxTimeMSExpired)                          \
    X(52, DollarPrefixedFieldName) X(53, InvalidIdField) X(54, NotSingleValueField)               \
    X(56, EmptyFieldName) X(57, DottedFieldName) X(59, CommandNotFound)                           \
    X(64, WriteConcernTimeout) X(66, ImmutableField) X(67, CannotCreateIndex)                     \
    X(68, IndexAlreadyExists) X(72, InvalidOptions) X(73, InvalidNamespace)                       \
    X(79, UnknownReplWriteConcern) X(85, IndexOptionsConflict) X(86, IndexKeySpecsConflict)       \
    X(89, NetworkTimeout) X(91, ShutdownInProgress) X(96, OperationFailed)                        \
    X(100, UnsatisfiableWriteConcern) X(112, WriteConflict) X(115, CommandNotSupported)           \
    X(117, ConflictingOperationInProgress) X(121, DocumentValidationFailure)                      \
    X(123, NotAReplicaSet) X(125, CommandFailed) X(133, FailedToSatisfyReadPreference)            \
    X(134, ReadConcernMajorityNotAvailableYet) X(146, ExceededMemoryLimit)                        \
    X(168, InvalidPipelineOperator) X(171, CannotIndexParallelArrays)                             \
    X(189, PrimarySteppedDown) X(197, InvalidIndexSpecificationOption) X(206, NoSuchSession)      \
    X(211, KeyNotFound) X(223, IllegalOpMsgFlag) X(224, QueryFeatureNotAllowed)                   \
    X(225, TransactionTooOld) X(237, CursorKilled) X(238, NotImplemented)                         \
    X(239, SnapshotTooOld) X(241, ConversionFailure) X(246, SnapshotUnavailable)                  \
    X(251, NoSuchTransaction) X(256, TransactionCommitted) X(257, TransactionTooLarge)            \
    X(262, ExceededTimeLimit) X(263, OperationNotSupportedInTransaction)                          \
    X(267, PreparedTransactionInProgress) X(272, TransactionCoordinatorSteppingDown)              \
    X(290, TransactionExceededLifetimeLimitSeconds) X(317, ConnectionPoolExpired)                 \
    X(322, APIVersionError) X(323, APIStrictError) X(334, MechanismUnavailable)                   \
    X(352, UnsupportedOpQueryCommand) X(9001, SocketException) X(10107, NotWritablePrimary)       \
    X(10334, BSONObjectTooLarge) X(11000, DuplicateKey) X(11600, InterruptedAtShutdown)           \
    X(11601, Interrupted) X(11602, InterruptedDueToReplStateChange) X(13388, StaleConfig)         \
    X(13435, NotPrimaryNoSecondaryOk) X(13436, NotPrimaryOrSecondary)
/* clang-format on */

#define ROW(code, name) {code, #name},
static const struct {
    int code;
    const char *name;
} names[] = {NAMES(ROW)};
#undef ROW

/* Cuts a text that was too long at the beginning of a character, since replies must be UTF-8. */
static void cut_at_character(char *text, size_t length)
{
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    text[length] = '\0';
}

bool failure_set(struct failure *failure, enum failure_code code, const char *format, ...)
{
    char message[sizeof failure->message + 4]; /* an argument may be the message before */
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof failure->message)
        cut_at_character(message, sizeof failure->message - 1);
    failure_reset(failure);
    memcpy(failure->message, message, strlen(message) + 1);
    failure->code = code;
    return false;
}

const char *failure_name(enum failure_code code, char *buffer)
{
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (names[i].code == (int)code)
            return names[i].name;
    snprintf(buffer, 32, "Location%d", (int)code);
    return buffer;
}

void failure_reset(struct failure *failure)
{
    if (failure->detail != NULL)
        bson_destroy(failure->detail);
    failure->detail = NULL;
    failure->code = FAILURE_NONE;
    failure->message[0] = '\0';
}
