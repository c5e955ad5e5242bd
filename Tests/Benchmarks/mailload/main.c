/* mailload: command line and what source and sink share. See mailload.h. */

#include "mailload.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const char usage[] = "usage: mailload source -p port [-a address] [-s sessions] [-m messages] [-l size] [-f sender] [-t recipient] "
                            "[-r recipients] [-D domains]\n"
                            "                       [-k] [-P] [-R rate]\n"
                            "       mailload sink -p port [-a address[+count]]... [-c countsfile]\n"
                            "       mailload store -p port -w directory [-a address]\n"
                            "  -k keeps connections; -P pipelines the envelope; in the recipient %m, %r and %d are the number of the "
                            "message, the recipient and the domain\n";

uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("mailload: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

uint32_t loopback_address(const char *text, unsigned *count) {
    char address[32];
    const char *plus = strchr(text, '+');
    size_t length = plus ? (size_t)(plus - text) : strlen(text);
    struct in_addr parsed;
    if (length >= sizeof address) die("%s: not an address", text);
    memcpy(address, text, length);
    address[length] = 0;
    *count = plus ? (unsigned)strtoul(plus + 1, NULL, 10) : 1;
    if (inet_pton(AF_INET, address, &parsed) != 1 || (ntohl(parsed.s_addr) >> 24) != 127 || *count < 1 || *count > 250)
        die("%s: not of loopback", text);
    return ntohl(parsed.s_addr);
}

static size_t number(const char *text, size_t least, size_t most) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end || end == text || value < least || value > most) die("%s: not a number from %zu to %zu", text, least, most);
    return value;
}

int main(int argc, char **argv) {
    struct options options = {.sessions = 1,
                              .messages = 1,
                              .size = 4096,
                              .recipients = 1,
                              .domains = 1,
                              .sender = "phil@sender.test",
                              .recipient = "matt@elsewhere.test"};
    int letter;
    if (argc < 2) die("%s", usage);
    const char *mode = argv[1];
    optind = 2;
    while ((letter = getopt(argc, argv, "a:p:s:m:l:f:t:r:D:kPR:c:w:")) != -1) {
        switch (letter) {
        case 'a':
            if (options.address_count == sizeof options.addresses / sizeof options.addresses[0]) die("too many addresses");
            options.addresses[options.address_count++] = optarg;
            break;
        case 'p': options.port = (uint16_t)number(optarg, 1, 65535); break;
        case 's': options.sessions = number(optarg, 1, 20000); break;
        case 'm': options.messages = number(optarg, 1, 100000000); break;
        case 'l': options.size = number(optarg, 0, 1u << 30); break;
        case 'f': options.sender = optarg; break;
        case 't': options.recipient = optarg; break;
        case 'r': options.recipients = number(optarg, 1, 100000); break;
        case 'D': options.domains = number(optarg, 1, 100000); break;
        case 'k': options.keeps = 1; break;
        case 'P': options.pipelines = 1; break;
        case 'R': options.rate = strtod(optarg, NULL); break;
        case 'c': options.counts = optarg; break;
        case 'w': options.directory = optarg; break;
        default: die("%s", usage);
        }
    }
    if (optind != argc || !options.port) die("%s", usage);
    if (!options.address_count) options.addresses[options.address_count++] = "127.0.0.1";
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (strcmp(mode, "source") == 0) return run_source(&options);
    if (strcmp(mode, "sink") == 0) return run_sink(&options);
    if (strcmp(mode, "store") == 0) return run_store(&options);
    die("%s", usage);
}
