#ifndef HTTP_SQL_H
#define HTTP_SQL_H
/* Pieces of statements whose answers the database writes as JSON. Private to
 * http. */

/* RFC 3339. */
#define SQL_TIME(column)                      \
    "to_char(" column " AT TIME ZONE 'UTC', " \
    "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

#endif
