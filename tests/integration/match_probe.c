/* A drive matched to a network that is given as nodes and arcs.
 *
 *   match_probe NODES ARCS TRACK
 *
 * NODES: "lon lat" a line; ARCS: "tail head", line numbers of nodes, from 0;
 * TRACK: "lon lat seconds". Two arcs between the same nodes, one each way,
 * are one street. Says, a line each:
 *
 *   drive ARC            the arcs of the whole drive, in order
 *   follow FIX ARC       where each fix was put as it came; -1: nowhere
 */
#include "match.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct arc {
    uint32_t tail, head;
    uint32_t line;
};

struct net {
    size_t node_count, arc_count, fix_count, edge_count;
    struct geo_point *nodes;
    struct arc *arcs;
    struct match_fix *fixes;
    struct roads_edge_row *rows;
    struct geo_point *points; /* two an edge */
    int64_t *arc_of;          /* by directed edge; -1: none */
};

static void *more(void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0) /* room is doubled at powers of two */
        return array;
    void *bigger = reallocarray(array, count == 0 ? 1 : 2 * count, size);
    if (bigger == NULL)
        abort();
    return bigger;
}

static FILE *opened(const char *name)
{
    FILE *file = fopen(name, "r");
    if (file == NULL) {
        perror(name);
        exit(1);
    }
    return file;
}

static void read_files(struct net *net, char **names)
{
    double lon, lat, seconds;
    struct arc arc = {0};
    FILE *file = opened(names[0]);
    while (fscanf(file, "%lf %lf", &lon, &lat) == 2) {
        net->nodes = more(net->nodes, net->node_count, sizeof(*net->nodes));
        net->nodes[net->node_count++] = geo_from_deg(lat, lon);
    }
    fclose(file);
    file = opened(names[1]);
    while (fscanf(file, "%" SCNu32 " %" SCNu32, &arc.tail, &arc.head) == 2) {
        if (arc.tail >= net->node_count || arc.head >= net->node_count)
            exit(1);
        net->arcs = more(net->arcs, net->arc_count, sizeof(*net->arcs));
        arc.line = (uint32_t)net->arc_count;
        net->arcs[net->arc_count++] = arc;
    }
    fclose(file);
    file = opened(names[2]);
    while (fscanf(file, "%lf %lf %lf", &lon, &lat, &seconds) == 3) {
        net->fixes = more(net->fixes, net->fix_count, sizeof(*net->fixes));
        net->fixes[net->fix_count++] =
            (struct match_fix){.time_ms = llround(seconds * 1000),
                               .at = geo_from_deg(lat, lon),
                               .accuracy_m = -1,
                               .course_deg = -1,
                               .speed_mps = -1};
    }
    fclose(file);
}

static uint32_t low(const struct arc *a)
{
    return a->tail < a->head ? a->tail : a->head;
}

static uint32_t high(const struct arc *a)
{
    return a->tail < a->head ? a->head : a->tail;
}

static int by_ends(const void *left, const void *right)
{
    const struct arc *a = left, *b = right;
    if (low(a) != low(b))
        return low(a) < low(b) ? -1 : 1;
    if (high(a) != high(b))
        return high(a) < high(b) ? -1 : 1;
    return a->line < b->line ? -1 : a->line > b->line;
}

static void add_edge(struct net *net, const struct arc *arc)
{
    size_t e = net->edge_count++;
    net->points[2 * e] = net->nodes[arc->tail];
    net->points[2 * e + 1] = net->nodes[arc->head];
    double length_m =
        geo_distance_m(net->points[2 * e], net->points[2 * e + 1]);
    net->rows[e] = (struct roads_edge_row){
        .way_id = 1,
        .source = arc->tail + 1,
        .target = arc->head + 1,
        .forward_ms = (uint32_t)fmax(1, length_m * 72), /* 50 km/h */
        .length_m = (float)length_m,
        .point_count = 2,
        .points = &net->points[2 * e]};
    net->arc_of[2 * e] = arc->line;
    net->arc_of[2 * e + 1] = -1;
}

static void make_edges(struct net *net)
{
    size_t most = net->arc_count;
    net->points = calloc(2 * most, sizeof(*net->points));
    net->rows = calloc(most, sizeof(*net->rows));
    net->arc_of = calloc(2 * most, sizeof(*net->arc_of));
    if (net->points == NULL || net->rows == NULL || net->arc_of == NULL)
        abort();
    qsort(net->arcs, net->arc_count, sizeof(*net->arcs), by_ends);
    for (size_t i = 0; i < net->arc_count; i++) {
        const struct arc *arc = &net->arcs[i];
        const struct arc *last = i > 0 ? arc - 1 : NULL;
        size_t e = net->edge_count - 1; /* of `last` */
        if (last != NULL && last->tail == arc->head &&
            last->head == arc->tail && net->arc_of[2 * e + 1] < 0) {
            net->arc_of[2 * e + 1] = arc->line;
            net->rows[e].backward_ms = net->rows[e].forward_ms;
        } else {
            add_edge(net, arc);
        }
    }
}

static enum pt_err say_drive(const struct net *net, struct match *match)
{
    struct match_drive drive;
    enum pt_err err = match_drive(match, net->fixes, net->fix_count, &drive);
    if (err != PT_OK)
        return err;
    for (size_t i = 0; i < drive.edge_count; i++)
        printf("drive %" PRId64 "\n", net->arc_of[drive.edges[i]]);
    match_drive_clear(&drive);
    return PT_OK;
}

static void say_follow(const struct net *net, struct match *match)
{
    static struct match_track track;
    for (size_t i = 0; i < net->fix_count; i++) {
        struct match_place place;
        enum pt_err err = match_follow(match, &track, &net->fixes[i], &place);
        printf("follow %zu %" PRId64 "\n", i,
               err == PT_OK ? net->arc_of[place.directed] : -1);
    }
}

int main(int argc, char **argv)
{
    static struct net net;
    struct roads *roads = NULL;
    struct match *match = NULL;
    if (argc != 4)
        return 2;
    read_files(&net, argv + 1);
    make_edges(&net);
    enum pt_err err = roads_new(
        &(struct roads_rows){.edges = net.rows, .edge_count = net.edge_count},
        &roads);
    if (err == PT_OK)
        err = match_new(roads, &match_defaults, &match);
    if (err == PT_OK)
        err = say_drive(&net, match);
    if (err == PT_OK)
        say_follow(&net, match);
    else
        fprintf(stderr, "%s\n", pt_strerror(err));
    match_free(match);
    roads_unref(roads);
    free(net.nodes);
    free(net.arcs);
    free(net.fixes);
    free(net.points);
    free(net.rows);
    free(net.arc_of);
    return err == PT_OK ? 0 : 1;
}
