/* GeoJSON of zones and missions comes from maps of other authorities. */
#include "fuzz.h"
#include "patrolctl.h"
#include "text.h"

#include <string.h>

static void check(struct ctl_places *places, bool zones)
{
    for (size_t i = 0; i < places->count; i++) {
        const struct ctl_place *place = &places->places[i];
        FUZZ_CHECK(place->name != NULL && *place->name != 0);
        FUZZ_CHECK(text_utf8_valid(place->name, strlen(place->name)));
        FUZZ_CHECK((place->geometry != NULL) == zones);
        FUZZ_CHECK(place->promise_s >= 0 && place->promise_s <= 86400);
        FUZZ_CHECK(place->lat_deg >= -90 && place->lat_deg <= 90);
        FUZZ_CHECK(place->lon_deg >= -180 && place->lon_deg <= 180);
    }
    ctl_places_clear(places);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct ctl_places places = {0};
    char message[160] = "";

    if (ctl_missions_geojson(bytes, size, &places, message, sizeof message) ==
        PT_OK)
        check(&places, false);
    else
        FUZZ_CHECK(*message != 0);
    if (ctl_zones_geojson(bytes, size, &places, message, sizeof message) ==
        PT_OK)
        check(&places, true);
    else
        FUZZ_CHECK(*message != 0);
    return 0;
}
