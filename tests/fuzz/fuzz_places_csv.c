/* Lists of missions come from spreadsheets of other authorities. What is
 * taken has a name of stated length in UTF-8 and lies on the globe, and no
 * key comes twice; the reader never writes more than it was given. */
#include "fuzz.h"
#include "patrolctl.h"
#include "text.h"

#include <string.h>

static void check_place(const struct ctl_place *place)
{
    FUZZ_CHECK(place->name != NULL && *place->name != 0);
    FUZZ_CHECK(strlen(place->name) <= 4 * CTL_NAME_MAX);
    FUZZ_CHECK(text_utf8_valid(place->name, strlen(place->name)));
    FUZZ_CHECK(place->lat_deg >= -90 && place->lat_deg <= 90);
    FUZZ_CHECK(place->lon_deg >= -180 && place->lon_deg <= 180);
    FUZZ_CHECK(place->geometry == NULL && place->promise_s == 0);
    for (const char *at = place->name; *at != 0; at++)
        FUZZ_CHECK((unsigned char)*at >= 0x20 && *at != 0x7f);
}

static void check_places(const struct ctl_places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        const struct ctl_place *a = &places->places[i];
        check_place(a);
        for (size_t j = i + 1; j < places->count && j < i + 8; j++) {
            const struct ctl_place *b = &places->places[j];
            FUZZ_CHECK(a->ref == NULL || b->ref == NULL ||
                       strcmp(a->ref, b->ref) != 0);
        }
    }
    for (size_t i = 0; i < places->fault_count; i++)
        FUZZ_CHECK(*places->faults[i].text != 0 && places->faults[i].where > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ctl_places places = {0};
    char message[128] = "";
    char clean[256];
    char *bytes = malloc(size + 1); /* exactly what the reader asks for */

    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, data, size);
    bytes[size] = 0;
    size_t length = ctl_clean(bytes, clean, sizeof clean);
    FUZZ_CHECK(length < sizeof clean && text_utf8_valid(clean, length));
    if (ctl_missions_csv(bytes, size, &places, message, sizeof message) ==
        PT_OK) {
        check_places(&places);
        ctl_places_clear(&places);
    } else {
        FUZZ_CHECK(*message != 0);
    }
    free(bytes);
    return 0;
}
