// What a set-id program takes over from its caller, and gives up before anything else of it runs.
#define _GNU_SOURCE
#include "CSystemKit.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

// The only variables that pass. glibc itself confines TZ of a set-id program to its own directory of time zones.
static const char *const passed[] = { "MAIL_CONFIG=", "TZ=" };

static int is_passed(const char *variable) {
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
        if (strncmp(variable, passed[i], strlen(passed[i])) == 0) return 1;
    return 0;
}

// Runs before the constructors of every library: the Swift runtime reads variables of its own (SWIFT_...) when it starts, among them
// names of libraries to load, and knows of no set-id programs.
static void drop_environment(int argc, char **argv, char **environment) {
    (void)argc;
    (void)argv;
    if (!getauxval(AT_SECURE)) return;
    char **kept = environment;
    for (char **next = environment; *next; next++)
        if (is_passed(*next)) *kept++ = *next;
    *kept = NULL;
}

__attribute__((section(".preinit_array"), used)) static void (*const before_all_else)(int, char **, char **) = drop_environment;

int csk_drop_inheritance(void) {
    // Signals that a caller ignores stay ignored over execve(2). A child must be waited for; a file that grows over RLIMIT_FSIZE is an
    // error of write(2) then.
    signal(SIGCHLD, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    if (!getauxval(AT_SECURE)) return 0;
    if (close_range(3, ~0U, 0) < 0 && errno != ENOSYS) return -errno;
    struct rlimit none = { 0, 0 };
    if (setrlimit(RLIMIT_CORE, &none) < 0) return -errno;
    // The kernel has done this already (execve(2)); it is not to depend on that.
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

ssize_t csk_directory_records(int fd, void *buffer, size_t size) {
    ssize_t count = getdents64(fd, buffer, size);
    return count < 0 ? -errno : count;
}
