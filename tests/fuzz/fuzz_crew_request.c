/* What whoever is on the vehicle's link sends to the crew's page: a request,
 * and what its body says. A request that is taken lies within what was sent,
 * and is read the same whether it came in one piece or in two. */
#include "crew_page_internal.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static char *copy_of(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size + 1);

    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, data, size);
    return bytes;
}

static void check_text(const char *text, const char *bytes, size_t size)
{
    FUZZ_CHECK(text == NULL || (text >= bytes && text < bytes + size));
    FUZZ_CHECK(text == NULL ||
               memchr(text, '\0', size - (size_t)(text - bytes)) != NULL);
}

static void check_body(const struct page_request *rq)
{
    struct crew_say say;

    if (crew_body_parse(rq->body, rq->body_bytes, &say) != PT_OK)
        return;
    FUZZ_CHECK(say.key[0] != '\0' && strlen(say.key) <= CREW_KEY_MAX);
    FUZZ_CHECK(strlen(say.text) <= CREW_TEXT_MAX);
    FUZZ_CHECK(say.ago_ms >= 0 && say.ago_ms <= CREW_AGO_MAX_MS);
    FUZZ_CHECK(say.what != CREW_STATUS || say.status != PT_STATUS_UNKNOWN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct page_request rq;

    if (size > CREW_PAGE_HEAD_MAX + CREW_BODY_MAX)
        return 0;
    char *bytes = copy_of(data, size), *half = copy_of(data, size / 2);
    int early = page_parse(half, size / 2, &rq);
    int status = page_parse(bytes, size, &rq);
    /* what was refused or taken stays so when more comes */
    FUZZ_CHECK(early == 0 || early == status);
    if (status == 200) {
        FUZZ_CHECK(rq.bytes <= size && rq.body_bytes <= CREW_BODY_MAX);
        FUZZ_CHECK(rq.path[0] == '/');
        check_text(rq.path, bytes, rq.bytes);
        check_text(rq.host, bytes, rq.bytes);
        check_text(rq.origin, bytes, rq.bytes);
        check_text(rq.content_type, bytes, rq.bytes);
        check_text(rq.authorization, bytes, rq.bytes);
        check_text(rq.if_none_match, bytes, rq.bytes);
        check_body(&rq);
    }
    free(half);
    free(bytes);
    return 0;
}
