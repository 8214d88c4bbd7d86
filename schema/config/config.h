#ifndef PT_CONFIG_H
#define PT_CONFIG_H
/* config: a program's settings, from one table of section, name, type,
 * default and range, read from an INI file (inih) and overridden by
 * -o section.name=value. Main thread, at start.
 *
 * An unknown section or name, a value out of range or of the wrong type, and
 * a setting given twice in the file are errors that name file, line, setting
 * and what was expected. Lines that start with ";" or "#" are comments, and
 * so is what follows " ;". Limits: a file of 1 MiB, a line of 198 bytes
 * (inih's), comments of any length, an override's value of 1023 bytes. */
#include "pt_err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
    CONFIG_TEXT,   /* char *, owned by the settings struct */
    CONFIG_INT,    /* int64_t within [min, max], decimal */
    CONFIG_REAL,   /* double within [min, max], finite */
    CONFIG_LIMIT,  /* the same with min >= 0, or "no", which becomes -1 */
    CONFIG_BOOL,   /* bool: yes/no, true/false, on/off, 1/0 */
    CONFIG_CHOICE, /* int: index into the space-separated `choices` */
};

struct config_option {
    const char *section;
    const char *name;
    enum config_type type;
    size_t offset;       /* of the field in the program's settings struct */
    const char *initial; /* default, as it would stand in the file; NULL is
                            "", for CONFIG_TEXT only */
    double min, max;     /* CONFIG_INT (below 2^53), _REAL and _LIMIT */
    const char *choices; /* CONFIG_CHOICE */
    const char *help;    /* one line, for --help-config and the sample file */
};

/* Fills `settings` with the defaults, then with the file (NULL: none), then
 * with the `overrides` ("section.name=value"); what the texts held before is
 * neither read nor freed. On failure `message` (of `message_size` bytes) says
 * what is wrong and where, and `settings` holds nothing that needs freeing:
 * PT_E_CONFIG, PT_E_DISK when the file cannot be read, PT_E_NOMEM. */
PT_MUST_CHECK enum pt_err config_load(const struct config_option *options,
                                      size_t option_count, const char *file,
                                      const char *const *overrides,
                                      size_t override_count, void *settings,
                                      char *message, size_t message_size);

/* The same from a text instead of a file; `source` is what messages call it. */
PT_MUST_CHECK enum pt_err config_load_text(const struct config_option *options,
                                           size_t option_count,
                                           const char *text, const char *source,
                                           void *settings, char *message,
                                           size_t message_size);

/* Frees the texts that config_load() put into `settings`. */
void config_clear(const struct config_option *options, size_t option_count,
                  void *settings);

/* Prints every option with its default and help as a sample file. */
void config_print_sample(const struct config_option *options,
                         size_t option_count);

#endif
