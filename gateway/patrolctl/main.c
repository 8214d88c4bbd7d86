/* patrolctl: what operators do from a terminal. */
#include "patrolctl_internal.h"
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static const struct ctl_command commands[] = {
    {"roads import", "FILE", "replace the street network",
     "Reads an OpenStreetMap file (.osm, .osm.gz, .osm.bz2, .osm.pbf) and\n"
     "makes it the street network in force, in one transaction; a running\n"
     "gateway takes it over. What was read and left out is printed and kept\n"
     "in patrol.road_network.",
     "patrolctl roads import havana.osm.pbf", cmd_roads_import},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static void print_usage(FILE *out)
{
    fputs("usage: patrolctl COMMAND [arguments] [options]\n\ncommands:\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char left[80];
        snprintf(left, sizeof left, "%s %s", commands[i].words,
                 commands[i].arguments);
        fprintf(out, "  %-38s %s\n", left, commands[i].summary);
    }
    fputs("\npatrolctl COMMAND --help says more.\n\n"
          "The database: -d CONNINFO or PATROL_DATABASE, else "
          "\"dbname=patrol\".\n"
          "The gateway: -g URL or PATROL_GATEWAY, else "
          "http://127.0.0.1:8080.\n\n"
          "exit codes: 0 done, 1 answered with an error, 2 called wrongly,\n"
          "3 gateway or database not reachable, 4 input file of no use\n",
          out);
}

/* How many words of argv are the command's; 0 when it is another. */
static int matches(const struct ctl_command *command, int argc, char **argv)
{
    const char *at = command->words;
    int words = 0;
    for (; *at != 0; words++) {
        size_t length = strcspn(at, " ");
        if (words >= argc || strlen(argv[words]) != length ||
            strncmp(argv[words], at, length) != 0)
            return 0;
        at += length;
        at += *at == ' ';
    }
    return words;
}

static const char *or_default(const char *value, const char *fallback)
{
    return value != NULL && *value != 0 ? value : fallback;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {
        .database = or_default(getenv("PATROL_DATABASE"), "dbname=patrol"),
        .gateway =
            or_default(getenv("PATROL_GATEWAY"), "http://127.0.0.1:8080"),
    };
    /* Only how wide characters are: numbers keep their point. */
    setlocale(LC_CTYPE, "");
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("patrolctl " PT_VERSION);
        return CTL_OK;
    }
    if (argc > 1 &&
        (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
         strcmp(argv[1], "help") == 0)) {
        print_usage(stdout);
        return CTL_OK;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        int words = matches(&commands[i], argc - 1, argv + 1);
        if (words == 0)
            continue;
        ctl.command = &commands[i];
        return commands[i].run(&ctl, argc - 1 - words, argv + 1 + words);
    }
    if (argc > 1)
        ctl_complain("no command \"%s\"", argv[1]);
    print_usage(stderr);
    return CTL_USAGE;
}
