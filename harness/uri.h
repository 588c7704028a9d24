/* SPDX-License-Identifier: Apache-2.0
 *
 * uri: what may be shown of what a user typed, and what is wrong with a connection string. The
 * rule is the reverse of looking for passwords: only what is known to be harmless is shown
 * (schemes, host lists in correct form, the values of a list of harmless options), everything else
 * is "***". So a password with '@', '/' or '?' in it, a forgotten scheme or a typing error cannot
 * slip through.
 *
 * uri_redact() itself is declared in run.h.
 */
#ifndef RACEBENCH_URI_H
#define RACEBENCH_URI_H

#include <stdbool.h>

/* Any argument as it may be quoted in an error line: redacted when it looks like a connection
 * string or holds '@', without control characters, cut when long. The caller frees it. */
char *uri_shown(const char *argument);

/* Checks a connection string without connecting. Returns NULL when libmongoc takes it, otherwise
 * what is wrong, never quoting a secret; the caller frees it. */
char *uri_check(const char *uri);

/* Does it carry a password or another secret? */
bool uri_has_secret(const char *uri);

#endif
