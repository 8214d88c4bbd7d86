#include "power.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORD_MAX 32

/* --- the kernel's files ----------------------------------------------------
 */

/* The first line of root/supply/name. */
static bool read_word(int root, const char *supply, const char *name,
                      char ret[WORD_MAX])
{
    char path[512];
    int length = snprintf(path, sizeof(path), "%s/%s", supply, name);
    if (length < 0 || (size_t)length >= sizeof(path))
        return false;
    int fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, ret, WORD_MAX - 1);
    close(fd);
    if (size <= 0)
        return false;
    ret[size] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
    return true;
}

/* -1: no whole number from 0 to `max`. */
static int number(const char *word, int max)
{
    char *end;
    long value = strtol(word, &end, 10);
    bool good = end != word && *end == '\0' && value >= 0 && value <= max;
    return good ? (int)value : -1;
}

struct seen {
    bool online, offline;      /* feeds */
    bool charged, discharging; /* batteries */
    int percent;
};

static void look_at_feed(int root, const char *supply, struct seen *seen)
{
    char word[WORD_MAX];
    if (!read_word(root, supply, "online", word))
        return;
    int online = number(word, 255); /* 2: a voltage was negotiated */
    seen->online = seen->online || online > 0;
    seen->offline = seen->offline || online == 0;
}

static void look_at_battery(int root, const char *supply, struct seen *seen)
{
    char word[WORD_MAX];
    if (read_word(root, supply, "present", word) && strcmp(word, "0") == 0)
        return;
    if (read_word(root, supply, "status", word)) {
        if (strcmp(word, "Discharging") == 0)
            seen->discharging = true;
        else if (strcmp(word, "Unknown") != 0)
            seen->charged = true; /* Charging, Not charging, Full */
    }
    if (!read_word(root, supply, "capacity", word))
        return;
    int percent = number(word, 100);
    if (percent >= 0 && (seen->percent < 0 || percent < seen->percent))
        seen->percent = percent;
}

static void look_at(int root, const char *supply, struct seen *seen)
{
    char word[WORD_MAX];
    if (supply[0] == '.' ||
        (read_word(root, supply, "scope", word) && strcmp(word, "Device") == 0))
        return;
    if (!read_word(root, supply, "type", word))
        return;
    if (strcmp(word, "Battery") == 0 || strcmp(word, "UPS") == 0)
        look_at_battery(root, supply, seen);
    else
        look_at_feed(root, supply, seen);
}

struct power_state power_read(const char *root)
{
    struct seen seen = {.percent = -1};
    DIR *supplies = opendir(root);
    if (supplies != NULL) {
        const struct dirent *one = NULL;
        for (int i = 0; i < POWER_SUPPLIES_MAX + 2 && /* . and .. */
                        (one = readdir(supplies)) != NULL;
             i++)
            look_at(dirfd(supplies), one->d_name, &seen);
        closedir(supplies);
    }
    struct power_state state = {PT_POWER_UNKNOWN, seen.percent};
    if (seen.online || (seen.charged && !seen.discharging))
        state.source = PT_POWER_EXTERNAL;
    else if (seen.discharging || seen.offline)
        state.source = PT_POWER_BATTERY;
    return state;
}

/* --- now and then ----------------------------------------------------------
 */

struct power {
    uv_timer_t timer;
    uv_work_t work;
    bool under_way, closing, timer_closed;
    char *root;
    struct power_state found; /* the pool's while under way */
    struct power_state last;
    void (*closed)(void *context);
    void *closed_context;
};

static void finish_close(struct power *power)
{
    if (!power->timer_closed || power->under_way)
        return;
    if (power->closed != NULL)
        power->closed(power->closed_context);
    free(power->root);
    free(power);
}

static void read_on_pool(uv_work_t *work)
{
    struct power *power = work->data;
    power->found = power_read(power->root);
}

static void on_read(uv_work_t *work, int status)
{
    struct power *power = work->data;
    power->under_way = false;
    if (status == 0)
        power->last = power->found;
    if (power->closing)
        finish_close(power);
}

/* One that is still under way (a gauge that hangs) is not asked again. */
static void on_timer(uv_timer_t *timer)
{
    struct power *power = timer->data;
    if (!power->under_way)
        power->under_way = uv_queue_work(timer->loop, &power->work,
                                         read_on_pool, on_read) == 0;
}

enum pt_err power_new(uv_loop_t *loop, const char *root, struct power **ret)
{
    *ret = NULL;
    if (root[0] == '\0')
        return PT_OK;
    struct power *power = calloc(1, sizeof(*power));
    if (power == NULL)
        return PT_E_NOMEM;
    power->root = strdup(root);
    if (power->root == NULL) {
        free(power);
        return PT_E_NOMEM;
    }
    power->last.battery_percent = -1;
    uv_timer_init(loop, &power->timer);
    power->timer.data = power->work.data = power;
    (void)uv_timer_start(&power->timer, on_timer, 0, POWER_EVERY_MS);
    *ret = power;
    return PT_OK;
}

struct power_state power_last(const struct power *power)
{
    if (power == NULL)
        return (struct power_state){PT_POWER_UNKNOWN, -1};
    return power->last;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct power *power = handle->data;
    power->timer_closed = true;
    finish_close(power);
}

void power_close(struct power *power, void (*done)(void *), void *context)
{
    if (power == NULL) {
        if (done != NULL)
            done(context);
        return;
    }
    power->closing = true;
    power->closed = done;
    power->closed_context = context;
    if (power->under_way)
        (void)uv_cancel((uv_req_t *)&power->work); /* if not yet begun */
    uv_close((uv_handle_t *)&power->timer, on_timer_closed);
}
