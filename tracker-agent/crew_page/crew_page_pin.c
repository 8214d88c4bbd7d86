#include "crew_page_internal.h"
#include <stdio.h>
#include <string.h>

bool page_pin_valid(const char *number)
{
    size_t digits = strspn(number, "0123456789");
    return number[digits] == '\0' &&
           (digits == 0 || (digits >= 4 && digits <= CREW_PAGE_PIN_MAX));
}

/* In a time that tells nothing of where the two differ. */
static bool same(const char *a, const char *b)
{
    size_t size = strlen(a);
    unsigned char differ = 0;
    if (size != strlen(b))
        return false;
    for (size_t i = 0; i < size; i++)
        differ |= (unsigned char)(a[i] ^ b[i]);
    return differ == 0;
}

static enum pt_err draw(char ret[PAGE_TOKEN_TEXT])
{
    unsigned char bytes[PAGE_TOKEN_BYTES];
    if (uv_random(NULL, NULL, bytes, sizeof(bytes), 0, NULL) != 0)
        return PT_E_SYSTEM;
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    return PT_OK;
}

enum pt_err page_pin_open(struct page_pin *pin, const char *number,
                          uint64_t now_ms, char ret[PAGE_TOKEN_TEXT])
{
    if (now_ms < pin->locked_until_ms)
        return PT_E_AGAIN;
    if (!same(pin->number, number)) {
        if (++pin->wrong >= CREW_PAGE_WRONG_MAX) {
            pin->wrong = 0;
            pin->locked_until_ms = now_ms + CREW_PAGE_LOCKED_MS;
        }
        return PT_E_RANGE;
    }
    struct page_session *place = &pin->sessions[0];
    for (size_t i = 0; i < CREW_PAGE_SESSIONS_MAX; i++) {
        struct page_session *other = &pin->sessions[i];
        if (place->token[0] != '\0' &&
            (other->token[0] == '\0' || other->used_ms < place->used_ms))
            place = other;
    }
    enum pt_err err = draw(ret);
    if (err != PT_OK)
        return err;
    pin->wrong = 0;
    memcpy(place->token, ret, PAGE_TOKEN_TEXT);
    place->used_ms = now_ms;
    return PT_OK;
}

bool page_pin_knows(struct page_pin *pin, const char *authorization,
                    uint64_t now_ms)
{
    static const char scheme[] = "Bearer ";
    if (pin->number[0] == '\0')
        return true;
    if (authorization == NULL ||
        strncmp(authorization, scheme, sizeof(scheme) - 1) != 0)
        return false;
    for (size_t i = 0; i < CREW_PAGE_SESSIONS_MAX; i++) {
        struct page_session *session = &pin->sessions[i];
        if (session->token[0] == '\0' ||
            !same(session->token, authorization + sizeof(scheme) - 1))
            continue;
        bool lives = now_ms - session->used_ms <= CREW_PAGE_SESSION_MS;
        if (lives)
            session->used_ms = now_ms;
        return lives;
    }
    return false;
}
