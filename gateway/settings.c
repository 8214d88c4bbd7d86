#include "gateway.h"

#include "pt_log.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define OVERRIDES_MAX 64
#define EXIT_USAGE 2

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct config_option options[] = {
    {.section = "database", .name = "conninfo", .type = CONFIG_TEXT,
     .offset = AT(conninfo), .initial = "dbname=patrol",
     .help = "PostgreSQL, as libpq takes it; several hosts for a standby"},
    {.section = "database", .name = "probe_s", .type = CONFIG_INT,
     .offset = AT(database_probe_s), .initial = "10", .min = 1, .max = 3600,
     .help = "so often the database is asked for a sign of life; without an "
             "answer for as long it counts as silent"},

    {.section = "broker", .name = "list", .type = CONFIG_TEXT,
     .offset = AT(brokers), .initial = "localhost",
     .help = "host[:port] ...; 8883 with TLS, 1883 without"},
    {.section = "broker", .name = "ca", .type = CONFIG_TEXT,
     .offset = AT(ca_file), .initial = "",
     .help = "PEM file of the certificate authority; empty: no TLS"},
    {.section = "broker", .name = "cert", .type = CONFIG_TEXT,
     .offset = AT(cert_file), .initial = "",
     .help = "our certificate, PEM"},
    {.section = "broker", .name = "key", .type = CONFIG_TEXT,
     .offset = AT(key_file), .initial = "", .help = "its key, PEM"},
    {.section = "broker", .name = "client_id", .type = CONFIG_TEXT,
     .offset = AT(client_id), .initial = "patrol-gateway",
     .help = "each gateway has its own"},
    {.section = "broker", .name = "keepalive", .type = CONFIG_INT,
     .offset = AT(keepalive_s), .initial = "30", .min = 5, .max = 3600,
     .help = "seconds of silence after which the broker is asked"},
    {.section = "broker", .name = "probe_s", .type = CONFIG_INT,
     .offset = AT(broker_probe_s), .initial = "10", .min = 1, .max = 3600,
     .help = "after so many seconds without any message we send one to "
             "ourselves; when it is not back for as long the broker counts as "
             "silent and is connected to anew"},

    {.section = "http", .name = "listen", .type = CONFIG_TEXT,
     .offset = AT(listen), .initial = "127.0.0.1:8080",
     .help = "address:port; loopback only"},
    {.section = "http", .name = "connections_max", .type = CONFIG_INT,
     .offset = AT(connections_max), .initial = "512", .min = 4, .max = 60000,
     .help = "open connections; beyond it 503"},
    {.section = "http", .name = "streams_max", .type = CONFIG_INT,
     .offset = AT(streams_max), .initial = "64", .min = 0, .max = 50000,
     .help = "of them, open /v1/events streams"},

    {.section = "intake", .name = "past_max_days", .type = CONFIG_INT,
     .offset = AT(past_max_days), .initial = "30", .min = 1, .max = 366,
     .help = "a fix older than this is refused"},
    {.section = "intake", .name = "future_max_s", .type = CONFIG_INT,
     .offset = AT(future_max_s), .initial = "300", .min = 0, .max = 86400,
     .help = "a fix farther ahead of our clock than this is refused"},
    {.section = "intake", .name = "jump_mps", .type = CONFIG_REAL,
     .offset = AT(jump_mps), .initial = "80", .min = 1, .max = 1000,
     .help = "m/s; a fix that would need more since the last is flagged"},
    {.section = "intake", .name = "receipt_every_s", .type = CONFIG_INT,
     .offset = AT(receipt_every_s), .initial = "30", .min = 0, .max = 3600,
     .help = "routine receipts of a device at most this often"},
    {.section = "intake", .name = "queue_max_mb", .type = CONFIG_INT,
     .offset = AT(intake_queue_mb), .initial = "64", .min = 1, .max = 4096,
     .help = "messages not yet decoded; beyond it they are dropped and come "
             "again"},

    {.section = "store", .name = "connections", .type = CONFIG_INT,
     .offset = AT(store_connections), .initial = "2", .min = 1,
     .max = STORE_LANES_MAX,
     .help = "to the database, that write at the same time"},
    {.section = "store", .name = "queue_max", .type = CONFIG_INT,
     .offset = AT(store_queue_max), .initial = "200000", .min = 1000,
     .max = 10000000,
     .help = "entries not yet committed; beyond it they are dropped and come "
             "again"},
    {.section = "store", .name = "batch_max", .type = CONFIG_INT,
     .offset = AT(store_batch_max), .initial = "20000", .min = 1,
     .max = 1000000, .help = "entries in one transaction"},
    {.section = "store", .name = "keep_future_days", .type = CONFIG_INT,
     .offset = AT(keep_future_days), .initial = "8", .min = 2, .max = 366,
     .help = "daily partitions are made this far ahead"},

    {.section = "dispatch", .name = "stale_after_s", .type = CONFIG_INT,
     .offset = AT(stale_after_s), .initial = "3600", .min = 1,
     .max = 31622400,
     .help = "units with an older position are left out"},
    {.section = "dispatch", .name = "limit_s", .type = CONFIG_INT,
     .offset = AT(limit_s), .initial = "3600", .min = 1, .max = 86400,
     .help = "units that drive longer than this are left out"},

    {.section = "learn", .name = "every_h", .type = CONFIG_INT,
     .offset = AT(learn_every_h), .initial = "24", .min = 0, .max = 8760,
     .help = "so often travel times are learned anew from the fleet's own "
             "drives; 0: only by patrolctl roads learn"},
    {.section = "learn", .name = "after_s", .type = CONFIG_INT,
     .offset = AT(learn_after_s), .initial = "3600", .min = 1, .max = 86400,
     .help = "not sooner than this after the start"},
    {.section = "learn", .name = "days", .type = CONFIG_INT,
     .offset = AT(learn_days), .initial = "28", .min = 1, .max = 366,
     .help = "from the drives of so many days; of more than 5,000,000 fixes "
             "the newest days"},

    {.section = "coverage", .name = "profile", .type = CONFIG_TEXT,
     .offset = AT(coverage_profile), .initial = "",
     .help = "by whose rules units drive to a call; empty: the network's first "
             "profile"},
    {.section = "coverage", .name = "counts", .type = CONFIG_CHOICE,
     .offset = AT(coverage_counts), .initial = "available",
     .choices = "available available_and_busy",
     .help = "which units count: busy are those on work of low priority that "
             "they can leave"},
    {.section = "coverage", .name = "turnout_s", .type = CONFIG_INT,
     .offset = AT(turnout_s), .initial = "0", .min = 0, .max = 3600,
     .help = "from the order until an available unit drives"},
    {.section = "coverage", .name = "busy_turnout_s", .type = CONFIG_INT,
     .offset = AT(busy_turnout_s), .initial = "60", .min = 0, .max = 3600,
     .help = "the same for a busy one, where those count"},
    {.section = "coverage", .name = "position_max_s", .type = CONFIG_INT,
     .offset = AT(position_max_s), .initial = "300", .min = 10, .max = 86400,
     .help = "a unit with an older position does not count"},
    {.section = "coverage", .name = "promise_s", .type = CONFIG_INT,
     .offset = AT(coverage_promise_s), .initial = "300", .min = 0, .max = 86400,
     .help = "the promise where no zone gives one; 0: none"},
    {.section = "coverage", .name = "level", .type = CONFIG_INT,
     .offset = AT(coverage_level), .initial = "1", .min = 1,
     .max = COVERAGE_FOLD,
     .help = "so many units a mission is to have within its promise"},
    {.section = "coverage", .name = "zone_percent", .type = CONFIG_INT,
     .offset = AT(zone_percent), .initial = "90", .min = 1, .max = 100,
     .help = "of a zone's missions so many are to have them"},
    {.section = "coverage", .name = "lost_after_s", .type = CONFIG_INT,
     .offset = AT(lost_after_s), .initial = "15", .min = 0, .max = 3600,
     .help = "cover counts as lost once it has been missing for so long"},
    {.section = "coverage", .name = "regained_after_s", .type = CONFIG_INT,
     .offset = AT(regained_after_s), .initial = "30", .min = 0, .max = 3600,
     .help = "and as regained once it has been back for so long"},
    {.section = "coverage", .name = "rank_weight_s", .type = CONFIG_INT,
     .offset = AT(rank_weight_s), .initial = "30", .min = 0, .max = 3600,
     .help = "rank=coverage: for each mission that it would uncover a unit "
             "counts as so much later"},
    {.section = "coverage", .name = "streets_every_s", .type = CONFIG_INT,
     .offset = AT(streets_every_s), .initial = "5", .min = 1, .max = 3600,
     .help = "the cover of all streets is worked out at most this often"},
    {.section = "coverage", .name = "store_every_s", .type = CONFIG_INT,
     .offset = AT(coverage_store_s), .initial = "60", .min = 0, .max = 86400,
     .help = "each zone's figures are stored this often; 0: never"},
    {.section = "coverage", .name = "live_every_s", .type = CONFIG_INT,
     .offset = AT(coverage_live_s), .initial = "60", .min = 0, .max = 86400,
     .help = "what programs such as QGIS read from the database is written at "
             "most this often; 0: never"},
    {.section = "coverage", .name = "tables_max_mb", .type = CONFIG_INT,
     .offset = AT(tables_max_mb), .initial = "1024", .min = 1, .max = 1000000,
     .help = "most memory of the missions' time tables: 4 bytes for each "
             "street piece and mission"},
    {.section = "coverage", .name = "study_limit_s", .type = CONFIG_INT,
     .offset = AT(study_limit_s), .initial = "30", .min = 1, .max = 55,
     .help = "a planner's question (what if, weak points) is given up after "
             "so long"},
    {.section = "coverage", .name = "pass_m", .type = CONFIG_REAL,
     .offset = AT(pass_m), .initial = "60", .min = 5, .max = 500,
     .help = "past cover: a unit has passed a mission that comes so near on a "
             "street of its frontage"},
    {.section = "coverage", .name = "history_threads", .type = CONFIG_INT,
     .offset = AT(history_threads), .initial = "2", .min = 1, .max = 8,
     .help = "so many threads replay the past, with less right to the "
             "processor than live answers"},

    {.section = "retention", .name = "positions_days", .type = CONFIG_INT,
     .offset = AT(positions_days), .initial = "0", .min = 0, .max = 36500,
     .help = "positions older than this are deleted, by the day; more than "
             "intake.past_max_days; 0: never"},
    {.section = "retention", .name = "answers_days", .type = CONFIG_INT,
     .offset = AT(answers_days), .initial = "400", .min = 0, .max = 36500,
     .help = "predictions, figures and gaps of coverage, answers about the past "
             "and closures that are over are deleted after so long; 0: never"},

    {.section = "fleet", .name = "max_units", .type = CONFIG_INT,
     .offset = AT(max_units), .initial = "10000", .min = 1,
     .max = CATALOG_UNITS_MAX, .help = "units in live state"},
    {.section = "fleet", .name = "silent_factor", .type = CONFIG_REAL,
     .offset = AT(silent_factor), .initial = "1.5", .min = 1, .max = 100,
     .help = "a unit not heard for so many times the interval that it promised "
             "is silent, a position not renewed for as long is old: both rank "
             "below the others"},

    {.section = "log", .name = "level", .type = CONFIG_CHOICE,
     .offset = AT(log_level), .initial = "info",
     .choices = "error warn notice info debug",
     .help = "what is logged: this and what is worse"},
};
/* clang-format on */
#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

static const char usage[] =
    "usage: patrol-gateway [-c FILE] [-n] [-d] [-o SECTION.NAME=VALUE]...\n"
    "\n"
    "  -c, --config FILE   settings; without it the defaults hold\n"
    "  -o, --option ...    one setting, over what the file says\n"
    "  -n, --check         check the configuration and exit\n"
    "  -d, --debug         log everything\n"
    "      --help-config   print every setting with its default and exit\n"
    "  -h, --help\n"
    "  -V, --version\n";

enum { HELP_CONFIG = 256 };
static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"option", required_argument, NULL, 'o'},
    {"check", no_argument, NULL, 'n'},
    {"debug", no_argument, NULL, 'd'},
    {"help-config", no_argument, NULL, HELP_CONFIG},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

struct overrides {
    const char *texts[OVERRIDES_MAX];
    size_t count;
};

static void read_option(int letter, struct command *command,
                        struct overrides *overrides)
{
    switch (letter) {
    case 'c':
        command->file = optarg;
        break;
    case 'o':
        if (overrides->count < OVERRIDES_MAX) {
            overrides->texts[overrides->count++] = optarg;
            break;
        }
        fprintf(stderr, "patrol-gateway: more than %d times -o\n",
                OVERRIDES_MAX);
        command->exit_code = EXIT_USAGE;
        break;
    case 'n':
        command->check_only = true;
        break;
    case 'd':
        command->debug = true;
        break;
    case HELP_CONFIG:
        config_print_sample(options, OPTION_COUNT);
        command->exit_code = EXIT_SUCCESS;
        break;
    case 'h':
        fputs(usage, stdout);
        command->exit_code = EXIT_SUCCESS;
        break;
    case 'V':
        puts("patrol-gateway " PT_VERSION);
        command->exit_code = EXIT_SUCCESS;
        break;
    default: /* getopt has said what is wrong */
        fputs(usage, stderr);
        command->exit_code = EXIT_USAGE;
        break;
    }
}

/* What no single option can see. */
static bool settings_agree(const struct settings *s)
{
    if ((s->cert_file[0] == '\0') != (s->key_file[0] == '\0')) {
        fprintf(stderr, "patrol-gateway: broker.cert and broker.key go "
                        "together\n");
        return false;
    }
    if (!link_device_valid(s->client_id)) {
        fprintf(stderr,
                "patrol-gateway: broker.client_id \"%s\": expected "
                "1..%d of A-Z a-z 0-9 . _ -\n",
                s->client_id, LINK_DEVICE_MAX);
        return false;
    }
    if (s->positions_days > 0 && s->positions_days <= s->past_max_days) {
        fprintf(stderr, "patrol-gateway: retention.positions_days is to be "
                        "more than intake.past_max_days: what is taken in "
                        "would be deleted\n");
        return false;
    }
    return true;
}

static int load(const struct command *command,
                const struct overrides *overrides, struct settings *settings)
{
    char message[512];
    enum pt_err err =
        config_load(options, OPTION_COUNT, command->file, overrides->texts,
                    overrides->count, settings, message, sizeof(message));
    if (err != PT_OK) {
        fprintf(stderr, "patrol-gateway: %s\n", message);
        return EXIT_FAILURE;
    }
    bool agree = settings_agree(settings);
    if (agree && !command->check_only)
        return -1;
    settings_clear(settings);
    return agree ? EXIT_SUCCESS : EXIT_FAILURE;
}

struct command settings_from(int argc, char **argv, struct settings *settings)
{
    struct command command = {.exit_code = -1};
    struct overrides overrides = {.count = 0};
    int letter;
    while (command.exit_code < 0 &&
           (letter = getopt_long(argc, argv, "c:o:ndhV", long_options, NULL)) !=
               -1)
        read_option(letter, &command, &overrides);
    if (command.exit_code < 0 && optind < argc) {
        fprintf(stderr, "patrol-gateway: what is \"%s\"?\n%s", argv[optind],
                usage);
        command.exit_code = EXIT_USAGE;
    }
    if (command.exit_code < 0)
        command.exit_code = load(&command, &overrides, settings);
    if (command.exit_code < 0)
        pt_log_set_level(
            command.debug
                ? PT_LOG_DEBUG
                : (enum pt_log_level)(PT_LOG_ERROR + settings->log_level));
    return command;
}

void settings_clear(struct settings *settings)
{
    config_clear(options, OPTION_COUNT, settings);
}
