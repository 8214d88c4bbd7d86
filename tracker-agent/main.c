/* tracker-agent: the program in the vehicle. */
#include "agent.h"
#include "pt_log.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_FILE "/etc/patrol/tracker-agent.conf"
#define OVERRIDES_MAX 64

/* --- steps --------------------------------------------------------------- */

static void on_gone(void *context)
{
    struct agent *agent = context;
    agent->closing--;
}

static void on_handle_gone(uv_handle_t *handle)
{
    on_gone(handle->data);
}

static void close_handle(struct agent *agent, uv_handle_t *handle)
{
    agent->closing++;
    uv_close(handle, on_handle_gone);
}

/* What closes does so on the loop; link bounds its farewell to 2 s. */
static void wait_gone(struct agent *agent)
{
    while (agent->closing > 0)
        uv_run(&agent->loop, UV_RUN_ONCE);
}

static void on_signal(uv_signal_t *handle, int number)
{
    pt_log(PT_LOG_NOTICE, "stopping on signal %d", number);
    uv_stop(handle->loop);
}

static enum pt_err open_loop(struct agent *agent)
{
    if (uv_loop_init(&agent->loop) != 0)
        return PT_E_SYSTEM;
    uv_signal_init(&agent->loop, &agent->on_term);
    uv_signal_init(&agent->loop, &agent->on_int);
    uv_timer_init(&agent->loop, &agent->tick);
    uv_timer_init(&agent->loop, &agent->next);
    agent->on_term.data = agent->on_int.data = agent;
    agent->tick.data = agent->next.data = agent;
    if (uv_signal_start(&agent->on_term, on_signal, SIGTERM) != 0 ||
        uv_signal_start(&agent->on_int, on_signal, SIGINT) != 0)
        return PT_E_SYSTEM;
    return PT_OK;
}

/* A name look-up that still hangs on the pool keeps the loop; the process
 * ends without it. */
static void close_loop(struct agent *agent)
{
    close_handle(agent, (uv_handle_t *)&agent->on_term);
    close_handle(agent, (uv_handle_t *)&agent->on_int);
    close_handle(agent, (uv_handle_t *)&agent->tick);
    close_handle(agent, (uv_handle_t *)&agent->next);
    wait_gone(agent);
    if (uv_loop_close(&agent->loop) != 0)
        pt_log(PT_LOG_DEBUG, "a name look-up was still under way");
}

static enum pt_err open_outbox(struct agent *agent)
{
    struct outbox_settings settings = agent_outbox_settings(&agent->settings);
    bool was_damaged = false;
    enum pt_err err = outbox_open(&settings, &agent->outbox, &was_damaged);
    if (err != PT_OK) {
        pt_log(PT_LOG_ERROR, "outbox %s: %s", settings.path, pt_strerror(err));
        return err;
    }
    if (was_damaged)
        pt_log(PT_LOG_ERROR, "outbox %s was damaged; put aside, a new one made",
               settings.path);
    pt_log(PT_LOG_INFO,
           "outbox %s: generation %016" PRIx64 ", %" PRIu64
           " entries not yet receipted",
           settings.path, outbox_generation(agent->outbox),
           outbox_depth(agent->outbox));
    return PT_OK;
}

static void close_outbox(struct agent *agent)
{
    outbox_close(agent->outbox);
    agent->outbox = NULL;
}

static enum pt_err open_link(struct agent *agent)
{
    char presence[LINK_TOPIC_MAX];
    struct link_settings settings =
        agent_link_settings(&agent->settings, presence);
    struct link_events events = agent_link_events(agent);
    agent->traffic_told_ms = uv_now(&agent->loop);
    return link_new(&agent->loop, &settings, &events, &agent->link);
}

/* Said, because with DISCONNECT the broker drops the will. */
static void close_link(struct agent *agent)
{
    char topic[LINK_TOPIC_MAX];
    link_topic(LINK_PRESENCE, agent->settings.device_name, topic);
    if (link_is_up(agent->link) &&
        link_publish(agent->link, topic, "offline", strlen("offline"), 1,
                     true) != PT_OK)
        pt_log(PT_LOG_WARN, "could not say that we go");
    agent_traffic_tell(agent);
    agent->closing++;
    link_close(agent->link, on_gone, agent);
    wait_gone(agent);
    agent->link = NULL;
}

static enum pt_err open_pace(struct agent *agent)
{
    struct pace_settings pace = agent_pace_settings(&agent->settings);
    pace_init(&agent->pace, &pace);
    agent_remote_open(agent);
    return PT_OK;
}

static void close_pace(struct agent *agent)
{
    (void)agent;
}

static enum pt_err open_receiver(struct agent *agent)
{
    const struct agent_settings *s = &agent->settings;
    struct receiver_events events = agent_receiver_events(agent);
    agent->satellites_used = -1;
    return receiver_new(&agent->loop, s->gpsd_host, s->gpsd_port,
                        s->gpsd_device, &events, &agent->receiver);
}

static void close_receiver(struct agent *agent)
{
    agent->closing++;
    receiver_close(agent->receiver, on_gone, agent);
    wait_gone(agent);
    agent->receiver = NULL;
}

static enum pt_err open_power(struct agent *agent)
{
    return power_new(&agent->loop, agent->settings.power_supplies,
                     &agent->power);
}

static void close_power(struct agent *agent)
{
    agent->closing++;
    power_close(agent->power, on_gone, agent);
    wait_gone(agent);
    agent->power = NULL;
}

static enum pt_err open_crew(struct agent *agent)
{
    agent_crew_open(agent);
    return PT_OK;
}

static void close_crew(struct agent *agent)
{
    (void)agent;
}

static enum pt_err say(void *context, const struct crew_say *said)
{
    return agent_say(context, said);
}

static enum pt_err open_page(struct agent *agent)
{
    struct crew_page_settings settings = agent_page_settings(&agent->settings);
    const struct crew_page_calls calls = {
        .context = agent,
        .state = agent_crew_state,
        .act = say,
    };
    return crew_page_new(&agent->loop, &settings, &calls, &agent->page);
}

static void close_page(struct agent *agent)
{
    agent->closing++;
    crew_page_close(agent->page, on_gone, agent);
    wait_gone(agent);
    agent->page = NULL;
}

static void on_tick(uv_timer_t *timer)
{
    struct agent *agent = timer->data;
    agent_commit_due(agent);
    agent_watch_mode(agent);
    agent_crew_follow(agent);
    agent_traffic_due(agent);
    agent_pump(agent);
}

static enum pt_err open_tick(struct agent *agent)
{
    return uv_timer_start(&agent->tick, on_tick, 1000, 1000) == 0 ? PT_OK
                                                                  : PT_E_SYSTEM;
}

static void close_tick(struct agent *agent)
{
    uv_timer_stop(&agent->tick);
    uv_timer_stop(&agent->next);
}

/* A step may use only what stands above it. Closed in reverse, so a start
 * that fails half-way and a normal stop take the same road out. */
static const struct step {
    const char *name;
    enum pt_err (*open)(struct agent *agent);
    void (*close)(struct agent *agent);
} steps[] = {
    {"event loop", open_loop, close_loop},
    {"outbox", open_outbox, close_outbox},
    {"pace", open_pace, close_pace},
    {"power supplies", open_power, close_power},
    {"delivery", agent_delivery_open, agent_delivery_close},
    {"crew", open_crew, close_crew},
    {"broker connection", open_link, close_link},
    {"tick", open_tick, close_tick},
    {"crew page", open_page, close_page},
    {"receiver", open_receiver, close_receiver}, /* fixes from here on */
};
#define STEP_COUNT (sizeof(steps) / sizeof(steps[0]))

static size_t open_in_order(struct agent *agent)
{
    for (size_t i = 0; i < STEP_COUNT; i++) {
        enum pt_err err = steps[i].open(agent);
        if (err == PT_OK)
            continue;
        pt_log(PT_LOG_ERROR, "cannot start: %s: %s", steps[i].name,
               pt_strerror(err));
        return i;
    }
    return STEP_COUNT;
}

static void close_in_reverse(struct agent *agent, size_t up)
{
    while (up > 0)
        steps[--up].close(agent);
}

/* --- command line -------------------------------------------------------- */

struct arguments {
    const char *file;
    const char *overrides[OVERRIDES_MAX];
    size_t override_count;
    bool check_only, debug;
};

static void usage(FILE *out)
{
    fputs("usage: tracker-agent [-c FILE] [-o SECTION.NAME=VALUE]... [-d] "
          "[-n]\n"
          "Sends what the vehicle's receiver (gpsd) says to the control "
          "room.\n\n"
          "  -c FILE                configuration, default " DEFAULT_FILE "\n"
          "  -o SECTION.NAME=VALUE  this setting instead of the file's\n"
          "  -n                     check the configuration and exit, 0: good\n"
          "  -d                     log everything\n"
          "  --sample               print every setting with its default\n"
          "  --version, --help\n",
          out);
}

/* Options that print and exit. */
static void answer(int option)
{
    if (option == 'h')
        usage(stdout);
    else if (option == 'v')
        puts("tracker-agent " PT_VERSION);
    else
        config_print_sample(agent_options, agent_option_count);
    exit(EXIT_SUCCESS);
}

static void parse_arguments(int argc, char **argv, struct arguments *ret)
{
    static const struct option words[] = {
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {"sample", no_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    *ret = (struct arguments){.file = DEFAULT_FILE};
    int option;
    while ((option = getopt_long(argc, argv, "c:o:ndh", words, NULL)) != -1) {
        if (option == 'c') {
            ret->file = optarg;
        } else if (option == 'n') {
            ret->check_only = true;
        } else if (option == 'd') {
            ret->debug = true;
        } else if (option == 'o' && ret->override_count < OVERRIDES_MAX) {
            ret->overrides[ret->override_count++] = optarg;
        } else if (strchr("hvs", option) != NULL) {
            answer(option);
        } else {
            usage(stderr);
            exit(2);
        }
    }
    if (optind < argc) {
        usage(stderr);
        exit(2);
    }
}

/* Two pool threads are enough for a name look-up and gpsd; one malloc arena
 * instead of one a thread saves a tenth of the memory. A signal for a broken
 * socket would end us: the call's error is enough. */
static void limit_process(void)
{
    setenv("UV_THREADPOOL_SIZE", "2", 0);
    mallopt(M_ARENA_MAX, 1);
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    static struct agent agent;
    char message[512];
    parse_arguments(argc, argv, &arguments);
    enum pt_err err = agent_settings_load(
        arguments.file, arguments.overrides, arguments.override_count,
        &agent.settings, message, sizeof(message));
    if (err != PT_OK) {
        fprintf(stderr, "tracker-agent: %s\n", message);
        return EXIT_FAILURE;
    }
    if (arguments.check_only) {
        printf("%s: good\n", arguments.file);
        agent_settings_clear(&agent.settings);
        return EXIT_SUCCESS;
    }
    pt_log_set_level(
        arguments.debug
            ? PT_LOG_DEBUG
            : (enum pt_log_level)(PT_LOG_ERROR + agent.settings.log_level));
    limit_process();
    pt_log(PT_LOG_NOTICE, "tracker-agent " PT_VERSION " starts as %s",
           agent.settings.device_name);
    size_t up = open_in_order(&agent);
    if (up == STEP_COUNT)
        uv_run(&agent.loop, UV_RUN_DEFAULT);
    close_in_reverse(&agent, up);
    agent_settings_clear(&agent.settings);
    return up == STEP_COUNT ? EXIT_SUCCESS : EXIT_FAILURE;
}
