#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config.h"
#include "fail_alloc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    char *name;
    char *note;
    int64_t count;
    double ratio_m;
    bool active;
    int colour;
};

#define AT(field) offsetof(struct settings, field)
static const struct config_option options[] = {
    {"unit", "name", CONFIG_TEXT, AT(name), "p-1", 0, 0, NULL, "who"},
    {"unit", "note", CONFIG_TEXT, AT(note), NULL, 0, 0, NULL, "what for"},
    {"pace", "count", CONFIG_INT, AT(count), "3", -5, 1000000, NULL,
     "how many"},
    {"pace", "ratio_m", CONFIG_REAL, AT(ratio_m), "2.5", 0, 10, NULL, "m"},
    {"pace", "active", CONFIG_BOOL, AT(active), "yes", 0, 0, NULL, "whether"},
    {"pace", "colour", CONFIG_CHOICE, AT(colour), "red", 0, 0,
     "red green dark-blue", "which"},
};
#define OPTION_COUNT (sizeof options / sizeof options[0])

static struct settings settings;
static char message[256];
static char path[64];

static int make_path(void **context)
{
    int fd;

    (void)context;
    strcpy(path, "/tmp/test_config.XXXXXX");
    fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static int remove_path(void **context)
{
    (void)context;
    return unlink(path);
}

/* config_load() of a file with these bytes, and overrides up to a NULL. */
static enum pt_err load_bytes(const char *bytes, size_t size,
                              const char *const *overrides)
{
    FILE *f = fopen(path, "wb");
    size_t override_count = 0;

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    while (overrides[override_count] != NULL)
        override_count++;
    message[0] = '\0';
    return config_load(options, OPTION_COUNT, path, overrides, override_count,
                       &settings, message, sizeof message);
}

static enum pt_err load(const char *text)
{
    return load_bytes(text, strlen(text), (const char *[]){NULL});
}

static void clear(void)
{
    config_clear(options, OPTION_COUNT, &settings);
    assert_null(settings.name);
    assert_null(settings.note);
}

/* The file is refused with this message behind its name. */
static void assert_refused(const char *text, const char *expected)
{
    char whole[256];

    snprintf(whole, sizeof whole, "%s%s", path, expected);
    assert_int_equal(load(text), PT_E_CONFIG);
    assert_string_equal(message, whole);
    assert_null(settings.name);
    assert_null(settings.note);
}

static void test_defaults(void **context)
{
    (void)context;
    memset(&settings, 0xA5, sizeof settings); /* what is there is not read */
    assert_int_equal(config_load(options, OPTION_COUNT, NULL, NULL, 0,
                                 &settings, message, sizeof message),
                     PT_OK);
    assert_string_equal(settings.name, "p-1");
    assert_string_equal(settings.note, "");
    assert_int_equal(settings.count, 3);
    assert_true(settings.ratio_m == 2.5);
    assert_true(settings.active);
    assert_int_equal(settings.colour, 0);
    clear();
    clear();
}

static void test_file(void **context)
{
    (void)context;
    assert_int_equal(load("\xEF\xBB\xBF; a comment\r\n"
                          "# another\n"
                          "[pace]\n"
                          "count = -5 ; inline\n"
                          "ratio_m : 1e1\n"
                          "  active=off\n"
                          "colour = dark-blue\r\n"
                          "[unit]\n"
                          "name =  Línea ; 3\n"
                          "note = a=b;c#d"),
                     PT_OK);
    assert_string_equal(settings.name, "Línea");
    assert_string_equal(settings.note, "a=b;c#d");
    assert_int_equal(settings.count, -5);
    assert_true(settings.ratio_m == 10);
    assert_false(settings.active);
    assert_int_equal(settings.colour, 2);
    clear();
}

static void test_bools(void **context)
{
    static const char *const words[] = {"no",  "yes", "false", "true",
                                        "off", "on",  "0",     "1"};

    (void)context;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "[pace]\nactive = %s\n", words[i]);
        assert_int_equal(load(text), PT_OK);
        assert_int_equal(settings.active, i % 2);
        clear();
    }
}

static void test_limits(void **context)
{
    static const struct config_option limit = {
        "pace", "ratio_m", CONFIG_LIMIT, AT(ratio_m), "no", 1, 10, NULL, ""};

    (void)context;
    assert_int_equal(config_load_text(&limit, 1, "", "a text", &settings,
                                      message, sizeof message),
                     PT_OK);
    assert_true(settings.ratio_m == -1);
    assert_int_equal(config_load_text(&limit, 1, "[pace]\nratio_m = 2.5",
                                      "a text", &settings, message,
                                      sizeof message),
                     PT_OK);
    assert_true(settings.ratio_m == 2.5);
    assert_int_equal(config_load_text(&limit, 1, "\n[pace]\nratio_m = none",
                                      "a text", &settings, message,
                                      sizeof message),
                     PT_E_CONFIG);
    assert_string_equal(message, "a text:3: [pace] ratio_m: expected a number "
                                 "of 1 to 10 or no, not \"none\"");
}

static void test_overrides(void **context)
{
    const char *const overrides[] = {"unit.name=a.b=c ; d", "pace.count=7",
                                     "pace.count=8", "unit.note=", NULL};
    const char *text = "[pace]\ncount = 1\n[unit]\nnote=x\n";

    (void)context;
    assert_int_equal(load_bytes(text, strlen(text), overrides), PT_OK);
    assert_string_equal(settings.name, "a.b=c ; d");
    assert_string_equal(settings.note, "");
    assert_int_equal(settings.count, 8);
    clear();
}

static void test_file_refused(void **context)
{
    (void)context;
    assert_refused("[pace]\n\ncount = many\n",
                   ":3: [pace] count: expected a whole number of -5 to "
                   "1000000, not \"many\"");
    assert_refused("[pace]\ncount = 1000001\n",
                   ":2: [pace] count: expected a whole number of -5 to "
                   "1000000, not \"1000001\"");
    assert_refused("[pace]\ncount = 99999999999999999999\n",
                   ":2: [pace] count: expected a whole number of -5 to "
                   "1000000, not \"99999999999999999999\"");
    assert_refused("[pace]\ncount = 0x10\n",
                   ":2: [pace] count: expected a whole number of -5 to "
                   "1000000, not \"0x10\"");
    assert_refused("[pace]\ncount =\n",
                   ":2: [pace] count: expected a whole number of -5 to "
                   "1000000, not \"\"");
    assert_refused(
        "[pace]\nratio_m = nan\n",
        ":2: [pace] ratio_m: expected a number of 0 to 10, not \"nan\"");
    assert_refused(
        "[pace]\nratio_m = 3 m\n",
        ":2: [pace] ratio_m: expected a number of 0 to 10, not \"3 m\"");
    assert_refused("[pace]\nactive = Yes\n",
                   ":2: [pace] active: expected yes or no, not \"Yes\"");
    assert_refused("[pace]\ncolour = dark\n",
                   ":2: [pace] colour: expected one of: red green dark-blue, "
                   "not \"dark\"");
    assert_refused("[pace]\ncolour =\n",
                   ":2: [pace] colour: expected one of: red green dark-blue, "
                   "not \"\"");
}

static void test_file_malformed(void **context)
{
    char text[400] = "[unit]\nname = ";

    (void)context;
    assert_refused("[unit]\nnmae = x\n", ":2: [unit] nmae: no such setting");
    assert_refused("[units]\nname = x\n",
                   ":2: [units]: no such section (at name)");
    assert_refused("name = x\n", ":1: []: no such section (at name)");
    assert_refused("[unit]\nname\n", ":2: expected [section] or name = value");
    assert_refused("[unit\nname = x\n",
                   ":1: expected [section] or name = value");
    assert_refused("[unit]\nname = x\n\n name = y\n",
                   ":4: [unit] name: given twice");
    memset(text + strlen(text), 'x', 198 - strlen("name = "));
    assert_int_equal(load(text), PT_OK);
    clear();
    strcat(text, "x");
    assert_refused(text, ":2: expected a line of at most 198 bytes");
    text[7] = ';'; /* a comment may be longer */
    assert_int_equal(load(text), PT_OK);
    clear();
}

static void test_file_strange(void **context)
{
    char whole[256];
    size_t size = ((size_t)1 << 20) + 1;
    char *large = malloc(size);

    (void)context;
    assert_non_null(large);
    memset(large, '\n', size);
    assert_int_equal(load_bytes(large, size, (const char *[]){NULL}),
                     PT_E_CONFIG);
    snprintf(whole, sizeof whole, "%s: expected at most 1 MiB", path);
    assert_string_equal(message, whole);
    assert_int_equal(load_bytes(large, size - 1, (const char *[]){NULL}),
                     PT_OK);
    clear();
    free(large);
    assert_int_equal(load_bytes("[unit]\0", 7, (const char *[]){NULL}),
                     PT_E_CONFIG);
    assert_int_equal(config_load(options, OPTION_COUNT, "/nowhere/x.conf", NULL,
                                 0, &settings, message, sizeof message),
                     PT_E_DISK);
    assert_string_equal(
        message,
        "/nowhere/x.conf: cannot be opened: No such file or directory");
    assert_int_equal(config_load(options, OPTION_COUNT, "/", NULL, 0, &settings,
                                 message, sizeof message),
                     PT_E_DISK);
}

static void test_overrides_refused(void **context)
{
    static const struct {
        const char *override, *expected;
    } bad[] = {
        {"name", "name: expected section.name=value"},
        {"unit.name", "unit.name: expected section.name=value"},
        {"unit=na.me", "unit=na.me: expected section.name=value"},
        {"unit.x=1", "unit.x=1: [unit] x: no such setting"},
        {".=", ".=: []: no such section (at )"},
        {"pace.count=", "pace.count=: [pace] count: expected a whole number of "
                        "-5 to 1000000, not \"\""},
    };
    char longest[1100] = "unit.name=";

    (void)context;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *const overrides[] = {bad[i].override, NULL};
        assert_int_equal(load_bytes("", 0, overrides), PT_E_CONFIG);
        assert_string_equal(message, bad[i].expected);
        assert_null(settings.name);
    }
    memset(longest + 10, 'x', 1023);
    assert_int_equal(load_bytes("", 0, (const char *[]){longest, NULL}), PT_OK);
    clear();
    longest[10 + 1023] = 'x';
    assert_int_equal(load_bytes("", 0, (const char *[]){longest, NULL}),
                     PT_E_CONFIG);
}

static void test_message_cut(void **context)
{
    char small[8];

    (void)context;
    assert_int_equal(config_load(options, OPTION_COUNT, "/nowhere", NULL, 0,
                                 &settings, small, sizeof small),
                     PT_E_DISK);
    assert_string_equal(small, "/nowher");
}

static void test_allocations_fail(void **context)
{
    enum pt_err err = PT_E_NOMEM;
    size_t failed = 0;

    (void)context;
    assert_int_equal(load("[unit]\nname = x\n"), PT_OK); /* writes the file */
    clear();
    for (size_t n = 0; err != PT_OK; n++) {
        fail_alloc_after(n);
        err = config_load(options, OPTION_COUNT, path, NULL, 0, &settings,
                          message, sizeof message);
        fail_alloc_never();
        if (err != PT_OK) {
            assert_int_equal(err, PT_E_NOMEM);
            assert_non_null(strstr(message, "out of memory"));
            assert_null(settings.name);
            assert_null(settings.note);
            failed++;
        }
    }
    /* What was given, two defaults, the file's text, the name in it. */
    assert_int_equal(failed, 5);
    assert_string_equal(settings.name, "x");
    clear();
}

/* What the sample says, its comment signs taken off, loads and is the
 * defaults. */
static void test_sample(void **context)
{
    char text[2048];
    int saved = dup(STDOUT_FILENO);
    int fd = open(path, O_RDWR | O_TRUNC);
    ssize_t size;

    (void)context;
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    config_print_sample(options, OPTION_COUNT);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    size = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    assert_true(size > 0);
    text[size] = '\0';
    assert_non_null(
        strstr(text, "[pace]\n; how many (-5 to 1000000)\n;count = 3\n"));
    for (char *at = strstr(text, "\n;"); at != NULL; at = strstr(at + 1, "\n;"))
        if (at[2] != ' ')
            at[1] = ' ';
    assert_int_equal(load(text), PT_OK);
    assert_string_equal(settings.name, "p-1");
    assert_int_equal(settings.count, 3);
    assert_int_equal(settings.colour, 0);
    clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_bools),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_file_refused),
        cmocka_unit_test(test_file_malformed),
        cmocka_unit_test(test_file_strange),
        cmocka_unit_test(test_overrides_refused),
        cmocka_unit_test(test_message_cut),
        cmocka_unit_test(test_allocations_fail),
        cmocka_unit_test(test_sample),
    };

    return cmocka_run_group_tests(tests, make_path, remove_path);
}
