/* patrol-gateway: the control room's program. */
#include "gateway.h"

#include "pt_log.h"

#include <signal.h>
#include <stdlib.h>

/* How many steps succeeded; logs the one that did not. */
static size_t open_in_order(struct gateway *gw)
{
    for (size_t i = 0; i < gateway_step_count; i++) {
        enum pt_err err = gateway_steps[i].open(gw);
        if (err != PT_OK) {
            pt_log(PT_LOG_ERROR, "gateway: cannot start %s: %s",
                   gateway_steps[i].name, pt_strerror(err));
            return i;
        }
    }
    return gateway_step_count;
}

static void close_in_reverse(struct gateway *gw, size_t up)
{
    while (up-- > 0)
        gateway_steps[up].close(gw);
}

static int run(const struct settings *settings)
{
    struct gateway gw = {.settings = settings};
    size_t up = open_in_order(&gw);
    if (up == gateway_step_count) {
        pt_log(PT_LOG_NOTICE, "gateway: started, version " PT_VERSION);
        while (!gw.stop) {
            gateway_wait(&gw);
            gateway_tick(&gw);
        }
    }
    close_in_reverse(&gw, up);
    if (up == gateway_step_count)
        pt_log(PT_LOG_NOTICE, "gateway: stopped");
    return up == gateway_step_count ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct command command = settings_from(argc, argv, &settings);
    if (command.exit_code >= 0)
        return command.exit_code;
    signal(SIGPIPE, SIG_IGN); /* a lost peer is an error of its socket */
    int exit_code = run(&settings);
    settings_clear(&settings);
    return exit_code;
}
