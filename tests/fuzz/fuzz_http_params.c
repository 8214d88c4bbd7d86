/* Addresses, Host headers and times come from whoever reaches the port. What
 * is taken is within the stated limits, is UTF-8 without control characters,
 * and a time that is read is the time that is written. */
#include "fuzz.h"
#include "http_json.h"
#include "http_params.h"
#include "http_rfc3339.h"

#include <math.h>
#include <string.h>

static void check_text(const char *text)
{
    struct json json = {0};

    FUZZ_CHECK(strlen(text) <= PARAMS_TARGET_BYTES_MAX);
    for (const char *at = text; *at != '\0'; at++)
        FUZZ_CHECK((unsigned char)*at >= 0x20 && *at != 0x7f);
    /* U+FFFD in the output stands for what was no UTF-8. */
    jw_text(&json, NULL, text);
    FUZZ_CHECK(!json.failed);
    if (strstr(text, "\xef\xbf\xbd") == NULL)
        FUZZ_CHECK(memmem(json.text, json.size, "\xef\xbf\xbd", 3) == NULL);
    jw_clear(&json);
}

static void check_value(const char *value)
{
    char text[RFC3339_SIZE];
    int64_t time_ms, again_ms;
    uint32_t count;
    double number;

    FUZZ_CHECK(strlen(value) <= PARAMS_VALUE_BYTES_MAX);
    check_text(value);
    if (params_number(value, -180, 180, &number))
        FUZZ_CHECK(isfinite(number) && fabs(number) <= 180);
    if (params_count(value, 1, 100, &count))
        FUZZ_CHECK(count >= 1 && count <= 100);
    if (rfc3339_parse(value, &time_ms)) {
        FUZZ_CHECK(rfc3339_format(time_ms, text));
        FUZZ_CHECK(rfc3339_parse(text, &again_ms));
        FUZZ_CHECK(again_ms == time_ms);
    }
}

static void check_target(const char *target)
{
    struct params params;
    struct params_fault fault;
    char segment[PARAMS_VALUE_BYTES_MAX + 1];

    if (!params_parse(target, &params, &fault)) {
        FUZZ_CHECK(fault.what != NULL);
        check_text(fault.parameter);
        return;
    }
    FUZZ_CHECK(params.count <= PARAMS_COUNT_MAX);
    for (size_t i = 0; i < params.count; i++) {
        check_text(params.items[i].name);
        check_value(params.items[i].value);
        FUZZ_CHECK(params_get(&params, params.items[i].name) ==
                   params.items[i].value);
    }
    if (params_segment(params.path, strlen(params.path), segment))
        check_value(segment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr_storage address;
    socklen_t address_size;
    char *text = malloc(size + 1);

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    check_target(text);
    if (params_listen(text, &address, &address_size))
        FUZZ_CHECK(params_host_is_loopback(text) ||
                   strtol(strrchr(text, ':') + 1, NULL, 10) == 0);
    free(text);
    return 0;
}
