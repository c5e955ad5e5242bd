#define _GNU_SOURCE
#include "CSystemKit.h"
#include <errno.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/signalfd.h>
#include <unistd.h>

int csk_set_group_ids(uint32_t group) { return setresgid(group, group, group) < 0 ? -errno : 0; }

int csk_set_user_ids(uint32_t user) { return setresuid(user, user, user) < 0 ? -errno : 0; }

int csk_has_only_ids(uint32_t user, uint32_t group) {
    uid_t real_user, effective_user, saved_user;
    gid_t real_group, effective_group, saved_group;
    if (getresuid(&real_user, &effective_user, &saved_user) < 0) return 0;
    if (getresgid(&real_group, &effective_group, &saved_group) < 0) return 0;
    return real_user == user && effective_user == user && saved_user == user && real_group == group && effective_group == group &&
           saved_group == group;
}

int csk_is_elevated(void) { return getauxval(AT_SECURE) != 0; }

int csk_signal_descriptor(const int *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++) sigaddset(&set, signals[i]);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int csk_next_signal(int descriptor) {
    struct signalfd_siginfo facts;
    ssize_t count = read(descriptor, &facts, sizeof facts);
    if (count < 0) return errno == EAGAIN ? 0 : -errno;
    return count == sizeof facts ? (int)facts.ssi_signo : 0;
}

void csk_ignore_signal(int number) { signal(number, SIG_IGN); }
