/* What a street is closed by comes from whoever reaches the port: the body of
 * POST /v1/closures, and the street's name in it, looked for among some. What
 * is taken is within the stated limits. */
#include "closures.h"
#include "fuzz.h"
#include "http_closure_body.h"

#include <string.h>

#define NOW_MS 1718452800000

static const struct roads *network(void)
{
    static const char *const names[] = {"Calle 23", "Calle L",
                                        "Avenida de los Niños", "Calle M"};
    static struct geo_point lines[4][2];
    static struct roads_edge_row rows[4];
    static struct roads *roads;

    if (roads != NULL)
        return roads;
    for (int i = 0; i < 4; i++) {
        lines[i][0] = (struct geo_point){23130000 + 1000 * i, -82380000};
        lines[i][1] = (struct geo_point){23131000 + 1000 * i, -82380000};
        rows[i] = (struct roads_edge_row){
            .way_id = i + 1,
            .source = i + 1,
            .target = i + 2,
            .forward_ms = 1000,
            .length_m = 110,
            .name = names[i],
            .points = lines[i],
            .point_count = 2,
        };
    }
    FUZZ_CHECK(roads_new(&(struct roads_rows){.edges = rows, .edge_count = 4},
                         &roads) == PT_OK);
    return roads;
}

static void check_found(const struct closure_body *body)
{
    struct closures_found found;
    struct closures_wish wish = {
        .street = body->street[0] != '\0' ? body->street : NULL,
        .has_point = body->has_point,
        .at = body->at,
        .way_count = body->way_count,
        .ways = body->ways,
    };
    enum pt_err err = closures_find(network(), &wish, &found);

    FUZZ_CHECK(memchr(found.street, '\0', sizeof found.street) != NULL);
    FUZZ_CHECK(memchr(found.missing, '\0', sizeof found.missing) != NULL);
    FUZZ_CHECK(found.choice_count <= CLOSURES_CHOICES_MAX);
    FUZZ_CHECK(found.piece_count <= CLOSURES_PIECES_MAX);
    FUZZ_CHECK((err == PT_OK) ==
                   (found.piece_count > 0 && found.missing[0] == '\0') ||
               err == PT_E_NOTFOUND);
    closures_found_clear(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct closure_body body;
    struct body_fault fault;
    char *bytes = malloc(size + 1);

    if (bytes == NULL)
        return 0;
    memcpy(bytes, data, size);
    bool taken = closure_body_parse(bytes, size, NOW_MS, &body, &fault);
    free(bytes);
    if (!taken) {
        FUZZ_CHECK(*fault.what != '\0');
        FUZZ_CHECK(strlen(fault.member) < sizeof fault.member);
        return 0;
    }
    FUZZ_CHECK(
        (body.street[0] != '\0') + body.has_point + (body.way_count > 0) == 1);
    FUZZ_CHECK(!body.has_point || geo_valid(body.at));
    FUZZ_CHECK(body.way_count <= CLOSURES_WAYS_MAX);
    FUZZ_CHECK(body.closed == (body.factor + body.speed_mps == 0));
    FUZZ_CHECK(body.until_ms > NOW_MS && body.until_ms > body.from_ms);
    check_found(&body);
    return 0;
}
