/* The source: N sessions that send M messages, at a fixed rate or as fast as they are taken; prints one JSON object.
 *
 * The latency is from just before the call that gave the last octet of the content to the kernel (on loopback the reply can be there when
 * that call returns) to the moment when the reply was read. With a rate, message K is due at start + K/rate whatever became of those before
 * it, so that a slow server does not slow its own measurement down; if all sessions are busy then it waits, and counts as late. */

#include "mailload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

enum { REPLY_LIMIT = 4096, SILENCE_MS = 120000 };
enum step { CLOSED, GREETING, HELLO, IDLE, ENVELOPE, CONTENT, GOODBYE };

struct session {
    enum step step;
    int fd;
    size_t message, answered; /* the message's number; replies to its MAIL, RCPT... and DATA so far */
    struct iovec out[2];
    int out_count;
    char *text; /* commands, or the head of the content */
    char in[REPLY_LIMIT];
    size_t in_length;
    uint64_t dot;
};

static const struct options *options;
static struct sockaddr_in server;
static int epoll;
static char *body;
static size_t body_length, text_size;
static size_t begun, finished, late;
static uint64_t started, *latencies;
static struct session **waiting; /* sessions with nothing to do */
static size_t waiting_count;

static void flush(struct session *session) {
    if (!session->out_count) return;
    while (session->out_count) {
        struct msghdr message = {.msg_iov = session->out, .msg_iovlen = (size_t)session->out_count};
        session->dot = now_ns();
        ssize_t sent = sendmsg(session->fd, &message, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN) return;
            die("source: send: %s", strerror(errno));
        }
        size_t left = (size_t)sent;
        while (session->out_count && left >= session->out[0].iov_len) {
            left -= session->out[0].iov_len;
            session->out[0] = session->out[1];
            session->out_count--;
        }
        if (session->out_count) {
            session->out[0].iov_base = (char *)session->out[0].iov_base + left;
            session->out[0].iov_len -= left;
        }
    }
}

static void send_text(struct session *session, size_t length) {
    session->out[0] = (struct iovec){session->text, length};
    session->out_count = 1;
    flush(session);
}

static size_t rcpt(char *at, size_t room, size_t message, size_t recipient) {
    size_t length = (size_t)snprintf(at, room, "RCPT TO:<");
    for (const char *c = options->recipient; *c && length < room; c++) {
        if (c[0] == '%' && (c[1] == 'm' || c[1] == 'r' || c[1] == 'd')) {
            c++;
            length += (size_t)snprintf(at + length, room - length, "%zu",
                                       *c == 'm'   ? message
                                       : *c == 'r' ? recipient
                                                   : recipient % options->domains);
        } else {
            at[length++] = *c;
        }
    }
    return length + (size_t)snprintf(at + length, room - length, ">\r\n");
}

/* The command of a message that the reply number `number` will answer. */
static size_t envelope_command(char *at, size_t room, size_t message, size_t number) {
    if (number == 0) return (size_t)snprintf(at, room, "MAIL FROM:<%s>\r\n", options->sender);
    if (number <= options->recipients) return rcpt(at, room, message, number - 1);
    return (size_t)snprintf(at, room, "DATA\r\n");
}

static void begin_message(struct session *session) {
    size_t length = 0;
    session->step = ENVELOPE;
    session->answered = 0;
    for (size_t n = 0; n < (options->pipelines ? options->recipients + 2 : 1); n++)
        length += envelope_command(session->text + length, text_size - length, session->message, n);
    send_text(session, length);
}

static void open_connection(struct session *session) {
    int yes = 1;
    session->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (session->fd < 0) die("source: socket: %s", strerror(errno));
    setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(session->fd, (struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS)
        die("source: connect: %s", strerror(errno));
    session->step = GREETING;
    session->in_length = 0;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = session};
    epoll_ctl(epoll, EPOLL_CTL_ADD, session->fd, &event);
}

static uint64_t due(size_t message) {
    return options->rate > 0 ? started + (uint64_t)((double)message * 1e9 / options->rate) : started;
}

/* Gives messages that are due to sessions that wait. */
static void dispatch(void) {
    uint64_t now = now_ns();
    while (waiting_count && begun < options->messages && due(begun) <= now) {
        struct session *session = waiting[--waiting_count];
        if (options->rate > 0 && now - due(begun) > 10000000) late++;
        session->message = begun++;
        if (session->step == CLOSED) open_connection(session);
        else begin_message(session);
    }
}

static void wait_for_work(struct session *session) {
    /* At the end of the queue, so that all sessions take part at low rates too. */
    memmove(waiting + 1, waiting, waiting_count++ * sizeof *waiting);
    waiting[0] = session;
}

static void replied(struct session *session, const char *reply) {
    char kind = reply[0];
    switch (session->step) {
    case GREETING:
        if (kind != '2') break;
        session->step = HELLO;
        send_text(session, (size_t)snprintf(session->text, text_size, "EHLO source.test\r\n"));
        return;
    case HELLO:
        if (kind != '2') break;
        begin_message(session);
        return;
    case ENVELOPE:
        if (kind != (session->answered == options->recipients + 1 ? '3' : '2')) break;
        session->answered++;
        if (session->answered == options->recipients + 2) {
            size_t head = (size_t)snprintf(session->text, text_size, "Message-Id: <%zu.%llx@source.test>\r\n", session->message,
                                           (unsigned long long)started);
            session->step = CONTENT;
            session->out[0] = (struct iovec){session->text, head};
            session->out[1] = (struct iovec){body, body_length};
            session->out_count = 2;
            flush(session);
        } else if (!options->pipelines) {
            send_text(session, envelope_command(session->text, text_size, session->message, session->answered));
        }
        return;
    case CONTENT:
        if (kind != '2') break;
        latencies[finished++] = now_ns() - session->dot;
        if (options->keeps) {
            session->step = IDLE;
            wait_for_work(session);
        } else {
            session->step = GOODBYE;
            send_text(session, (size_t)snprintf(session->text, text_size, "QUIT\r\n"));
        }
        return;
    case GOODBYE:
        close(session->fd);
        session->step = CLOSED;
        wait_for_work(session);
        return;
    default: break;
    }
    die("source: message %zu, step %d: %.200s", session->message, session->step, reply);
}

static void readable(struct session *session) {
    for (;;) {
        ssize_t got = recv(session->fd, session->in + session->in_length, REPLY_LIMIT - 1 - session->in_length, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) die("source: message %zu, step %d: connection lost", session->message, session->step);
        session->in_length += (size_t)got;
        session->in[session->in_length] = 0;
        char *at = session->in, *newline;
        while ((newline = memchr(at, '\n', (size_t)(session->in + session->in_length - at)))) {
            char *line = at;
            at = newline + 1;
            /* RFC 5321 section 4.2.1: a hyphen after the code says that more lines follow. */
            if (newline - line < 4 || line[3] == '-') continue;
            replied(session, line);
            if (session->step == CLOSED) return;
        }
        session->in_length -= (size_t)(at - session->in);
        memmove(session->in, at, session->in_length);
        if (session->in_length == REPLY_LIMIT - 1) die("source: reply without end");
    }
}

static void make_body(void) {
    static const char head[] =
        "From: <phil@sender.test>\r\nTo: <matt@elsewhere.test>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nSubject: load\r\n\r\n";
    body = malloc(sizeof head + options->size + 128);
    if (!body) die("no memory");
    body_length = sizeof head - 1;
    memcpy(body, head, body_length);
    for (size_t left = options->size; left > 0;) {
        size_t length = left < 80 ? left : 80;
        memset(body + body_length, 'X', length);
        memcpy(body + body_length + (length > 2 ? length - 2 : length), "\r\n", 2);
        body_length += length > 2 ? length : length + 2;
        left -= length;
    }
    memcpy(body + body_length, ".\r\n", 3);
    body_length += 3;
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double percentile(double part) {
    size_t index = (size_t)(part * (double)(finished - 1) + 0.5);
    return (double)latencies[index] / 1000;
}

int run_source(const struct options *chosen) {
    unsigned count;
    options = chosen;
    server = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(options->port), .sin_addr.s_addr = htonl(loopback_address(options->addresses[0], &count))};
    make_body();
    text_size = 256 + strlen(options->sender) + (options->pipelines ? options->recipients : 1) * (strlen(options->recipient) + 64);
    struct session *sessions = calloc(options->sessions, sizeof *sessions);
    waiting = calloc(options->sessions + 1, sizeof *waiting);
    latencies = calloc(options->messages, sizeof *latencies);
    if (!sessions || !waiting || !latencies) die("no memory");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event ticking = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &ticking);
    for (size_t i = 0; i < options->sessions; i++) {
        sessions[i].text = malloc(text_size);
        if (!sessions[i].text) die("no memory");
        wait_for_work(&sessions[i]);
    }
    started = now_ns();
    dispatch();
    while (finished < options->messages) {
        struct epoll_event events[256];
        if (options->rate > 0 && begun < options->messages) {
            uint64_t next = due(begun);
            struct itimerspec when = {.it_value = {.tv_sec = (time_t)(next / 1000000000u), .tv_nsec = (long)(next % 1000000000u)}};
            if (waiting_count) timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
        }
        int ready = epoll_wait(epoll, events, 256, SILENCE_MS);
        if (ready == 0) die("source: nothing happens: %zu of %zu", finished, options->messages);
        if (ready < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < ready; i++) {
            struct session *session = events[i].data.ptr;
            uint64_t ticks;
            if (!session) {
                /* Only to be armed again; that nothing is there is well too. */
                if (read(timer, &ticks, sizeof ticks) < 0 && errno != EAGAIN) die("source: timer: %s", strerror(errno));
                continue;
            }
            if (session->step == CLOSED) continue;
            if (events[i].events & EPOLLOUT) flush(session);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(session);
        }
        dispatch();
    }
    double seconds = (double)(now_ns() - started) / 1e9;
    for (size_t i = 0; i < options->sessions; i++) {
        if (sessions[i].step == IDLE && send(sessions[i].fd, "QUIT\r\n", 6, MSG_NOSIGNAL) < 0) die("source: quit: %s", strerror(errno));
    }
    qsort(latencies, finished, sizeof *latencies, by_size);
    printf(
        "{\"messages\": %zu, \"seconds\": %.6f, \"late\": %zu, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
        finished, seconds, late, percentile(0.5), percentile(0.9), percentile(0.99), percentile(1));
    return 0;
}
