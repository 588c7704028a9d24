/* SPDX-License-Identifier: Apache-2.0
 *
 * labels: the error labels that MongoDB 6.0 puts beside a code (its error_labels.cpp): what a
 * driver may do about it. From wire version 9 on the server must say so itself.
 */
#ifndef RACEBENCH_ENGINE_LABELS_H
#define RACEBENCH_ENGINE_LABELS_H

#include "command.h"

/* Appends errorLabels to the request's reply for a refusal with `code`, or for an "ok" with a write
 * concern error `concern_code` (0: none); those of a fail point instead, when it names some. */
void labels_append(const struct request *, int32_t code, int32_t concern_code);

#endif
