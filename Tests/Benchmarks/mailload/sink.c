/* The sink: takes every message and throws it away; counts. Speaks as much ESMTP as a delivery agent needs, with PIPELINING. */

#include "mailload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_LIMIT = 2048, READ_SIZE = 256 * 1024, TAIL = 4 };

struct client {
    int fd, is_listener, in_data, quits;
    char line[LINE_LIMIT];
    size_t line_length;
    char tail[TAIL]; /* the last octets of the content so far: the end may come in pieces */
    size_t recipients;
};

static struct counts *counts;
static char input[READ_SIZE];
static char output[64 * 1024];
static size_t output_length;

static void reply(const char *text) {
    size_t length = strlen(text);
    if (output_length + length > sizeof output) die("sink: replies without end");
    memcpy(output + output_length, text, length);
    output_length += length;
}

static void command(struct client *client, const char *line, size_t length) {
    if (length >= 4 && strncasecmp(line, "RCPT", 4) == 0) {
        client->recipients++;
        reply("250 2.1.5 Ok\r\n");
    } else if (length >= 4 && strncasecmp(line, "MAIL", 4) == 0) {
        client->recipients = 0;
        reply("250 2.1.0 Ok\r\n");
    } else if (length >= 4 && strncasecmp(line, "DATA", 4) == 0) {
        /* RFC 5321 section 4.1.1.4: a lone dot in the first line ends the content too. */
        client->in_data = 1;
        memcpy(client->tail, "\0\0\r\n", TAIL);
        reply("354 Go on\r\n");
    } else if (length >= 4 && strncasecmp(line, "EHLO", 4) == 0) {
        reply("250-sink.test\r\n250-PIPELINING\r\n250-SIZE\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n");
    } else if (length >= 4 && strncasecmp(line, "QUIT", 4) == 0) {
        client->quits = 1;
        reply("221 2.0.0 Bye\r\n");
    } else {
        reply("250 2.0.0 Ok\r\n");
    }
}

/* Content up to the end of the message or of what was read; returns how much it took. */
static size_t content(struct client *client, const char *data, size_t length) {
    static const char end[] = "\r\n.\r\n";
    char seam[2 * TAIL];
    size_t head = length < TAIL ? length : TAIL, taken = length;
    memcpy(seam, client->tail, TAIL);
    memcpy(seam + TAIL, data, head);
    const char *found = memmem(seam, TAIL + head, end, 5);
    if (found) {
        taken = (size_t)(found + 5 - seam) - TAIL;
    } else if ((found = memmem(data, length, end, 5))) {
        taken = (size_t)(found + 5 - data);
    }
    counts->bytes += taken;
    if (found) {
        client->in_data = 0;
        counts->recipients += client->recipients;
        __atomic_store_n(&counts->messages, counts->messages + 1, __ATOMIC_RELEASE);
        reply("250 2.0.0 Ok: taken\r\n");
    } else if (length >= TAIL) {
        memcpy(client->tail, data + length - TAIL, TAIL);
    } else {
        memmove(client->tail, client->tail + length, TAIL - length);
        memcpy(client->tail + TAIL - length, data, length);
    }
    return taken;
}

static void finish(struct client *client) {
    close(client->fd);
    free(client);
}

static void readable(struct client *client) {
    ssize_t got = recv(client->fd, input, sizeof input, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        finish(client);
        return;
    }
    output_length = 0;
    for (size_t at = 0; at < (size_t)got && !client->quits;) {
        size_t left = (size_t)got - at;
        if (client->in_data) {
            at += content(client, input + at, left);
            continue;
        }
        const char *newline = memchr(input + at, '\n', left);
        size_t piece = newline ? (size_t)(newline - (input + at)) + 1 : left;
        if (client->line_length + piece > LINE_LIMIT) {
            finish(client);
            return;
        }
        memcpy(client->line + client->line_length, input + at, piece);
        client->line_length += piece;
        at += piece;
        if (newline) {
            command(client, client->line, client->line_length);
            client->line_length = 0;
        }
    }
    /* Replies are short and loopback takes them whole; a client that does not read them is dropped. */
    if (output_length && send(client->fd, output, output_length, MSG_NOSIGNAL) != (ssize_t)output_length) client->quits = 1;
    if (client->quits) finish(client);
}

static void listen_on(int epoll, uint32_t address, uint16_t port) {
    int yes = 1;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    struct client *listener = calloc(1, sizeof *listener);
    if (!listener) die("no memory");
    listener->is_listener = 1;
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener->fd, (struct sockaddr *)&name, sizeof name) != 0 || listen(listener->fd, 4096) != 0)
        die("sink: port %u: %s", port, strerror(errno));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener->fd, &event);
}

static void accept_all(int epoll, int listener) {
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        static const char greeting[] = "220 sink.test ESMTP\r\n";
        struct client *client = calloc(1, sizeof *client);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        if (!client) die("no memory");
        client->fd = fd;
        counts->connections++;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        if (send(fd, greeting, sizeof greeting - 1, MSG_NOSIGNAL) < 0) finish(client);
    }
}

int run_sink(const struct options *options) {
    static struct counts own;
    counts = &own;
    if (options->counts) {
        int fd = open(options->counts, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || ftruncate(fd, sizeof own) != 0) die("%s: %s", options->counts, strerror(errno));
        counts = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (counts == MAP_FAILED) die("%s: %s", options->counts, strerror(errno));
        close(fd);
    }
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < options->address_count; i++) {
        unsigned count;
        uint32_t address = loopback_address(options->addresses[i], &count);
        for (unsigned offset = 0; offset < count; offset++) listen_on(epoll, address + offset, options->port);
    }
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll, events, 256, -1);
        if (ready < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (client->is_listener) accept_all(epoll, client->fd);
            else readable(client);
        }
    }
}
