#define _GNU_SOURCE
#include "CSystemKit.h"
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// glibc has no wrappers for capget(2) and capset(2); libcap would be one more library in a root process for two calls.
static int get_sets(struct __user_cap_data_struct sets[2]) {
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };
    return syscall(SYS_capget, &header, sets) < 0 ? -errno : 0;
}

int csk_limit_bounding_set(uint64_t wanted) {
    for (int number = 0; number < 64; number++) {
        if (wanted >> number & 1) continue;
        int has = prctl(PR_CAPBSET_READ, number, 0, 0, 0);
        if (has < 0) break; // above the last one that this kernel knows
        if (has && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0) return -errno;
    }
    return 0;
}

int csk_limit_capabilities(uint64_t wanted) {
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL) return -errno;
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };
    struct __user_cap_data_struct sets[2];
    int error = get_sets(sets);
    if (error) return error;
    for (int i = 0; i < 2; i++) {
        uint32_t part = (uint32_t)(wanted >> (32 * i));
        sets[i].permitted &= part;
        sets[i].effective = sets[i].permitted;
        sets[i].inheritable = 0;
    }
    return syscall(SYS_capset, &header, sets) < 0 ? -errno : 0;
}

int csk_has_capabilities_beyond(uint64_t wanted) {
    struct __user_cap_data_struct sets[2];
    int error = get_sets(sets);
    if (error) return error;
    for (int i = 0; i < 2; i++) {
        uint32_t beyond = ~(uint32_t)(wanted >> (32 * i));
        if ((sets[i].permitted | sets[i].effective | sets[i].inheritable) & beyond) return 1;
    }
    for (int number = 0; number < 64; number++) {
        if (wanted >> number & 1) continue;
        if (prctl(PR_CAPBSET_READ, number, 0, 0, 0) > 0) return 1;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, number, 0, 0) > 0) return 1;
    }
    return 0;
}

int csk_has_capability(int number) {
    struct __user_cap_data_struct sets[2];
    if (number < 0 || number > 63 || get_sets(sets)) return 0;
    return (int)(sets[number / 32].effective >> (number % 32) & 1);
}

int csk_hide_memory(void) {
    struct rlimit none = { 0, 0 };
    if (setrlimit(RLIMIT_CORE, &none) < 0) return -errno;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return -errno;
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : -EPERM;
}

int csk_is_listening_stream(int socket) {
    int type = 0, listening = 0;
    socklen_t size = sizeof type;
    if (getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) < 0) return -errno;
    size = sizeof listening;
    if (getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0) return -errno;
    return type == SOCK_STREAM && listening;
}
