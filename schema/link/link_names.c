#include "backoff.h"
#include "link_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "patrol/v1/"

static const char *const kinds[LINK_TOPIC_COUNT] = {
    "report", "receipt", "order", "settings", "presence", "probe",
};

static bool device_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static bool device_valid(const char *name, size_t length)
{
    if (length < 1 || length > LINK_DEVICE_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!device_char(name[i]))
            return false;
    return true;
}

bool link_device_valid(const char *name)
{
    return name != NULL && device_valid(name, strlen(name));
}

void link_topic(enum link_topic kind, const char *device,
                char ret[LINK_TOPIC_MAX])
{
    char *at = stpcpy(ret, PREFIX);
    at = mempcpy(at, device, strnlen(device, LINK_DEVICE_MAX));
    *at++ = '/';
    strcpy(at, kinds[kind]);
}

bool link_topic_parse(const char *topic, enum link_topic *kind, char *device)
{
    if (strncmp(topic, PREFIX, strlen(PREFIX)) != 0)
        return false;
    const char *name = topic + strlen(PREFIX);
    const char *end = strchr(name, '/');
    if (end == NULL || !device_valid(name, (size_t)(end - name)))
        return false;
    for (int i = 0; i < LINK_TOPIC_COUNT; i++) {
        if (strcmp(end + 1, kinds[i]) != 0)
            continue;
        memcpy(device, name, (size_t)(end - name));
        device[end - name] = '\0';
        *kind = (enum link_topic)i;
        return true;
    }
    return false;
}

static enum pt_err port_parse(const char *text, uint16_t *ret)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return PT_E_CONFIG;
    unsigned long port = strtoul(text, &end, 10);
    if (*end != '\0' || port < 1 || port > UINT16_MAX)
        return PT_E_CONFIG;
    *ret = (uint16_t)port;
    return PT_OK;
}

/* "name", "name:1", "1.2.3.4:1", "[::1]", "[::1]:1"; "::1" without brackets
 * has two colons or more and so no port. */
static enum pt_err broker_parse(char *word, uint16_t default_port,
                                struct link_broker *ret)
{
    char *host = word;
    char *port = NULL;
    if (word[0] == '[') {
        host = word + 1;
        char *close = strchr(host, ']');
        if (close == NULL || (close[1] != '\0' && close[1] != ':'))
            return PT_E_CONFIG;
        port = close[1] == ':' ? close + 2 : NULL;
        *close = '\0';
    } else {
        char *colon = strchr(word, ':');
        if (colon != NULL && strchr(colon + 1, ':') == NULL) {
            *colon = '\0';
            port = colon + 1;
        }
    }
    if (host[0] == '\0' || strlen(host) > LINK_HOST_MAX)
        return PT_E_CONFIG;
    struct link_broker broker = {.port = default_port};
    memcpy(broker.host, host, strlen(host) + 1);
    if (port != NULL && port_parse(port, &broker.port) != PT_OK)
        return PT_E_CONFIG;
    *ret = broker;
    return PT_OK;
}

enum pt_err link_brokers_parse(const char *list, uint16_t default_port,
                               struct link_broker *brokers, size_t *ret)
{
    static const char blanks[] = " \t\r\n,";
    size_t count = 0;
    for (;;) {
        list += strspn(list, blanks);
        size_t length = strcspn(list, blanks);
        if (length == 0)
            break;
        char word[LINK_HOST_MAX + sizeof("[]:65535")];
        if (length >= sizeof(word))
            return PT_E_CONFIG;
        if (count == LINK_BROKERS_MAX)
            return PT_E_FULL;
        memcpy(word, list, length);
        word[length] = '\0';
        enum pt_err err = broker_parse(word, default_port, &brokers[count]);
        if (err != PT_OK)
            return err;
        count++;
        list += length;
    }
    if (count == 0)
        return PT_E_CONFIG;
    *ret = count;
    return PT_OK;
}

#define KICKED_MAX 3 /* closed so often early on: it is another client */

bool link_tries_lost(struct link_tries *tries, uint64_t up_ms,
                     bool closed_by_peer)
{
    bool stable = up_ms >= LINK_STABLE_MS;
    tries->failures = stable ? 1 : tries->failures + 1;
    if (closed_by_peer && up_ms > 0 && !stable)
        tries->kicked++;
    else
        tries->kicked = 0;
    return tries->kicked >= KICKED_MAX;
}

uint64_t link_wait_ms(unsigned failures, size_t brokers, bool taken_over,
                      uint32_t random)
{
    static const struct backoff retry = {.first_ms = 1000, .max_ms = 60000};
    if (taken_over)
        return 60000 + random % 15000;
    size_t rounds = failures == 0 ? 0 : (failures - 1) / brokers;
    return backoff_wait_ms(&retry, (unsigned)rounds, random);
}
