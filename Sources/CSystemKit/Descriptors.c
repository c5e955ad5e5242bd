#define _GNU_SOURCE
#include "CSystemKit.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <unistd.h>

const int csk_path_flag = O_PATH;

int csk_open(const char *path, int flags, uint32_t mode) {
    int fd = open(path, flags | O_CLOEXEC, (mode_t)mode);
    return fd < 0 ? -errno : fd;
}

int csk_duplicate_above(int fd, int minimum) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, minimum);
    return copy < 0 ? -errno : copy;
}

// Locks of the open file description: they go with its last descriptor, and two descriptions of one process exclude each other.
static int csk_range(int fd, int64_t start, int64_t length, short type) {
    struct flock range = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
    return fcntl(fd, F_OFD_SETLKW, &range) < 0 ? -errno : 0;
}

int csk_lock_range(int fd, int64_t start, int64_t length) { return csk_range(fd, start, length, F_WRLCK); }

int csk_unlock_range(int fd, int64_t start, int64_t length) { return csk_range(fd, start, length, F_UNLCK); }

int csk_set_nonblocking(int fd, int on) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return -errno;
    flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int csk_set_close_on_exec(int fd, int on) {
    return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int csk_set_direct(int fd, int on) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return -errno;
    flags = on ? flags | O_DIRECT : flags & ~O_DIRECT;
    return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int csk_start_writeback(int fd) {
    return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE) < 0 ? -errno : 0;
}

int64_t csk_free_bytes(const char *path) {
    struct statvfs facts;
    if (statvfs(path, &facts) < 0) return -(int64_t)errno;
    unsigned __int128 bytes = (unsigned __int128)facts.f_bavail * facts.f_frsize;
    return bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
}

const char *csk_error_text(int error) {
    const char *text = strerrordesc_np(error);
    return text ? text : "Unknown error";
}

// Linux refuses more than SCM_MAX_FD (253) descriptors in one message.
#define DESCRIPTOR_LIMIT 253

ssize_t csk_send_descriptors(int socket, const void *bytes, size_t count, const int *fds, size_t fd_count) {
    if (count == 0 || fd_count > DESCRIPTOR_LIMIT) return -EINVAL;
    union { char space[CMSG_SPACE(sizeof(int) * DESCRIPTOR_LIMIT)]; struct cmsghdr alignment; } control;
    struct iovec part = { .iov_base = (void *)bytes, .iov_len = count };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

ssize_t csk_receive_descriptors(int socket, void *bytes, size_t capacity, int *fds, size_t fd_capacity, size_t *fd_count) {
    union { char space[CMSG_SPACE(sizeof(int) * DESCRIPTOR_LIMIT)]; struct cmsghdr alignment; } control;
    struct iovec part = { .iov_base = bytes, .iov_len = capacity };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space,
    };
    *fd_count = 0;
    ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (received < 0) return -errno;
    int overflow = (message.msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            if (*fd_count < fd_capacity) {
                fds[(*fd_count)++] = fd;
            } else {
                close(fd);
                overflow = 1;
            }
        }
    }
    if (overflow) {
        // A peer that sends more than was agreed is malformed: keep nothing of it.
        for (size_t i = 0; i < *fd_count; i++) close(fds[i]);
        *fd_count = 0;
        return -EMSGSIZE;
    }
    return received;
}

int csk_peer_credentials(int socket, int32_t *pid, uint32_t *uid, uint32_t *gid) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return -errno;
    *pid = peer.pid;
    *uid = peer.uid;
    *gid = peer.gid;
    return 0;
}

int csk_try_record_lock(int fd) {
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    return fcntl(fd, F_SETLK, &lock) < 0 ? -errno : 0;
}

int csk_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0; }

int csk_accept(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int csk_accept_from(int listener, void *address, unsigned *length) {
    socklen_t size = *length;
    int fd = accept4(listener, address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    *length = size;
    return fd < 0 ? -errno : fd;
}

int csk_reserve(int fd, int64_t length) { return fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, length) < 0 ? -errno : 0; }

int csk_memory_file(const char *name) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

int csk_seal(int fd) {
    return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ? -errno : 0;
}

int csk_window_make(const char *name, size_t size) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    // Not ftruncate: a program in a jail is not allowed it, because it has the log open, too.
    if (lseek(fd, (off_t)size - 1, SEEK_SET) < 0 || write(fd, "", 1) != 1 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int code = -errno;
        close(fd);
        return code ? code : -EIO;
    }
    return fd;
}

int csk_window_check(int fd, size_t size) {
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || fstat(fd, &status) < 0) return -errno;
    if (!(seals & F_SEAL_SHRINK) || status.st_size < (off_t)size) return -EINVAL;
    struct statfs kind;
    if (fstatfs(fd, &kind) < 0) return -errno;
    if (kind.f_type == HUGETLBFS_MAGIC) return -EINVAL;   // its pages may run out, and who touches them then dies
    return 0;
}

int csk_window_map(int fd, size_t size, void **memory) {
    *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return *memory == MAP_FAILED ? -errno : 0;
}

void csk_window_unmap(void *memory, size_t size) { munmap(memory, size); }

int csk_window_is_taken(const void *memory, size_t slot) {
    return __atomic_load_n((const unsigned char *)memory + slot, __ATOMIC_ACQUIRE) != 0;
}

void csk_window_mark(void *memory, size_t slot, int taken) {
    __atomic_store_n((unsigned char *)memory + slot, taken ? 1 : 0, __ATOMIC_RELEASE);
}
