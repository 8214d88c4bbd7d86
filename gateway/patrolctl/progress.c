#include "patrolctl_internal.h"
#include <string.h>
#include <unistd.h>

#define BAR_CELLS 40

void ctl_progress_start(struct ctl_progress *progress)
{
    *progress = (struct ctl_progress){
        .terminal = isatty(STDERR_FILENO) == 1,
        .percent = -1,
    };
}

static void draw_bar(int percent, const char *phase)
{
    char bar[BAR_CELLS + 1];
    int full = percent * BAR_CELLS / 100;
    memset(bar, '#', (size_t)full);
    memset(bar + full, '.', (size_t)(BAR_CELLS - full));
    bar[BAR_CELLS] = 0;
    fprintf(stderr, "\r%-24s [%s] %3d %%", phase, bar, percent);
    fflush(stderr);
}

void ctl_progress_show(struct ctl_progress *progress, double share,
                       const char *phase)
{
    bool new_phase =
        progress->phase == NULL || strcmp(progress->phase, phase) != 0;
    int percent = (int)(share * 100);
    percent = percent < 0 ? 0 : percent > 100 ? 100 : percent;
    if (!new_phase && percent <= progress->percent)
        return;
    progress->phase = phase;
    progress->percent = percent;
    if (progress->terminal)
        draw_bar(percent, phase);
    else if (new_phase)
        fprintf(stderr, "%s ...\n", phase);
}

void ctl_progress_end(struct ctl_progress *progress)
{
    if (progress->terminal && progress->phase != NULL)
        fprintf(stderr, "\r\033[K");
    progress->phase = NULL;
}
