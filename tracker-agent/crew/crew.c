#include "crew.h"
#include "text.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const what_names[CREW_WHAT_COUNT] = {
    [CREW_STATUS] = "status", [CREW_PANIC] = "panic", [CREW_LOGON] = "logon",
    [CREW_LOGOFF] = "logoff", [CREW_PLACE] = "place",
};

const char *crew_what_name(enum crew_what what)
{
    return what_names[what];
}

const char *crew_delivery_name(enum crew_delivery delivery)
{
    static const char *const names[] = {
        [CREW_QUEUED] = "queued",
        [CREW_STORED] = "stored",
        [CREW_LOST] = "lost",
        [CREW_SEEN] = "seen",
    };
    return names[delivery];
}

void crew_init(struct crew *crew, enum pt_status status)
{
    *crew = (struct crew){.status = status};
}

bool crew_has(const struct crew *crew, const char *key)
{
    for (size_t i = 0; i < crew->count; i++)
        if (crew->acts[i].key[0] != '\0' && strcmp(crew->acts[i].key, key) == 0)
            return true;
    return false;
}

/* ---- saying ------------------------------------------------------------- */

/* Who logs on is at work; whatever else he does he says himself. */
static enum pt_status status_after(const struct crew *crew,
                                   const struct crew_say *say)
{
    bool at_work =
        crew->status != PT_STATUS_UNKNOWN && crew->status != PT_STATUS_OFF_DUTY;
    if (say->what == CREW_STATUS)
        return say->status;
    if (say->what == CREW_LOGOFF)
        return PT_STATUS_OFF_DUTY;
    if (say->what == CREW_LOGON && !at_work)
        return PT_STATUS_AVAILABLE;
    return crew->status;
}

/* A place has no kind of its own on the wire: it is a status said again, with
 * the place as its detail, which gateways of every version store. An empty
 * detail takes back what the kind says: the place, or who is logged on. */
static enum pt_kind kind_of(enum crew_what what)
{
    if (what == CREW_PANIC)
        return PT_KIND_PANIC;
    return what == CREW_LOGON || what == CREW_LOGOFF ? PT_KIND_LOGON
                                                     : PT_KIND_STATUS;
}

static bool has_detail(enum crew_what what)
{
    return what == CREW_LOGON || what == CREW_LOGOFF || what == CREW_PLACE;
}

struct pt_entry crew_entry(const struct crew *crew, const struct crew_say *say,
                           int64_t time_ms)
{
    return (struct pt_entry){
        .time_ms = time_ms,
        .status = (uint8_t)status_after(crew, say),
        .kind = (uint8_t)kind_of(say->what),
        .detail = has_detail(say->what) ? say->text : NULL,
    };
}

static struct crew_act *push(struct crew *crew)
{
    size_t kept = crew->count < CREW_ACTS_MAX ? crew->count : CREW_ACTS_MAX - 1;
    memmove(&crew->acts[1], &crew->acts[0], kept * sizeof(crew->acts[0]));
    crew->count = kept + 1;
    crew->acts[0] = (struct crew_act){0};
    return &crew->acts[0];
}

static void take_over(struct crew *crew, const struct crew_say *say,
                      const struct pt_entry *entry)
{
    if (entry->status != crew->status || say->what == CREW_STATUS)
        crew->status_ms = entry->time_ms;
    crew->status = (enum pt_status)entry->status;
    if (say->what == CREW_PLACE) {
        memcpy(crew->place, say->text, sizeof(crew->place));
        crew->place_ms = say->text[0] == '\0' ? 0 : entry->time_ms;
    } else if (say->what == CREW_LOGON) {
        memcpy(crew->name, say->text, sizeof(crew->name));
        crew->name_ms = entry->time_ms;
    } else if (say->what == CREW_LOGOFF) {
        crew->name[0] = crew->place[0] = '\0';
        crew->name_ms = crew->place_ms = 0;
    }
}

void crew_said(struct crew *crew, const struct crew_say *say,
               const struct pt_entry *entry, const struct crew_held *held,
               const struct crew_outbox *box)
{
    struct crew_act *act = push(crew);
    memcpy(act->key, say->key, sizeof(act->key));
    memcpy(act->text, say->text, sizeof(act->text));
    act->what = say->what;
    act->status = (enum pt_status)entry->status;
    act->time_ms = entry->time_ms;
    act->held = *held;
    act->numbering = box->numbering;
    act->dropped_before = box->dropped;
    take_over(crew, say, entry);
}

static enum crew_what what_of(const struct pt_entry *entry)
{
    if (entry->kind == PT_KIND_PANIC)
        return CREW_PANIC;
    if (entry->kind == PT_KIND_LOGON)
        return entry->detail == NULL || entry->detail[0] == '\0' ? CREW_LOGOFF
                                                                 : CREW_LOGON;
    return entry->detail != NULL ? CREW_PLACE : CREW_STATUS;
}

void crew_found(struct crew *crew, const struct pt_entry *entry,
                const struct crew_held *held, const struct crew_outbox *box)
{
    if (entry->kind == PT_KIND_FIX)
        return;
    struct crew_act *act = push(crew);
    act->what = what_of(entry);
    act->status = (enum pt_status)entry->status;
    act->time_ms = entry->time_ms;
    act->held = *held;
    act->numbering = box->numbering;
    act->dropped_before = box->dropped;
    if (entry->detail != NULL && strlen(entry->detail) <= CREW_TEXT_MAX)
        strcpy(act->text, entry->detail);
}

/* ---- delivery ----------------------------------------------------------- */

static bool names(const struct pt_receipt *receipt, uint64_t number)
{
    if (number <= receipt->stored_to)
        return true;
    for (size_t i = 0; i < receipt->range_count; i++)
        if (number >= receipt->ranges[i].first &&
            number <= receipt->ranges[i].last)
            return true;
    return false;
}

bool crew_receipted(struct crew *crew, const struct pt_receipt *placed,
                    unsigned numbering)
{
    bool news = false;
    for (size_t i = 0; i < crew->count; i++) {
        struct crew_act *act = &crew->acts[i];
        if (act->delivery != CREW_QUEUED || act->numbering != numbering ||
            !names(placed, act->held.number))
            continue;
        act->delivery = CREW_STORED;
        news = true;
    }
    return news;
}

bool crew_seen(struct crew *crew, uint64_t generation, uint64_t seq,
               int64_t time_ms)
{
    for (size_t i = 0; i < crew->count; i++) {
        struct crew_act *act = &crew->acts[i];
        if (act->held.generation != generation || act->held.seq != seq)
            continue;
        bool news = act->delivery != CREW_SEEN;
        act->delivery = CREW_SEEN;
        act->seen_ms = time_ms;
        return news;
    }
    return false;
}

/* Under another numbering where an act stands is not known; when nothing is
 * held at all, neither is it. */
bool crew_follow(struct crew *crew, const struct crew_outbox *box)
{
    bool news = false;
    for (size_t i = 0; i < crew->count; i++) {
        struct crew_act *act = &crew->acts[i];
        bool below =
            act->numbering == box->numbering && act->held.number < box->lowest;
        if (act->delivery != CREW_QUEUED || (!below && box->depth > 0))
            continue;
        act->delivery =
            box->dropped == act->dropped_before ? CREW_STORED : CREW_LOST;
        news = true;
    }
    return news;
}

/* ---- what is kept ------------------------------------------------------- */

size_t crew_write(const struct crew *crew, char out[CREW_KEPT_MAX])
{
    int size = snprintf(out, CREW_KEPT_MAX,
                        "status %" PRId64 " %s\ncrew %" PRId64
                        " %s\nplace %" PRId64 " %s\n",
                        crew->status_ms, pt_status_name(crew->status),
                        crew->name_ms, crew->name, crew->place_ms, crew->place);
    return (size_t)size;
}

/* "word time text\n" at `at`; where the next line begins, NULL: it is not. */
static const char *read_line(const char *at, const char *word, int64_t *time_ms,
                             char text[CREW_TEXT_MAX + 1])
{
    size_t length = strlen(word);
    if (strncmp(at, word, length) != 0 || at[length] != ' ')
        return NULL;
    char *rest;
    *time_ms = strtoll(at + length + 1, &rest, 10);
    if (*rest != ' ' || *time_ms < 0 || *time_ms > PT_TIME_MS_MAX)
        return NULL;
    const char *end = strchr(++rest, '\n');
    if (end == NULL || end - rest > CREW_TEXT_MAX)
        return NULL;
    memcpy(text, rest, (size_t)(end - rest));
    text[end - rest] = '\0';
    return end + 1;
}

bool crew_read(struct crew *crew, const char *bytes, size_t size)
{
    char lines[CREW_KEPT_MAX + 1], status[CREW_TEXT_MAX + 1];
    struct crew found = {0};
    if (size > CREW_KEPT_MAX || !text_utf8_valid(bytes, size))
        return false;
    memcpy(lines, bytes, size);
    lines[size] = '\0';
    const char *at = read_line(lines, "status", &found.status_ms, status);
    if (at != NULL)
        at = read_line(at, "crew", &found.name_ms, found.name);
    if (at != NULL)
        at = read_line(at, "place", &found.place_ms, found.place);
    if (at == NULL || *at != '\0' || !pt_status_parse(status, &found.status))
        return false;
    *crew = found;
    return true;
}
