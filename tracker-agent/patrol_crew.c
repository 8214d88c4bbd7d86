/* patrol-crew: what the crew's page does, in a terminal of the vehicle's
 * computer, by the agent's socket. */
#include "crew.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/patrol-tracker/crew.sock"
#define PATIENCE_S 5
#define ANSWER_MAX 65536

struct arguments {
    const char *socket;
    bool json;
    const char *act, *text;
};

static void usage(FILE *out)
{
    fputs("usage: patrol-crew [-j] [-s SOCKET] [ACT]\n"
          "Says to the tracker-agent of this vehicle what its crew does, and "
          "shows what\nhas become of it.\n\n"
          "  status STATUS  available, en_route, on_scene, busy or off_duty\n"
          "  logon NAMES    who the crew is\n"
          "  logoff         nobody; off duty\n"
          "  place WORDS    where we are; \"\" takes it back\n"
          "  panic\n\n"
          "  -s SOCKET      crew_page.socket of the agent, "
          "default\n                 " DEFAULT_SOCKET "\n"
          "  -j             as JSON\n"
          "  --version, --help\n",
          out);
}

/* --- asking -------------------------------------------------------------- */

static int reach(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ==
            0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ==
            0 &&
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int failed = errno;
    close(fd);
    errno = failed;
    return -1;
}

/* The whole answer into `ret`, ended by a 0. */
static bool ask(int fd, const char *request, char ret[ANSWER_MAX])
{
    size_t length = strlen(request), got = 0;
    if (send(fd, request, length, MSG_NOSIGNAL) != (ssize_t)length)
        return false;
    for (;;) {
        ssize_t more = recv(fd, ret + got, ANSWER_MAX - 1 - got, 0);
        if (more < 0)
            return false;
        got += (size_t)more;
        if (more == 0 || got == ANSWER_MAX - 1)
            break;
    }
    ret[got] = '\0';
    return got > 0;
}

/* Read again under the same key it is the same act: said once. */
static char *body_of(const struct arguments *arguments)
{
    struct timespec now;
    char key[CREW_KEY_MAX + 1];
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(key, sizeof(key), "%lld.%09ld-%d", (long long)now.tv_sec,
             now.tv_nsec, (int)getpid());
    json_t *body = json_pack("{s:s, s:s}", "key", key, "act", arguments->act);
    if (body != NULL && arguments->text != NULL)
        json_object_set_new(
            body, strcmp(arguments->act, "status") == 0 ? "status" : "text",
            json_string(arguments->text));
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

static char *request_of(const struct arguments *arguments)
{
    char *body = NULL, *request = NULL;
    int size;
    if (arguments->act == NULL) {
        size = asprintf(&request, "GET /state HTTP/1.1\r\n"
                                  "Connection: close\r\n\r\n");
        return size < 0 ? NULL : request;
    }
    body = body_of(arguments);
    if (body == NULL)
        return NULL;
    size = asprintf(&request,
                    "POST /acts HTTP/1.1\r\nConnection: close\r\n"
                    "Content-Type: application/json\r\n"
                    "Content-Length: %zu\r\n\r\n%s",
                    strlen(body), body);
    free(body);
    return size < 0 ? NULL : request;
}

/* --- showing ------------------------------------------------------------- */

static const char *text_in(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "-";
}

#define CLOCK_BYTES 16

/* The local time of a member in milliseconds; false and "": not there. */
static bool clock_in(const json_t *object, const char *name,
                     char ret[CLOCK_BYTES])
{
    struct tm tm;
    time_t at =
        (time_t)(json_integer_value(json_object_get(object, name)) / 1000);
    ret[0] = '\0';
    return at > 0 && localtime_r(&at, &tm) != NULL &&
           strftime(ret, CLOCK_BYTES, "%H:%M:%S", &tm) > 0;
}

static void print_since(const json_t *object, const char *name)
{
    char clock[CLOCK_BYTES];
    bool known = clock_in(object, name, clock);
    printf("%s%s", known ? "  since " : "", clock);
}

static void print_known(const char *name, const json_t *object,
                        const char *member, const char *since)
{
    printf("%-9s %s", name, text_in(object, member));
    print_since(object, since);
    putchar('\n');
}

static void print_receiver(const json_t *receiver)
{
    const json_t *age = json_object_get(receiver, "age_s");
    const json_t *accuracy = json_object_get(receiver, "accuracy_m");
    printf("%-9s %s", "position", text_in(receiver, "mode"));
    if (json_is_real(age))
        printf(", %.0f s old", json_real_value(age));
    if (json_is_real(accuracy))
        printf(", +-%.0f m", json_real_value(accuracy));
    putchar('\n');
}

static void print_acts(const json_t *acts)
{
    size_t i;
    json_t *act;
    json_array_foreach(acts, i, act)
    {
        const char *what = text_in(act, "act");
        bool status = strcmp(what, "status") == 0;
        char clock[CLOCK_BYTES], seen[CLOCK_BYTES];
        bool is_seen = clock_in(act, "seen_at", seen);
        (void)clock_in(act, "at", clock);
        printf("%s  %-6s  %-6s  %s%s%s\n", clock, text_in(act, "delivery"),
               what, text_in(act, status ? "status" : "text"),
               is_seen ? "  seen at " : "", seen);
    }
}

static void print_state(const json_t *state)
{
    const json_t *crew = json_object_get(state, "crew");
    const json_t *outbox = json_object_get(state, "outbox");
    printf("%-9s %s\n", "unit", text_in(state, "unit"));
    print_known("crew", crew, "name", "logged_on_at");
    print_known("status", crew, "status", "status_at");
    print_known("place", crew, "place", "place_at");
    print_receiver(json_object_get(state, "receiver"));
    printf("%-9s %s\n", "control",
           text_in(json_object_get(state, "link"), "state"));
    printf("%-9s %" JSON_INTEGER_FORMAT "\n", "to send",
           json_integer_value(json_object_get(outbox, "entries")));
    print_acts(json_object_get(state, "acts"));
}

static int show(const struct arguments *arguments, const char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n");
    if (body == NULL || strncmp(answer, "HTTP/1.1 200 ", 13) != 0) {
        json_t *said = body == NULL ? NULL : json_loads(body + 4, 0, NULL);
        fprintf(stderr, "patrol-crew: the agent did not take it: %s\n",
                text_in(said, "problem"));
        json_decref(said);
        return EXIT_FAILURE;
    }
    if (arguments->json) {
        puts(body + 4);
        return EXIT_SUCCESS;
    }
    json_t *state = json_loads(body + 4, 0, NULL);
    if (state == NULL) {
        fputs("patrol-crew: the answer cannot be read\n", stderr);
        return EXIT_FAILURE;
    }
    print_state(state);
    json_decref(state);
    return EXIT_SUCCESS;
}

/* --- command line -------------------------------------------------------- */

/* An act, and its text if it takes one. */
static bool parse_act(int argc, char **argv, struct arguments *ret)
{
    static const struct {
        const char *act;
        int texts;
    } acts[] = {
        {"status", 1}, {"logon", 1}, {"logoff", 0}, {"place", 1}, {"panic", 0}};
    if (argc == 0)
        return true;
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
        if (strcmp(argv[0], acts[i].act) == 0 && argc == 1 + acts[i].texts) {
            ret->act = argv[0];
            ret->text = argv[1]; /* NULL behind the last */
            return true;
        }
    return false;
}

static void parse_arguments(int argc, char **argv, struct arguments *ret)
{
    static const struct option words[] = {
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    *ret = (struct arguments){.socket = DEFAULT_SOCKET};
    int option;
    while ((option = getopt_long(argc, argv, "js:h", words, NULL)) != -1) {
        if (option == 'j') {
            ret->json = true;
        } else if (option == 's') {
            ret->socket = optarg;
        } else if (option == 'h' || option == 'v') {
            if (option == 'h')
                usage(stdout);
            else
                puts("patrol-crew " PT_VERSION);
            exit(EXIT_SUCCESS);
        } else {
            usage(stderr);
            exit(2);
        }
    }
    if (!parse_act(argc - optind, argv + optind, ret)) {
        usage(stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static char answer[ANSWER_MAX];
    struct arguments arguments;
    parse_arguments(argc, argv, &arguments);
    char *request = request_of(&arguments);
    if (request == NULL) {
        fputs("patrol-crew: not UTF-8, or no memory\n", stderr);
        return EXIT_FAILURE;
    }
    int fd = reach(arguments.socket);
    bool answered = fd >= 0 && ask(fd, request, answer);
    if (!answered)
        fprintf(stderr, "patrol-crew: no answer at %s: %s\n", arguments.socket,
                strerror(errno));
    if (fd >= 0)
        close(fd);
    free(request);
    return answered ? show(&arguments, answer) : EXIT_FAILURE;
}
