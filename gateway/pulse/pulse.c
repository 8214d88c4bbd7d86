#include "pulse.h"

void pulse_init(struct pulse *pulse, int64_t every_ms)
{
    *pulse = (struct pulse){.every_ms = every_ms};
}

void pulse_connected(struct pulse *pulse, int64_t now_ms)
{
    pulse->connected = true;
    pulse_alive(pulse, now_ms);
}

void pulse_lost(struct pulse *pulse)
{
    if (pulse->asked && !pulse->proven)
        pulse->every_ms = 0;
    pulse->connected = false;
    pulse->asked = false;
}

void pulse_alive(struct pulse *pulse, int64_t now_ms)
{
    pulse->life_ms = now_ms;
    pulse->asked = false;
}

void pulse_answered(struct pulse *pulse, int64_t now_ms)
{
    pulse->proven = true;
    pulse_alive(pulse, now_ms);
}

bool pulse_due(const struct pulse *pulse, int64_t now_ms)
{
    return pulse->connected && pulse->every_ms > 0 && !pulse->asked &&
           now_ms - pulse->life_ms >= pulse->every_ms;
}

void pulse_asked(struct pulse *pulse, int64_t now_ms)
{
    pulse->asked = true;
    pulse->asked_ms = now_ms;
}

static bool is_unanswered(const struct pulse *pulse, int64_t now_ms)
{
    return pulse->connected && pulse->asked &&
           now_ms - pulse->asked_ms >= pulse->every_ms;
}

enum pulse_state pulse_state(const struct pulse *pulse, int64_t now_ms)
{
    if (!pulse->connected)
        return PULSE_DOWN;
    return pulse->proven && is_unanswered(pulse, now_ms) ? PULSE_SILENT
                                                         : PULSE_UP;
}

bool pulse_mute(const struct pulse *pulse, int64_t now_ms)
{
    return !pulse->proven &&
           (pulse->every_ms == 0 || is_unanswered(pulse, now_ms));
}

bool pulse_proven(const struct pulse *pulse)
{
    return pulse->proven;
}
