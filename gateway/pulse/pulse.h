#ifndef PULSE_H
#define PULSE_H
/* pulse: whether a peer that is connected is also alive. A connection that
 * stands proves nothing: a machine that hangs keeps it, and so does a path that
 * swallows everything. So whoever has said nothing for a while is asked
 * something, and is silent when that is not answered. Pure; the time is
 * milliseconds of a clock that never goes back. */
#include <stdbool.h>
#include <stdint.h>

enum pulse_state { PULSE_DOWN, PULSE_UP, PULSE_SILENT };

/* Callers read nothing of it. */
struct pulse {
    int64_t every_ms;
    bool connected;
    bool proven; /* it has answered, once at least: it knows how to */
    bool asked;
    int64_t asked_ms, life_ms;
};

/* Not connected. After `every_ms` without a sign of life it is asked, after as
 * long again it is silent; 0: never. */
void pulse_init(struct pulse *pulse, int64_t every_ms);

void pulse_connected(struct pulse *pulse, int64_t now_ms);
/* Who hangs up on the first question of all is asked no more: mosquitto 2.0.11
 * does so with a message that its access list forbids. */
void pulse_lost(struct pulse *pulse);
/* Anything came from it. */
void pulse_alive(struct pulse *pulse, int64_t now_ms);
/* What it was asked was answered. */
void pulse_answered(struct pulse *pulse, int64_t now_ms);

/* Ask it now, and say so by pulse_asked(), whether or not the question could
 * be sent: a peer that takes nothing any more is no better than one that
 * answers nothing. */
bool pulse_due(const struct pulse *pulse, int64_t now_ms);
void pulse_asked(struct pulse *pulse, int64_t now_ms);

/* Who never answered, on this connection or one before, is not called silent:
 * it may not know how to. pulse_mute() tells when that is so. */
enum pulse_state pulse_state(const struct pulse *pulse, int64_t now_ms);
bool pulse_mute(const struct pulse *pulse, int64_t now_ms);
/* It has answered once: while it is up there are signs of life. */
bool pulse_proven(const struct pulse *pulse);

#endif
