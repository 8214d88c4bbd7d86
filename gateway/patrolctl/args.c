/* Options and help: one table says both. */
#include "patrolctl_internal.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void ctl_complain(const char *format, ...)
{
    char text[1024];
    char clean[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* libpq's messages end in a newline, some hold several lines. */
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        text[--length] = 0;
    for (char *at = text; (at = strchr(at, '\n')) != NULL;)
        *at = ' ';
    ctl_clean(text, clean, sizeof clean);
    fprintf(stderr, "patrolctl: %s\n", clean);
}

static void print_option(const struct ctl_option *option)
{
    char left[64];
    snprintf(left, sizeof left, "%s%c%s--%s%s%s",
             option->letter != 0 ? "-" : "",
             option->letter != 0 ? option->letter : ' ',
             option->letter != 0 ? ", " : "   ", option->name,
             option->argument != NULL ? " " : "",
             option->argument != NULL ? option->argument : "");
    printf("  %-30s %s\n", left, option->help);
}

static void print_help(const struct ctl_command *command,
                       const struct ctl_option *own,
                       const struct ctl_option *common)
{
    printf("usage: patrolctl %s %s%s[options]\n\n%s\n\noptions:\n",
           command->words, command->arguments,
           *command->arguments != 0 ? " " : "", command->about);
    for (; own->name != NULL; own++)
        print_option(own);
    for (; common->name != NULL; common++)
        print_option(common);
    printf("\nexample:\n  %s\n", command->example);
}

/* The option that `word` names; `*value` is what stands in the same word
 * ("--name=value", "-xvalue"), or NULL. */
static const struct ctl_option *match(const struct ctl_option *options,
                                      const char *word, const char **value)
{
    for (; options->name != NULL; options++) {
        size_t length = strlen(options->name);
        *value = NULL;
        if (word[1] == '-' && strncmp(word + 2, options->name, length) == 0 &&
            (word[2 + length] == 0 || word[2 + length] == '=')) {
            if (word[2 + length] == '=')
                *value = word + 3 + length;
            return options;
        }
        if (word[1] != '-' && options->letter != 0 &&
            word[1] == options->letter) {
            if (word[2] != 0)
                *value = word + 2;
            return options;
        }
    }
    return NULL;
}

static bool set_number(const struct ctl_option *option, const char *value)
{
    char *end = NULL;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (errno != 0 || end == value || *end != 0 || number < option->least ||
        number > option->most) {
        ctl_complain("--%s: \"%s\" is not a number from %ld to %ld",
                     option->name, value, option->least, option->most);
        return false;
    }
    *(long *)option->value = number;
    return true;
}

static bool set_time(const struct ctl_option *option, const char *value)
{
    struct ctl_time *ret = option->value;
    enum ctl_tense tense = option->type == CTL_SINCE ? CTL_PAST : CTL_COMING;
    if (!ctl_read_time(value, time(NULL), tense, ret->text)) {
        ctl_complain("--%s: \"%s\" is not a time: 90m, 2h, 3d, 18:30, "
                     "2026-01-31, \"2026-01-31 18:30\" or "
                     "2026-01-31T18:30:00Z",
                     option->name, value);
        return false;
    }
    ret->at = ret->text;
    return true;
}

static bool set_option(const struct ctl_option *option, const char *value)
{
    if (option->type == CTL_SINCE || option->type == CTL_UNTIL)
        return set_time(option, value);
    if (option->type == CTL_TEXT) {
        *(const char **)option->value = value;
        return true;
    }
    if (option->type == CTL_NUMBER)
        return set_number(option, value);
    struct ctl_list *list = option->value;
    if (list->count == CTL_LIST_MAX) {
        ctl_complain("--%s: more than %d times", option->name, CTL_LIST_MAX);
        return false;
    }
    list->items[list->count++] = value;
    return true;
}

/* Takes one option from argv[*at] on; false after a complaint. */
static bool take_option(const struct ctl_option *own,
                        const struct ctl_option *common, int argc, char **argv,
                        int *at)
{
    const char *value = NULL;
    const struct ctl_option *option = match(own, argv[*at], &value);
    if (option == NULL)
        option = match(common, argv[*at], &value);
    if (option == NULL) {
        ctl_complain("no option %s (--help lists them)", argv[*at]);
        return false;
    }
    if (option->type == CTL_FLAG) {
        if (value != NULL) {
            ctl_complain("--%s takes no value", option->name);
            return false;
        }
        *(bool *)option->value = true;
        return true;
    }
    if (value == NULL && *at + 1 >= argc) {
        ctl_complain("--%s needs %s", option->name, option->argument);
        return false;
    }
    return set_option(option, value != NULL ? value : argv[++*at]);
}

/* "-23.5,-46.6" is a place south of the equator, not an option. */
static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != 0 && word[1] != '.' &&
           !(word[1] >= '0' && word[1] <= '9');
}

bool ctl_parse(struct ctl *ctl, const struct ctl_option *options, int argc,
               char **argv, int least, int most, enum ctl_exit *ret)
{
    bool help = false;
    const struct ctl_option common[] = {
        {"database", 'd', CTL_TEXT, &ctl->database, "CONNINFO",
         "the database, as libpq takes it (PATROL_DATABASE)", 0, 0},
        {"gateway", 'g', CTL_TEXT, &ctl->gateway, "URL",
         "the gateway (PATROL_GATEWAY)", 0, 0},
        {"json", 0, CTL_FLAG, &ctl->json, NULL, "JSON instead of a table", 0,
         0},
        {"help", 'h', CTL_FLAG, &help, NULL, "this page", 0, 0},
        {.name = NULL},
    };
    *ret = CTL_USAGE;
    ctl->argv = argv;
    ctl->argc = 0;
    bool options_over = false;
    for (int i = 0; i < argc; i++) {
        if (!options_over && strcmp(argv[i], "--") == 0)
            options_over = true;
        else if (options_over || !is_option(argv[i]))
            ctl->argv[ctl->argc++] = argv[i];
        else if (!take_option(options, common, argc, argv, &i))
            return false;
    }
    if (help) {
        print_help(ctl->command, options, common);
        *ret = CTL_OK;
        return false;
    }
    if (ctl->argc < least || ctl->argc > most) {
        ctl_complain("usage: patrolctl %s %s", ctl->command->words,
                     ctl->command->arguments);
        return false;
    }
    return true;
}

enum ctl_exit ctl_table_show(const struct ctl_table *table)
{
    if (ctl_table_print(table, stdout) == PT_OK)
        return CTL_OK;
    ctl_complain("out of memory");
    return CTL_REFUSED;
}

const char *ctl_language(const char *asked)
{
    static const char *const names[] = {"en", "es", "fr"};
    const char *spoken[] = {getenv("LC_ALL"), getenv("LC_MESSAGES"),
                            getenv("LANG")};
    const char *wanted = asked;
    for (size_t i = 0; wanted == NULL && i < sizeof spoken / sizeof *spoken;
         i++)
        if (spoken[i] != NULL && *spoken[i] != '\0')
            wanted = spoken[i]; /* "es_CU.UTF-8" */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (wanted != NULL && strncmp(wanted, names[i], 2) == 0 &&
            (asked == NULL || asked[2] == '\0'))
            return names[i];
    if (asked == NULL)
        return names[0];
    ctl_complain("--language: en, es or fr is expected");
    return NULL;
}
