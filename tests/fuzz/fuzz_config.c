/* The same bytes as a configuration file and as an override: values that are
 * taken are within their range, refusals say why, nothing leaks. */
#include "config.h"
#include "fuzz.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct settings {
    char *text;
    int64_t whole;
    double real;
    bool yes;
    int choice;
};

static const struct config_option options[] = {
    {"a", "text", CONFIG_TEXT, offsetof(struct settings, text), NULL, 0, 0,
     NULL, ""},
    {"a", "whole", CONFIG_INT, offsetof(struct settings, whole), "1", -100, 100,
     NULL, ""},
    {"b", "real", CONFIG_REAL, offsetof(struct settings, real), "1", 0, 10,
     NULL, ""},
    {"b", "yes", CONFIG_BOOL, offsetof(struct settings, yes), "no", 0, 0, NULL,
     ""},
    {"b", "choice", CONFIG_CHOICE, offsetof(struct settings, choice), "x", 0, 0,
     "x yy", ""},
};
#define OPTION_COUNT (sizeof options / sizeof options[0])

static void load(const char *file, const char *override)
{
    struct settings s;
    char message[128] = "";
    enum pt_err err =
        config_load(options, OPTION_COUNT, file, &override, override != NULL,
                    &s, message, sizeof message);

    if (err != PT_OK) {
        FUZZ_CHECK(err == PT_E_CONFIG);
        FUZZ_CHECK(s.text == NULL);
        FUZZ_CHECK(message[0] != '\0' && strlen(message) < sizeof message);
        return;
    }
    FUZZ_CHECK(s.text != NULL && strlen(s.text) <= 1023);
    FUZZ_CHECK(s.whole >= -100 && s.whole <= 100);
    FUZZ_CHECK(s.real >= 0 && s.real <= 10);
    FUZZ_CHECK(s.choice == 0 || s.choice == 1);
    config_clear(options, OPTION_COUNT, &s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    char *override = strndup((const char *)data, size);

    if (fd < 0) {
        fd = memfd_create("config", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    FUZZ_CHECK(fd >= 0 && override != NULL);
    FUZZ_CHECK(ftruncate(fd, 0) == 0);
    FUZZ_CHECK(pwrite(fd, data, size, 0) == (ssize_t)size);
    load(path, NULL);
    load(NULL, override);
    free(override);
    return 0;
}
