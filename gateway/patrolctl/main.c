/* patrolctl: what operators do from a terminal. */
#include "patrolctl_internal.h"
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static const struct ctl_command commands[] = {
    {"nearest", "[LAT,LON]", "who reaches a place first",
     "Asks the gateway which units reach a point, a street corner (\"23 y L\") "
     "or a\n"
     "mission first by road, and why the others are left out.",
     "patrolctl nearest --mission canada -k 3", cmd_nearest},
    {"route", "CALLSIGN [LAT,LON]", "a unit's fastest way",
     "The streets that a unit takes to a point, a street corner (\"23 y L\") "
     "or a\n"
     "mission.",
     "patrolctl route P-04 --mission canada", cmd_route},
    {"coverage", "", "what units reach in time now",
     "For each zone the share of its missions and of its streets that 1, 2 "
     "and\n"
     "3 units reach within the promise, and the missions out of cover with "
     "who\n"
     "would be first.",
     "patrolctl coverage --zone miramar", cmd_coverage},
    {"coverage gaps", "", "streets that nobody reaches in time",
     "Streets out of cover that hang together, longest first, with the "
     "missions\n"
     "on them. --json gives GeoJSON: areas that follow those streets.",
     "patrolctl coverage gaps", cmd_coverage_gaps},
    {"coverage what-if", "", "cover as it would be, beside as it is",
     "With units added, moved, taken away or of another status, streets "
     "closed\n"
     "or slowed, another promise, by another profile or in another hour of "
     "the\n"
     "week: cover of all zones before and after, and the missions that are\n"
     "lost or gained. Nothing that is live changes. Options but --at,\n"
     "--profile and --all may be given several times.",
     "patrolctl coverage what-if --remove P-12 --add 23.1330,-82.3830",
     cmd_coverage_what_if},
    {"coverage history", "", "what cover was, over a time of the past",
     "Replays the stored positions: how long each mission was out of cover,\n"
     "how often and how long at most, in which hours of the week, and how\n"
     "often units passed it. What is asked again is not replayed again. At\n"
     "most 92 days; a month takes a minute or so.",
     "patrolctl coverage history --from $(date -u -d '1 day ago' +%FT%TZ)",
     cmd_coverage_history},
    {"coverage posts", "", "where units should stand by",
     "Seeks the posts from which units reach most in time: missions, and with\n"
     "weights streets and points of a file. Tells what each adds to those "
     "before\n"
     "it, what is lost without it alone, what stays out of cover, and how "
     "good\n"
     "the answer is at least beside the best possible.",
     "patrolctl coverage posts -k 3 --fold 1", cmd_coverage_posts},
    {"coverage plan", "", "posts by hour of the week and number of units",
     "For groups of hours (without --group three shifts, of working days and "
     "of\n"
     "weekends) and numbers of units that may be available, the posts from "
     "which\n"
     "they reach most in time, each hour by the times that were learned for "
     "it.\n"
     "Kept: coverage plans lists them, coverage replay tells what one would "
     "have\n"
     "done.",
     "patrolctl coverage plan --units 3,5 --group rush=mon-fri:7-9 --limit 1",
     cmd_coverage_plan},
    {"coverage plans", "[ID]", "the plans that are kept, or one of them",
     "Without ID all of them, the newest first; with it that plan's posts.",
     "patrolctl coverage plans", cmd_coverage_plans},
    {"coverage replay", "[ID]", "what a plan would have done in the past",
     "A time of the past is replayed, and judged on three sides: where units\n"
     "really stood, as many at the plan's posts, as many at the posts in "
     "force.\n"
     "Minutes that missions were out of cover, unit hours, and how often "
     "units\n"
     "really stood at those posts. At most 92 days; a month takes a minute or "
     "so.",
     "patrolctl coverage replay --from 1h", cmd_coverage_replay},
    {"coverage moves", "", "the fewest moves that restore cover",
     "Who should go where, and how long it takes, so that missions out of "
     "cover\n"
     "are in it again, and none that is in cover falls out, on the way "
     "neither.\n"
     "Nobody is sent: that is for people to do.",
     "patrolctl coverage moves", cmd_coverage_moves},
    {"coverage weak", "", "where cover hangs by a thread",
     "One list, the worst first: missions out of cover now, the streets whose\n"
     "closing and the units whose failure would uncover most, and the worst\n"
     "hour of the week; then the missions with the fewest units to spare. For\n"
     "planners: whoever has it knows where to strike.",
     "patrolctl coverage weak", cmd_coverage_weak},
    {"report coverage", "", "cover on paper, now and in the past",
     "A page to be printed (HTML, complete in itself, in English, Spanish or\n"
     "French): figures of zones and missions, a map of the streets by "
     "arrival,\n"
     "what nobody reaches in time, and of the last 7 days, or as said, how "
     "long\n"
     "each mission was out of cover, and at which hours of the week.",
     "patrolctl report coverage --language es --output coverage.html",
     cmd_report_coverage},
    {"report eta", "", "how right predictions were",
     "Of units that were asked about and then went there: by how much the\n"
     "predicted times were off, how often the stated range was right, and\n"
     "how often units were there in time beside the chance that was told.",
     "patrolctl report eta --from 2026-11-01T00:00:00Z", cmd_report_eta},
    {"units", "", "where the units are",
     "All units with what is known of them now.",
     "patrolctl units --status available", cmd_units},
    {"watch", "", "every change of the units as it comes",
     "On a terminal a table that is drawn again; else a line a change, with\n"
     "--json an event a line. Ends with Ctrl-C.",
     "patrolctl watch", cmd_watch},
    {"track", "CALLSIGN", "where a unit was",
     "The stored positions of a unit, oldest first.",
     "patrolctl track P-01 --from $(date -u -d '10 minutes ago' +%FT%TZ)",
     cmd_track},
    {"missions", "[WORDS]", "the missions",
     "The missions by name; with words those whose names hold them.",
     "patrolctl missions --zone miramar", cmd_missions},
    {"posts", "", "where units stand by", "The posts by name.",
     "patrolctl posts", cmd_posts},
    {"zones", "", "the zones and their promises", "The zones by name.",
     "patrolctl zones", cmd_zones},
    {"closure add", "[STREET]", "close or slow a street",
     "STREET is \"Calle 23 between L and M\" (also entre ... y), a whole\n"
     "street, or LAT,LON: the piece between two corners nearest to it. All\n"
     "gateways reckon with it within seconds, until its time. What units go\n"
     "around is told by nearest and route.",
     "patrolctl closure add \"Calle 23 between L and M\" --until 18:30",
     cmd_closure_add},
    {"closure list", "", "what is closed, and until when",
     "What is closed or slowed, now or to come, and what of it is not on the\n"
     "map in force.",
     "patrolctl closure list", cmd_closure_list},
    {"closure remove", "[ID]", "open a street again",
     "By its number in closure list, or all.", "patrolctl closure remove --all",
     cmd_closure_remove},
    {"roads import", "FILE", "replace the street network",
     "Reads an OpenStreetMap file (.osm, .osm.gz, .osm.bz2, .osm.pbf) and\n"
     "makes it the street network in force, in one transaction; a running\n"
     "gateway takes it over. What was read and left out is printed and kept\n"
     "in patrol.road_network.",
     "patrolctl roads import havana.osm", cmd_roads_import},
    {"roads learn", "", "learn how fast the fleet really drives",
     "Learns from the positions in the database, of the last 28 days or as\n"
     "said, by which factor streets take longer or shorter than the profiles\n"
     "say: by hour of the week, class, street and piece of street. A running\n"
     "gateway takes it over at once, and learns by itself now and then\n"
     "(learn.every_h). What cannot be learned from these drives is said.",
     "patrolctl roads learn --from 2026-11-01", cmd_roads_learn},
    {"roads profiles", "[FILE]", "who drives, and by which rules",
     "Without FILE lists the profiles in force. With it checks the whole file\n"
     "and puts its profiles into force: what each may use and how long it\n"
     "takes is worked out anew from what the map said when it was imported,\n"
     "and a running gateway takes it over. --text prints what is in force, or\n"
     "what an import would use, to be edited.",
     "patrolctl roads profiles profiles.ini", cmd_roads_profiles},
    {"missions import", "FILE", "add or update missions",
     "Reads missions from a CSV (first line: column names) or from GeoJSON\n"
     "points. Columns or properties: name (or sending_state, operator), lat,\n"
     "lon, kind (or type), ref (or id, wikidata_qid). A mission that has a "
     "ref\n"
     "is known again by it, else by its name. What is wrong with a line is\n"
     "said, the others are imported. Zones are found by place.",
     "patrolctl missions import missions.csv", cmd_missions_import},
    {"posts import", "FILE", "add or update where units stand by",
     "Reads posts from a CSV (first line: column names) or from GeoJSON\n"
     "points. Columns or properties: name, lat, lon, kind (or type), ref (or\n"
     "id). A post that has a ref is known again by it, else by its name.",
     "patrolctl posts import posts.csv", cmd_posts_import},
    {"zones import", "FILE", "add or update zones",
     "Reads zones from GeoJSON polygons (properties name, promise_s,\n"
     "time_zone); a zone of the same name is replaced. Missions are assigned\n"
     "anew: to the smallest zone that holds them.",
     "patrolctl zones import zones.geojson --promise 300 "
     "--time-zone America/Havana",
     cmd_zones_import},
    {"unit add", "CALLSIGN", "make a unit known",
     "Adds a unit. One that is there already and the same is fine.",
     "patrolctl unit add M-07 --kind motorcycle --capability armed",
     cmd_unit_add},
    {"unit list", "", "units and their devices, from the database",
     "What the database knows of units; where they are: patrolctl units.",
     "patrolctl unit list", cmd_unit_list},
    {"unit show", "CALLSIGN", "all that is known of a unit now",
     "Where it is, whether it is heard, and what its vehicle says of itself:\n"
     "receiver, clock, power, reports that wait. What is not known is \"-\".",
     "patrolctl unit show P-01", cmd_unit_show},
    {"unit heard", "CALLSIGN [PLACE]", "note that a unit was heard by radio",
     "What its crew said by voice radio: PLACE in words or LAT,LON, its "
     "status.\n"
     "All consoles show it with its age until the vehicle reports a newer\n"
     "position. It never counts as a position or a status. Who noted it stays "
     "in\n"
     "the database.",
     "patrolctl unit heard P-01 '23 y L' --status busy --at 3m",
     cmd_unit_heard},
    {"unit seen", "CALLSIGN", "tell a crew that its panic was seen",
     "The crew's page shows that somebody has seen its panic, or the place "
     "it\n"
     "said, and when. Consoles do not ring for that panic any more.",
     "patrolctl unit seen P-01", cmd_unit_seen},
    {"unit pace", "[CALLSIGN]", "how closely a unit reports",
     "Shows what is set for the unit, or with --all for all units that have\n"
     "nothing of their own; with options sets it. A running gateway tells the\n"
     "vehicle, and GET /v1/units/CALLSIGN which revision is in force there.",
     "patrolctl unit pace P-01 --bound 10 --moving 5", cmd_unit_pace},
    {"unit enroll", "CALLSIGN", "give a unit's device its certificate",
     "Notes which unit the device is from now on, and writes its key, its\n"
     "certificate and the authority's. The device's name stands in the\n"
     "certificate and never changes; call signs may.",
     "patrolctl unit enroll P-01 --ca ca --out P-01", cmd_unit_enroll},
    {"ca init", "DIR", "make a certificate authority",
     "Makes DIR with a key and a certificate valid for ten years. Whoever\n"
     "has the key can be any vehicle or the gateway: keep it off line.",
     "patrolctl ca init ca", cmd_ca_init},
    {"ca server", "HOST...", "issue the broker's certificate",
     "For the host names and addresses that vehicles and gateways connect\n"
     "to.",
     "patrolctl ca server --ca ca --out certs mqtt.example.org", cmd_ca_server},
    {"ca client", "NAME", "issue a gateway's certificate",
     "The broker's access list knows the gateway as patrol-gateway. Devices\n"
     "get theirs by unit enroll.",
     "patrolctl ca client --ca ca --out certs patrol-gateway", cmd_ca_client},
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

/* The one with the most words: "missions import" before "missions". */
static const struct ctl_command *find(int argc, char **argv, int *words)
{
    const struct ctl_command *found = NULL;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        int count = matches(&commands[i], argc, argv);
        if (count > *words) {
            *words = count;
            found = &commands[i];
        }
    }
    return found;
}

/* Who types the last word only ("what-if") is told the whole. */
static enum ctl_exit complain_of(const char *word)
{
    const char *meant = NULL;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const char *last = strrchr(commands[i].words, ' ');
        if (last != NULL && strcmp(last + 1, word) == 0)
            meant = commands[i].words;
    }
    if (meant == NULL)
        ctl_complain("no command \"%s\"; --help lists them", word);
    else
        ctl_complain("no command \"%s\"; \"%s\" is one", word, meant);
    return CTL_USAGE;
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
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
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
    int words = 0;
    ctl.command = find(argc - 1, argv + 1, &words);
    if (ctl.command != NULL)
        return (int)ctl.command->run(&ctl, argc - 1 - words, argv + 1 + words);
    if (argc > 1)
        return (int)complain_of(argv[1]);
    print_usage(stderr);
    return CTL_USAGE;
}
