/* The store: takes every message as it comes over the wire, into a file that is synced, with its name, before the 250. No mail system:
 * no header is looked at, no dot removed, nothing is checked. What it takes in a second is what generator, network, file system and disk
 * leave to any. A thread for each connection. */

#include "mailload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, TAIL = 5 };

static const char *directory;
static int directory_fd;
static uint64_t files;

static void say(int fd, const char *text) {
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text)) pthread_exit(NULL);
}

/* Everything up to the lone dot; what came before in `buffer` has its end there. */
static void content(int fd, char *buffer) {
    char path[4096], tail[TAIL] = {0};
    snprintf(path, sizeof path, "%s/%llu", directory, (unsigned long long)__atomic_add_fetch(&files, 1, __ATOMIC_RELAXED));
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) die("%s: %s", path, strerror(errno));
    while (memcmp(tail, "\r\n.\r\n", TAIL) != 0) {
        size_t have = 0;
        ssize_t got;
        /* Whole pieces, as far as the client has more. */
        do {
            got = recv(fd, buffer + have, READ_SIZE - have, 0);
            if (got <= 0) pthread_exit(NULL);
            size_t new = (size_t)got < TAIL ? (size_t)got : TAIL;
            memmove(tail, tail + new, TAIL - new);
            memcpy(tail + TAIL - new, buffer + have + got - new, new);
            have += (size_t)got;
        } while (have < READ_SIZE && memcmp(tail, "\r\n.\r\n", TAIL) != 0);
        if (write(file, buffer, have) != (ssize_t)have) die("%s: %s", path, strerror(errno));
    }
    if (fdatasync(file) != 0 || fsync(directory_fd) != 0) die("%s: %s", path, strerror(errno));
    close(file);
}

static void *serve(void *argument) {
    int fd = (int)(intptr_t)argument, yes = 1;
    char line[4096], *buffer = malloc(READ_SIZE);
    if (!buffer) die("no memory");
    pthread_detach(pthread_self());
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    say(fd, "220 store.test ESMTP\r\n");
    for (;;) {
        /* A source that does not pipeline sends one command at a time. */
        ssize_t got = recv(fd, line, sizeof line - 1, 0);
        if (got <= 0) break;
        line[got] = 0;
        if (strncasecmp(line, "DATA", 4) == 0) {
            say(fd, "354 Go on\r\n");
            content(fd, buffer);
            say(fd, "250 2.0.0 Ok: stored\r\n");
        } else if (strncasecmp(line, "QUIT", 4) == 0) {
            say(fd, "221 2.0.0 Bye\r\n");
            break;
        } else {
            say(fd, "250 2.0.0 Ok\r\n");
        }
    }
    free(buffer);
    close(fd);
    return NULL;
}

int run_store(const struct options *options) {
    unsigned count;
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons(options->port),
                               .sin_addr.s_addr = htonl(loopback_address(options->addresses[0], &count))};
    directory = options->directory;
    if (!directory || (directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) die("store: a directory is needed (-w)");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&name, sizeof name) != 0 || listen(listener, 4096) != 0)
        die("store: port %u: %s", options->port, strerror(errno));
    for (;;) {
        pthread_t thread;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) continue;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0) die("no thread");
    }
}
