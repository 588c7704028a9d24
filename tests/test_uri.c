/* SPDX-License-Identifier: Apache-2.0
 *
 * uri: a password must never be shown, however broken the text around it. Every row of the first
 * table holds the marker as a password would stand there, or where a typing error puts it; the
 * marker must not come back from any function here. The second table says that what is harmless
 * stays readable, to the letter, because a report compares it.
 *
 * labels: unit
 */
#include "support.h"

#include "run.h"
#include "uri.h"

#define M "SeCr3t"

static const char *const nasty[] = {
    "mongodb://u:" M "@host",
    "mongodb://u:" M "@host:27017/db?replicaSet=rs0",
    "mongodb+srv://u:" M "@cluster.example.net/?retryWrites=true",
    "mongodb://" M ":" M "@host",
    "mongodb://" M "@host",
    "mongodb://u:" M "@",
    "mongodb://u:" M "@/",
    "mongodb://u:" M "@/db",
    "mongodb://u:" M "@?w=1",
    "mongodb://u:" M "@host:port",
    "mongodb://u:" M "@host:99999",
    "mongodb://u:" M "@host:1:2",
    "mongodb://u:" M "@host,",
    "mongodb://u:" M "@[::1",
    "mongodb://u:" M "@[::1]:27017",
    "mongodb://u:" M "@h1,h2,h3/db",
    "mongodb://u:" M "@%2Ftmp%2Fa.sock",
    "mongodb://u:p@" M "@host",
    "mongodb://u:" M "@p@host",
    "mongodb://u:p/" M "@host",
    "mongodb://u:" M "/p@host",
    "mongodb://u:p@" M "/x@host",
    "mongodb://u:p@" M "?x@host",
    "mongodb://u:p?" M "@host",
    "mongodb://u:" M "?p@host",
    "mongodb://u:12/" M "@host",
    "mongodb://u:12?" M "@host/",
    "mongodb://u:p#" M "@host",
    "mongodb://u:p:" M "@host",
    "mongodb://u:p%" M "@host",
    "mongodb://u:p%zz" M "@host",
    "mongodb://u:[" M "]@host",
    "mongodb://u:p " M "@host",
    "mongodb://u:p\n" M "@host",
    "mongodb://u:p\t" M "@host",
    "mongodb://u:\xff" M "@host",
    "mongodb://u:" M,
    "mongodb://u:" M "/",
    "mongodb://u:" M "?w=1",
    "mongodb://u:" M "%40host/db",
    "mongodb://u%3A" M "%40host/db",
    "mongodb://:" M "@host",
    "mongodb://:" M,
    "mongodb://u:" M "@host/d b",
    "mongodb://u:" M "@host//",
    "mongodb:/u:" M "@host",
    "mongodb:u:" M "@host",
    "mongodb//u:" M "@host",
    "mongo://u:" M "@host",
    "MONGODB://u:" M "@host",
    "https://u:" M "@host/x",
    M "://u:p@host",
    "u:" M "@host",
    "u:" M "@host:27017/db",
    M "@host",
    "@" M,
    "://" M "@host",
    "mongodb://mongodb://u:" M "@host",
    "mongodb://host/?authMechanismProperties=AWS_SESSION_TOKEN:" M,
    "mongodb://host/?authMechanismProperties=SERVICE_NAME:x,AWS_SESSION_TOKEN:" M "&w=1",
    "mongodb://host/?AUTHMECHANISMPROPERTIES=AWS_SESSION_TOKEN:" M,
    "mongodb://host/?authMechanismProperties=a@" M,
    "mongodb://host/?tlsCertificateKeyFilePassword=" M,
    "mongodb://host/?tlscertificatekeyfilepassword=" M "&tls=true",
    "mongodb://host/?tlsCertificateKeyFilePassword=a@" M,
    "mongodb://host/?tlsCertificateKeyFilePassword=a%26b=" M,
    "mongodb://host/?sslClientCertificateKeyPassword=" M,
    "mongodb://host/?proxyPassword=" M,
    "mongodb://host/?password=" M,
    "mongodb://host/?Password=" M "&appName=x",
    "mongodb://host/?x=" M,
    "mongodb://host/?" M,
    "mongodb://host/?" M "=1",
    "mongodb://host/?w=1&" M,
    "mongodb://host/?w=1;password=" M,
    "mongodb://host/?w=1?password=" M,
    "mongodb://host/?appName=x=" M,
    "mongodb://host?password=" M,
    "mongodb://host&password=" M,
    "mongodb://host/db&password=" M,
    "mongodb://host/u:" M,
    "mongodb://host/ password=" M,
    "mongodb://host#" M,
    "mongodb://u:" M "@host\x1b[2J",
};

static void no_password_is_shown(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(nasty); i++) {
        char *texts[] = {uri_redact(nasty[i]), uri_shown(nasty[i]), uri_check(nasty[i])};
        for (size_t j = 0; j < COUNT_OF(texts); j++) {
            if (texts[j] != NULL && strstr(texts[j], M) != NULL)
                fail_msg("'%s': function %zu says '%s'", nasty[i], j, texts[j]);
            if (texts[j] != NULL)
                for (const char *at = texts[j]; *at != '\0'; at++)
                    assert_false((unsigned char)*at < ' ' || *at == 127);
            free(texts[j]);
        }
    }
}

/* Random damage to a well-formed one: as long as an '@' follows it, the marker stays hidden. */
static void damage_does_not_show_it(void **state)
{
    (void)state;
    static const char letters[] = ":/?#[]@%&=,;. a0";
    struct random random;
    random_seed(&random, 20261121);
    for (int round = 0; round < 200000; round++) {
        char text[160];
        char word[40] = "";
        size_t length = 0;
        for (size_t i = 0; i < 1 + random_below(&random, 3); i++) { /* inside the password */
            word[length++] = letters[random_below(&random, sizeof(letters) - 1)];
            word[length] = '\0';
        }
        bool before = random_below(&random, 2) == 0;
        snprintf(text, sizeof(text), "mongodb://user:%s%s%s@host:27017/db?w=1&x=%c",
                 before ? word : "", M, before ? "" : word,
                 letters[random_below(&random, sizeof(letters) - 1)]);
        char *redacted = uri_redact(text);
        if (strstr(redacted, M) != NULL)
            fail_msg("'%s' is shown as '%s'", text, redacted);
        free(redacted);
    }
}

static void harmless_text_stays(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "mongodb://localhost",
        "mongodb://127.0.0.1:27017/",
        "mongodb://h1:1,h2:2,h3/db?replicaSet=rs0&w=majority&readPreferenceTags=dc:ny,rack:1",
        "mongodb://%2Ftmp%2Fracebench-abc123%2Fengine.sock",
        "mongodb://%2ftmp%2fa.sock/db",
        "mongodb://[::1]:27017/db",
        "mongodb+srv://cluster0.example.net/?retryWrites=true&W=1&appName=my%20app",
        "mongodb://h/?tls=true&tlsCAFile=/etc/ssl/ca.pem",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *redacted = uri_redact(rows[i]);
        assert_string_equal(redacted, rows[i]);
        assert_false(uri_has_secret(rows[i]));
        free(redacted);
    }
}

static void what_is_left_is_still_of_use(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *shown;
    } rows[] = {
        {"mongodb://u:p@db.example:27017/app?replicaSet=rs0",
         "mongodb://***@db.example:27017/app?replicaSet=rs0"},
        {"mongodb://u:p@x@host/db", "mongodb://***@host/db"},
        {"mongodb://h/?tlsCertificateKeyFilePassword=p&w=1",
         "mongodb://h/?tlsCertificateKeyFilePassword=***&w=1"},
        {"mongodb://h/?made=up", "mongodb://h/?***"},
        {"mongodb://u:p/q@host", "mongodb://***"},
        {"u:p@host", "***"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *redacted = uri_redact(rows[i].uri);
        assert_string_equal(redacted, rows[i].shown);
        assert_true(uri_has_secret(rows[i].uri));
        free(redacted);
    }
}

static void malformed_ones_are_explained(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *wanted; /* NULL: fine */
    } rows[] = {
        {"mongodb://localhost", NULL},
        {"mongodb://u:p%40q@localhost/db?w=1", NULL},
        {"mongodb+srv://cluster0.example.net/", NULL},
        {"mongodb://%2Ftmp%2Fa.sock", NULL},
        {"localhost:27017", "must begin with mongodb://"},
        {"http://localhost", "must begin with mongodb://"},
        {"mongodb://a b", "holds a blank"},
        {"mongodb://u:p/q@host", "user, password or an option holds a character"},
        {"mongodb://u:p%@host", "user, password or an option holds a character"},
        {"mongodb://host:port", "not host or host:port"},
        {"mongodb://\xff", "is not valid UTF-8"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *problem = uri_check(rows[i].uri);
        if (rows[i].wanted == NULL
                ? problem != NULL
                : problem == NULL || strncmp(problem, rows[i].wanted, strlen(rows[i].wanted)) != 0)
            fail_msg("'%s': %s", rows[i].uri, problem != NULL ? problem : "taken");
        free(problem);
    }
}

static void arguments_are_quoted_safely(void **state)
{
    (void)state;
    char longest[5000];
    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    char *shown = uri_shown(longest);
    assert_true(strlen(shown) <= 80);
    free(shown);
    shown = uri_shown("a\x1b[31mb\nc\xff");
    assert_string_equal(shown, "a?[31mb?c?");
    free(shown);
    shown = uri_shown("occ");
    assert_string_equal(shown, "occ");
    free(shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_password_is_shown),
        cmocka_unit_test(damage_does_not_show_it),
        cmocka_unit_test(harmless_text_stays),
        cmocka_unit_test(what_is_left_is_still_of_use),
        cmocka_unit_test(malformed_ones_are_explained),
        cmocka_unit_test(arguments_are_quoted_safely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
