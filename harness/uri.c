/* SPDX-License-Identifier: Apache-2.0
 *
 * uri: see uri.h. A connection string is taken apart from the left and shown as long as each part
 * is in correct form: scheme, user and password (never shown), hosts, database, options. At the
 * first part that is not, the rest is "***", because then nobody knows which part is the password:
 * after "mongodb://user:se" + "/cret@host" the secret ends at the '@', after a harmless host list
 * an '@' may belong to an option.
 *
 * To tell the user what libmongoc dislikes without quoting a secret, the redacted text is given to
 * libmongoc a second time: what it says about that cannot contain what it was not told.
 */
#include "uri.h"
#include "base.h"
#include "human.h"
#include "run.h"

#include <ctype.h>
#include <mongoc/mongoc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HIDDEN "***"
enum { SHOWN_BYTES_MAX = 80 };

static const char *const schemes[] = {"mongodb", "mongodb+srv", "http", "https"};

/* Options whose values tell nothing. */
static const char *const harmless[] = {
    "appName",
    "authMechanism",
    "authSource",
    "compressors",
    "connectTimeoutMS",
    "directConnection",
    "heartbeatFrequencyMS",
    "journal",
    "loadBalanced",
    "localThresholdMS",
    "maxIdleTimeMS",
    "maxPoolSize",
    "maxStalenessSeconds",
    "minPoolSize",
    "readConcernLevel",
    "readPreference",
    "readPreferenceTags",
    "replicaSet",
    "retryReads",
    "retryWrites",
    "safe",
    "serverSelectionTimeoutMS",
    "serverSelectionTryOnce",
    "socketCheckIntervalMS",
    "socketTimeoutMS",
    "srvMaxHosts",
    "srvServiceName",
    "ssl",
    "tls",
    "tlsAllowInvalidCertificates",
    "tlsAllowInvalidHostnames",
    "tlsCAFile",
    "tlsCertificateKeyFile",
    "tlsDisableCertificateRevocationCheck",
    "tlsDisableOCSPEndpointCheck",
    "tlsInsecure",
    "w",
    "waitQueueTimeoutMS",
    "wTimeoutMS",
    "zlibCompressionLevel",
};

/* Options that are shown by name only. */
static const char *const secret[] = {
    "authMechanismProperties",
    "tlsCertificateKeyFilePassword",
    "sslClientCertificateKeyPassword",
    "password",
    "proxyPassword",
    "proxyUsername",
};

static bool is_one_of(const char *name, size_t length, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == length && strncasecmp(names[i], name, length) == 0)
            return true;
    return false;
}

/* Are all characters letters, digits or one of `others`? */
static bool consists_of(const char *text, size_t length, const char *others)
{
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && (text[i] == '\0' || !strchr(others, text[i])))
            return false;
    return length > 0;
}

/* Nothing, or ':' and a port. */
static bool is_port(const char *text, size_t length)
{
    long port = 0;
    if (length == 0)
        return true;
    if (text[0] != ':' || length < 2 || length > 6)
        return false;
    for (size_t i = 1; i < length; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        port = port * 10 + (text[i] - '0');
    }
    return port <= 65535;
}

/* name, name:port, [address]:port or the percent-encoded path of a socket. */
static bool is_host(const char *text, size_t length)
{
    if (length > 8 && strncasecmp(text, "%2F", 3) == 0 &&
        memcmp(text + length - 5, ".sock", 5) == 0)
        return consists_of(text, length, "%._-");
    if (length > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', length);
        if (end == NULL)
            return false;
        size_t inside = (size_t)(end - text) - 1;
        return strspn(text + 1, "0123456789abcdefABCDEF:.") >= inside && inside > 1 &&
               is_port(end + 1, length - inside - 2);
    }
    const char *colon = memchr(text, ':', length);
    size_t name = colon != NULL ? (size_t)(colon - text) : length;
    return consists_of(text, name, "._-") && is_port(text + name, length - name);
}

static bool are_hosts(const char *text, size_t length)
{
    for (;;) {
        const char *comma = memchr(text, ',', length);
        size_t part = comma != NULL ? (size_t)(comma - text) : length;
        if (!is_host(text, part))
            return false;
        if (comma == NULL)
            return true;
        text = comma + 1;
        length -= part + 1;
    }
}

static void say_query(const char *query, FILE *out)
{
    while (*query != '\0') {
        size_t length = strcspn(query, "&");
        const char *equals = memchr(query, '=', length);
        size_t name = equals != NULL ? (size_t)(equals - query) : length;
        const char *value = query + name + 1;
        size_t rest = equals != NULL ? length - name - 1 : 0;
        if (equals != NULL && is_one_of(query, name, harmless, COUNT_OF(harmless)) &&
            (rest == 0 || consists_of(value, rest, "._$%:,/+-")))
            fprintf(out, "%.*s", (int)length, query);
        else if (is_one_of(query, name, harmless, COUNT_OF(harmless)) ||
                 is_one_of(query, name, secret, COUNT_OF(secret)))
            fprintf(out, "%.*s=" HIDDEN, (int)name, query);
        else
            fputs(HIDDEN, out);
        query += length;
        if (*query == '&')
            fputc(*query++, out);
    }
}

/* Everything behind "scheme://". */
static void say_rest(const char *rest, FILE *out)
{
    size_t authority = strcspn(rest, "/?");
    const char *at = memrchr(rest, '@', authority);
    if (strchr(rest + authority, '@') != NULL) { /* in which part does the password end? */
        fputs(HIDDEN, out);
        return;
    }
    if (at != NULL) {
        fputs(HIDDEN "@", out);
        authority -= (size_t)(at + 1 - rest);
        rest = at + 1;
    }
    if (!are_hosts(rest, authority)) {
        fputs(HIDDEN, out);
        return;
    }
    fprintf(out, "%.*s", (int)authority, rest);
    rest += authority;
    if (*rest == '/') {
        size_t database = strcspn(++rest, "?");
        fputc('/', out);
        if (database > 0 && !consists_of(rest, database, "_-.$%")) {
            fputs(HIDDEN, out);
            return;
        }
        fprintf(out, "%.*s", (int)database, rest);
        rest += database;
    }
    if (*rest == '?') {
        fputc('?', out);
        say_query(rest + 1, out);
    }
}

char *uri_redact(const char *uri)
{
    char *text = NULL;
    size_t size = 0;
    const char *colon = strstr(uri, "://");
    if (colon == NULL)
        return x_strdup(HIDDEN);
    size_t scheme = (size_t)(colon - uri);
    FILE *out = open_memstream(&text, &size);
    must(out != NULL);
    if (is_one_of(uri, scheme, schemes, COUNT_OF(schemes)))
        fprintf(out, "%.*s://", (int)scheme, uri);
    else
        fputs(HIDDEN "://", out);
    say_rest(colon + 3, out);
    must(fclose(out) == 0);
    return text;
}

char *uri_shown(const char *argument)
{
    char *shown;
    if (strstr(argument, "://") != NULL)
        shown = uri_redact(argument);
    else if (strchr(argument, '@') != NULL)
        shown = x_strdup(HIDDEN);
    else
        shown = human_utf8(argument);
    for (char *at = shown; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = '?';
    if (strlen(shown) > SHOWN_BYTES_MAX) {
        char *cut = x_format("%.*s...", SHOWN_BYTES_MAX - 3, shown);
        free(shown);
        shown = human_utf8(cut); /* the cut may have gone through a character */
        free(cut);
    }
    return shown;
}

static void ignore_log(mongoc_log_level_t level, const char *domain, const char *message,
                       void *data)
{
    (void)level, (void)domain, (void)message, (void)data;
}

/* Does libmongoc take it? Its log is silent meanwhile: it quotes values. */
static bool parses(const char *uri, bson_error_t *error)
{
    mongoc_log_set_handler(ignore_log, NULL);
    mongoc_uri_t *parsed = mongoc_uri_new_with_error(uri, error);
    mongoc_log_set_handler(mongoc_log_default_handler, NULL);
    if (parsed != NULL)
        mongoc_uri_destroy(parsed);
    return parsed != NULL;
}

char *uri_check(const char *uri)
{
    bson_error_t error = {0};
    if (strncmp(uri, "mongodb://", 10) != 0 && strncmp(uri, "mongodb+srv://", 14) != 0)
        return x_strdup("must begin with mongodb:// or mongodb+srv://");
    for (const char *at = uri; *at != '\0'; at++)
        if ((unsigned char)*at <= ' ' || *at == 127)
            return x_strdup("holds a blank or a control character; percent-encode it");
    if (!bson_utf8_validate(uri, strlen(uri), false))
        return x_strdup("is not valid UTF-8");
    if (parses(uri, &error))
        return NULL;
    char *redacted = uri_redact(uri);
    char *problem;
    memset(&error, 0, sizeof(error));
    if (!parses(redacted, &error) && error.message[0] != '\0')
        problem = human_utf8(error.message);
    else if (strchr(uri, '@') != NULL)
        problem = x_strdup("user, password or an option holds a character that must be "
                           "percent-encoded (: / ? # [ ] @ %)");
    else
        problem =
            x_strdup("not host or host:port, separated by commas, then /database?option=value");
    free(redacted);
    return problem;
}

bool uri_has_secret(const char *uri)
{
    char *redacted = uri_redact(uri);
    bool has = strcmp(redacted, uri) != 0;
    free(redacted);
    return has;
}
