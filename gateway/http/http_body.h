#ifndef HTTP_BODY_H
#define HTTP_BODY_H
/* body: members of JSON that strangers send, taken one by one and checked.
 * Null counts as not given. All return false with the reason in `fault`. Pure,
 * any thread. Private to http. */
#include "geo.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a body was refused. */
struct body_fault {
    char member[64];  /* "closures[2].street"; "" when it is none in particular;
                         ASCII */
    const char *what; /* a constant sentence without a full stop */
};

bool body_refuse(struct body_fault *fault, const char *member,
                 const char *what);
/* The fault lies in an item of an array: "street" becomes "list[2].street". */
bool body_refuse_in(struct body_fault *fault, const char *list, size_t index);
/* An object, or NULL with the fault; json_decref() it. */
json_t *body_parse(const char *bytes, size_t size, struct body_fault *fault);
/* It has no other members than these. */
bool body_known(const json_t *body, const char *const *names, size_t count,
                struct body_fault *fault);
/* NULL: not given. */
const json_t *body_given(const json_t *body, const char *member);
/* `ret` is "" when it is not given. */
bool body_text(const json_t *body, const char *member, char *ret, size_t size,
               struct body_fault *fault);
/* Between the two, without them; 0 when not given. */
bool body_number(const json_t *body, const char *member, double above,
                 double below, double *ret, struct body_fault *fault);
/* RFC 3339; `absent_ms` when not given. */
bool body_time(const json_t *body, const char *member, int64_t absent_ms,
               int64_t *ret, struct body_fault *fault);
/* `lat` and `lon`, or neither. */
bool body_point(const json_t *body, bool *given, struct geo_point *ret,
                struct body_fault *fault);

#endif
