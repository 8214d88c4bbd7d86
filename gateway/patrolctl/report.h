#ifndef PATROLCTL_REPORT_H
#define PATROLCTL_REPORT_H
/* The parts of a coverage report: a page of HTML that asks for nothing else.
 * Whatever the gateway says is shown as text. */
#include "http_client.h"
#include <stdio.h>

enum report_language { REPORT_EN, REPORT_ES, REPORT_FR, REPORT_LANGUAGES };

/* Every word of the page: English, Spanish, French. */
#define REPORT_WORDS(X)                                                        \
    X(TITLE, "Coverage report", "Informe de cobertura",                        \
      "Rapport de couverture")                                                 \
    X(AS_OF, "As of", "A las", "État à")                                       \
    X(ALL_TIMES, "Times of day are UTC.", "Las horas son UTC.",                \
      "Les heures sont UTC.")                                                  \
    X(ONLY_ZONE, "Only the zone", "Sólo la zona", "Seulement la zone")         \
    X(NOW, "Now", "Ahora", "Maintenant")                                       \
    X(UNITS_COUNT, "units that count", "unidades que cuentan",                 \
      "unités qui comptent")                                                   \
    X(MISSIONS_IN, "missions with a unit in time",                             \
      "misiones con una unidad a tiempo", "missions avec une unité à temps")   \
    X(STREETS_IN, "of the streets with a unit in time",                        \
      "de las calles con una unidad a tiempo",                                 \
      "des rues avec une unité à temps")                                       \
    X(MISSIONS_OUT, "missions out of cover", "misiones sin cobertura",         \
      "missions à découvert")                                                  \
    X(MADE_BY, "Profile %s, street network %s; a mission is to have %s.",      \
      "Perfil %s, red de calles %s; una misión ha de tener %s.",               \
      "Profil %s, réseau de rues %s ; une mission doit avoir %s.")             \
    X(IN_TIME_UNITS, "units in time", "unidades a tiempo", "unités à temps")   \
    X(ONE_UNIT, "1 unit in time", "1 unidad a tiempo", "1 unité à temps")      \
    X(INCOMPLETE,                                                              \
      "Not complete when this was made: parts of the gateway did "             \
      "not answer.",                                                           \
      "Incompleto cuando se hizo: partes de la pasarela no respondían.",       \
      "Incomplet à ce moment : des parties de la passerelle ne répondaient " \
      "pas.")                                                                  \
    X(ZONES, "Zones", "Zonas", "Zones")                                        \
    X(ZONE, "Zone", "Zona", "Zone")                                            \
    X(ALL, "All", "Todo", "Ensemble")                                          \
    X(PROMISE, "Promise", "Promesa", "Promesse")                               \
    X(MISSIONS, "Missions", "Misiones", "Missions")                            \
    X(STREETS_KM, "Streets km", "Calles km", "Rues km")                        \
    X(BY_1, "1 unit %", "1 unidad %", "1 unité %")                             \
    X(BY_2, "2 %", "2 %", "2 %")                                               \
    X(BY_3, "3 %", "3 %", "3 %")                                               \
    X(LOST, "LOST", "PERDIDA", "PERDUE")                                       \
    X(MAP, "Streets by the arrival of the first unit",                         \
      "Calles según la llegada de la primera unidad",                          \
      "Rues selon l'arrivée de la première unité")                             \
    X(UP_TO, "up to %s min", "hasta %s min", "jusqu'à %s min")                 \
    X(LONGER, "longer than %s min", "más de %s min", "plus de %s min")         \
    X(NOBODY, "nobody comes", "no llega nadie", "personne n'arrive")           \
    X(GAP_AREA, "out of the promise (number: see the list of gaps)",           \
      "fuera de la promesa (número: véase la lista)",                          \
      "hors de la promesse (numéro : voir la liste)")                          \
    X(MISSION_IN, "mission in cover", "misión con cobertura",                  \
      "mission couverte")                                                      \
    X(MISSION_OUT, "mission out of cover", "misión sin cobertura",             \
      "mission à découvert")                                                   \
    X(GAPS, "Streets that nobody reaches in time",                             \
      "Calles a las que nadie llega a tiempo",                                 \
      "Rues que personne n'atteint à temps")                                   \
    X(NO_GAPS, "Every street with a promise is within it.",                    \
      "Toda calle con promesa está dentro de ella.",                           \
      "Toute rue avec une promesse est dans celle-ci.")                        \
    X(MORE_GAPS, "%s more, shorter ones, are not listed.",                     \
      "No se listan %s más, más cortas.",                                      \
      "%s autres, plus courtes, ne sont pas listées.")                         \
    X(LENGTH, "km", "km", "km")                                                \
    X(WORST, "Worst min", "Peor min", "Pire min")                              \
    X(THEIR_MISSIONS, "Missions there", "Misiones allí", "Missions là")        \
    X(MISSION, "Mission", "Misión", "Mission")                                 \
    X(IN_TIME, "In time", "A tiempo", "À temps")                               \
    X(FIRST, "First", "Primera", "Première")                                   \
    X(SECOND, "Second", "Segunda", "Deuxième")                                 \
    X(THIRD, "Third", "Tercera", "Troisième")                                  \
    X(NO_ROAD, "no road near", "sin calle cerca", "sans rue proche")           \
    X(PAST, "The past", "El pasado", "Le passé")                               \
    X(SPAN, "From %s to %s.", "Desde %s hasta %s.", "De %s à %s.")             \
    X(STORED,                                                                  \
      "The first stored position of that time is of %s, the last of %s.",      \
      "La primera posición guardada de ese tiempo es de %s, la última de %s.", \
      "La première position gardée de ce temps est de %s, la dernière de %s.") \
    X(NOTHING_KNOWN, "No positions are stored of that time.",                  \
      "No hay posiciones guardadas de ese tiempo.",                            \
      "Aucune position n'est gardée de ce temps.")                             \
    X(OTHER_STREETS,                                                           \
      "Some of it was driven on other streets than today's, "                  \
      "by which all is judged.",                                               \
      "Parte de ello se condujo por otras calles que las de hoy, con las que " \
      "se juzga todo.",                                                        \
      "Une partie fut conduite sur d'autres rues que celles d'aujourd'hui, "   \
      "selon lesquelles tout est jugé.")                                       \
    X(BY_HOUR, "Out of cover by hour of the week, % of the missions' time",    \
      "Sin cobertura por hora de la semana, % del tiempo de las misiones",     \
      "À découvert par heure de la semaine, % du temps des missions")          \
    X(LOCAL_HOURS, "Hours are local, by each mission's zone.",                 \
      "Las horas son locales, según la zona de cada misión.",                  \
      "Les heures sont locales, selon la zone de chaque mission.")             \
    X(MINUTES_OUT, "Minutes out", "Minutos sin", "Minutes à déc.")             \
    X(SHARE_OUT, "% of the time", "% del tiempo", "% du temps")                \
    X(OUTAGES, "Times", "Veces", "Fois")                                       \
    X(LONGEST, "Longest min", "La más larga min", "La plus longue min")        \
    X(LONGEST_FROM, "From", "Desde", "Depuis")                                 \
    X(PASSES, "Passes", "Pasos", "Passages")                                   \
    X(UNPASSED, "Longest without h", "Sin paso más largo h",                   \
      "Sans passage au plus h")                                                \
    X(DAYS, "Mon|Tue|Wed|Thu|Fri|Sat|Sun", "lun|mar|mié|jue|vie|sáb|dom",      \
      "lun|mar|mer|jeu|ven|sam|dim")                                           \
    X(CREDIT,                                                                  \
      "Streets: see the operator's source; © OpenStreetMap contributors "     \
      "where theirs.",                                                         \
      "Calles: según la fuente del operador; © colaboradores de "            \
      "OpenStreetMap donde son suyas.",                                        \
      "Rues : selon la source de l'opérateur ; © les contributeurs "         \
      "d'OpenStreetMap le cas échéant.")

enum report_word {
#define REPORT_WORD_ENUM(name, en, es, fr) WORD_##name,
    REPORT_WORDS(REPORT_WORD_ENUM)
#undef REPORT_WORD_ENUM
};

/* All of it borrowed; parts that are not there are NULL. */
struct report {
    FILE *out;
    enum report_language language;
    const char *zone; /* as asked for */
    const json_t *coverage, *gaps, *streets, *missions, *zones, *past;
};

const char *report_say(const struct report *r, enum report_word word);
/* As text within an element or a quoted attribute. */
void report_text(const struct report *r, const char *text);
/* <td>; NULL: a dash. */
void report_cell(const struct report *r, const char *text);
/* <td class="n">, with the language's comma; below 0 with `known` false. */
void report_number(const struct report *r, bool known, double value,
                   int decimals);
/* "2026-11-21 13:27" of an RFC 3339 time in UTC; NULL: a dash. In `out`. */
#define REPORT_TIME_SIZE 24
const char *report_time(const char *text, char out[REPORT_TIME_SIZE]);
/* A row of headings: words, -2 for an empty one, and -1 after the last. */
void report_head(const struct report *r, const int *words);
/* A sentence of REPORT_WORDS whose %s are these. */
void report_fill(const struct report *r, enum report_word word,
                 const char *const *texts);

void report_page(const struct report *r);
void report_map(const struct report *r);  /* report_map.c */
void report_past(const struct report *r); /* report_past.c */

/* The box around what the report is about, in degrees: west, south, east,
 * north. False when there is nothing. */
bool report_box(const struct report *r, double box[4]);

/* Gaps with a number on the map and a row in the list. */
#define REPORT_GAPS_MAX 20

#endif
