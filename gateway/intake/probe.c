/* Whether the broker is alive, not only connected. */
#include "intake_internal.h"

#include "pt_log.h"

static int64_t steady_ms(const struct intake *intake)
{
    return (int64_t)uv_now(intake->loop);
}

/* Also when the broker takes it no more: pulse_due(). */
static void ask(struct intake *intake)
{
    static const char text[] = "are you there";
    enum pt_err err = link_publish(intake->link, intake->probe_topic, text,
                                   sizeof(text) - 1, 0, false);
    if (err != PT_OK)
        pt_log(PT_LOG_DEBUG, "intake: the broker could not be asked: %s",
               pt_strerror(err));
    pulse_asked(&intake->pulse, steady_ms(intake));
}

void intake_probe(struct intake *intake)
{
    int64_t now_ms = steady_ms(intake), wall_ms = intake_wall_ms();
    if (intake->connected_ms > wall_ms) /* our clock was set back */
        intake->connected_ms = intake->life_ms = wall_ms;
    if (pulse_mute(&intake->pulse, now_ms) && !intake->told_mute) {
        intake->told_mute = true;
        pt_log(PT_LOG_WARN,
               "intake: the broker does not give us our own "
               "message back: does its access list let us read "
               "and write %s?",
               intake->probe_topic);
    }
    if (pulse_state(&intake->pulse, now_ms) == PULSE_SILENT) {
        intake->gone_silent = true;
        link_give_up(intake->link,
                     "connected, but nothing comes, not even what we said");
    } else if (pulse_due(&intake->pulse, now_ms)) {
        ask(intake);
    }
}

enum pulse_state intake_broker(const struct intake *intake)
{
    if (link_is_up(intake->link))
        return pulse_state(&intake->pulse, steady_ms(intake));
    return intake->gone_silent ? PULSE_SILENT : PULSE_DOWN;
}

int64_t intake_life_ms(const struct intake *intake)
{
    return intake->life_ms;
}

struct intake_listening intake_listening(const struct intake *intake)
{
    struct inbox_message oldest;
    struct intake_listening listening = {intake->connected_ms, intake->life_ms};
    if (intake_broker(intake) != PULSE_UP)
        return (struct intake_listening){0, 0};
    if (!pulse_proven(&intake->pulse)) /* no signs of life to wait for */
        listening.until_ms = intake_wall_ms();
    if (inbox_peek(&intake->inbox, &oldest))
        listening.until_ms = oldest.received_ms;
    return listening;
}
