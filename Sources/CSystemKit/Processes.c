#define _GNU_SOURCE
#include "CSystemKit.h"
#include <errno.h>
#include <malloc.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int add_actions(posix_spawn_file_actions_t *actions, const struct csk_descriptor_move *moves, const int *copies,
                       size_t move_count, int above) {
    int error = 0;
    // Close what lies between the targets, then fill the targets, then close everything above them.
    for (int fd = 0; fd < above && !error; fd++) {
        int is_target = 0;
        for (size_t i = 0; i < move_count; i++) is_target |= moves[i].to == fd;
        if (!is_target) error = posix_spawn_file_actions_addclose(actions, fd);
    }
    for (size_t i = 0; i < move_count && !error; i++) error = posix_spawn_file_actions_adddup2(actions, copies[i], moves[i].to);
    if (!error) error = posix_spawn_file_actions_addclosefrom_np(actions, above);
    return error;
}

static int set_attributes(posix_spawnattr_t *attributes, const struct csk_spawn_options *options) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    int error = posix_spawnattr_setsigmask(attributes, &none);
    if (!error) error = posix_spawnattr_setsigdefault(attributes, &all);
    if (options && options->new_session) {
        flags |= POSIX_SPAWN_SETSID;
    } else if (options && options->new_group) {
        flags |= POSIX_SPAWN_SETPGROUP;
        if (!error) error = posix_spawnattr_setpgroup(attributes, 0);
    }
    return error ? error : posix_spawnattr_setflags(attributes, flags);
}

int csk_spawn(const char *path, char *const arguments[], char *const environment[], const struct csk_descriptor_move *moves,
              size_t move_count, const struct csk_spawn_options *options) {
    // The number that the gap-closing loop may count to; no program of ours has more.
    enum { MOVES_MAX = 256, TARGET_MAX = 1024 };
    if (move_count > MOVES_MAX) return -EINVAL;
    int above = 0;
    for (size_t i = 0; i < move_count; i++) {
        if (moves[i].to < 0 || moves[i].to >= TARGET_MAX) return -EINVAL;
        if (moves[i].to >= above) above = moves[i].to + 1;
    }

    // Every source is first copied above every target: after that no dup2 can overwrite a source that is still needed.
    int copies[MOVES_MAX];
    size_t copied = 0;
    int error = 0;
    for (; copied < move_count && !error; copied++) {
        copies[copied] = fcntl(moves[copied].from, F_DUPFD_CLOEXEC, above);
        if (copies[copied] < 0) { error = errno; break; }
    }

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t child = -1;
    if (!error) error = posix_spawn_file_actions_init(&actions);
    if (!error) {
        error = posix_spawnattr_init(&attributes);
        if (!error) {
            if (options && options->working_directory)
                error = posix_spawn_file_actions_addchdir_np(&actions, options->working_directory);
            if (!error) error = add_actions(&actions, moves, copies, move_count, above);
            if (!error) error = set_attributes(&attributes, options);
            if (!error) error = posix_spawn(&child, path, &actions, &attributes, arguments, environment);
            posix_spawnattr_destroy(&attributes);
        }
        posix_spawn_file_actions_destroy(&actions);
    }
    for (size_t i = 0; i < copied; i++) close(copies[i]);
    return error ? -error : (int)child;
}

int csk_status_exited(int status) { return WIFEXITED(status); }
int csk_status_exit_code(int status) { return WEXITSTATUS(status); }
int csk_status_signal(int status) { return WIFSIGNALED(status) ? WTERMSIG(status) : 0; }

char **csk_environment(void) { return environ; }

int csk_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0; }

int64_t csk_raise_open_files(int64_t maximum) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -(int64_t)errno;
    rlim_t wanted = limit.rlim_max < (rlim_t)maximum ? limit.rlim_max : (rlim_t)maximum;
    if (wanted > limit.rlim_cur) {
        limit.rlim_cur = wanted;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return -(int64_t)errno;
    }
    return limit.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_cur;
}

void csk_keep_free_memory(int trim, int map) {
    mallopt(M_TRIM_THRESHOLD, trim);
    mallopt(M_MMAP_THRESHOLD, map);
}

void csk_give_free_memory_back(void) { malloc_trim(0); }
