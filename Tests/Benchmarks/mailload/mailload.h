/* mailload: a small, fast SMTP load generator and sink for the benchmarks.
 *
 * It exists because the measurements need what Postfix's smtp-source and smtp-sink do not have: a fixed rate, the time from the final dot
 * to its 250, recipients in many domains, and a sink whose counts can be read while it runs. One thread and one epoll loop each, so that
 * the generator takes little of the machine that is measured.
 *
 * Security posture: for tests only. It binds and connects to loopback addresses and nothing else, and opens one file: the counts; the store, one for each message.
 * Known limits: IPv4; no TLS; a server's refusal ends the run, because a benchmark with refusals measures nothing. */

#ifndef MAILLOAD_H
#define MAILLOAD_H

#include <stddef.h>
#include <stdint.h>

struct options {
    const char *addresses[8]; /* A.B.C.D or A.B.C.D+COUNT, the latter for sinks that listen on many */
    size_t address_count;
    uint16_t port;
    size_t sessions, messages, size, recipients, domains;
    const char *sender, *recipient;
    int keeps, pipelines;
    double rate;        /* messages a second; 0: as fast as it goes */
    const char *counts; /* sink: the file that holds struct counts */
    const char *directory; /* store: where the files go */
};

/* What the sink has seen, in a file that others map or read at any time. */
struct counts {
    uint64_t messages, recipients, bytes, connections;
};

int run_source(const struct options *options);
int run_sink(const struct options *options);
int run_store(const struct options *options);

/* Shared by both. */
uint64_t now_ns(void);
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* The host-order IPv4 address of a text that must be of 127.0.0.0/8; *count is what follows a plus sign, else 1. */
uint32_t loopback_address(const char *text, unsigned *count);

#endif
