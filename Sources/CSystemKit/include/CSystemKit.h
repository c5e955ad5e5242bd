// What Swift cannot call by itself: macros (CMSG_*, W*), variadic functions (open, fcntl, prctl), functions that glibc declares only
// under _GNU_SOURCE, and posix_spawn with its opaque tables. Nothing here has policy. Every function that can fail returns -errno, so that no code runs between the
// failing call and the reading of errno. EINTR is left to the caller.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Descriptors
int csk_open(const char *path, int flags, uint32_t mode);
extern const int csk_path_flag;                          // O_PATH
int csk_duplicate_above(int fd, int minimum);            // F_DUPFD_CLOEXEC
int csk_set_nonblocking(int fd, int on);
int csk_set_close_on_exec(int fd, int on);
int csk_set_direct(int fd, int on);                      // O_DIRECT
int csk_reserve(int fd, int64_t length);                 // fallocate(FALLOC_FL_KEEP_SIZE) from the start
int csk_start_writeback(int fd);                         // sync_file_range(SYNC_FILE_RANGE_WRITE) of the whole file
// Starts fdatasync of the first `data_count` and fsync of the others, all at the same time; how many are under way then. The others were done one by
// one: nothing may be under way before in this thread, and at most CSK_SYNC_LIMIT at a time. Each that ends adds to the eventfd `event`, if there is one.
enum { CSK_SYNC_LIMIT = 256 };
size_t csk_sync_start(const int *fds, size_t data_count, size_t count, int event, int *results);
void csk_sync_collect(int *results);                     // waits for them; `results`, the same as before, has 0 or an errno for each then
int csk_event(void);                                     // eventfd(2), not blocking
int csk_lock_range(int fd, int64_t start, int64_t length);   // F_OFD_SETLKW, exclusive
int csk_unlock_range(int fd, int64_t start, int64_t length);
int csk_try_record_lock(int fd);                         // F_SETLK, exclusive, whole file
int64_t csk_free_bytes(const char *path);                // for unprivileged users; -errno
ssize_t csk_directory_records(int fd, void *buffer, size_t size);   // getdents64

int csk_memory_file(const char *name);                   // memfd_create, sealable
int csk_seal(int fd);                                    // no write, shrink, grow or further seal
// Memory of two processes. Sealed against changes of its size: who maps it can trust that it stays.
int csk_window_make(const char *name, size_t size);
int csk_window_check(int fd, size_t size);               // of another's: -EINVAL where the size is not sealed, or too small, or pages may run out
int csk_window_map(int fd, size_t size, void **memory);
void csk_window_unmap(void *memory, size_t size);
int csk_window_is_taken(const void *memory, size_t slot);     // the byte at `slot`, read and written as one process shows it to another
void csk_window_mark(void *memory, size_t slot, int taken);

int csk_pipe(int ends[2]);                               // close-on-exec

// Sockets
int csk_accept(int listener);                            // close-on-exec
// The same, not blocking, with the peer's address: length is the room for it before and its size after.
int csk_accept_from(int listener, void *address, unsigned *length);
int csk_is_listening_stream(int socket);                 // 1 or 0; -errno where it is no socket
// One message with descriptors (SCM_RIGHTS). `count` must be at least 1: a message without payload is lost on a stream socket.
ssize_t csk_send_descriptors(int socket, const void *bytes, size_t count, const int *fds, size_t fd_count);
// Received descriptors have close-on-exec set; those beyond `fd_capacity` are closed and -EMSGSIZE is returned.
ssize_t csk_receive_descriptors(int socket, void *bytes, size_t capacity, int *fds, size_t fd_capacity, size_t *fd_count);
int csk_peer_credentials(int socket, int32_t *pid, uint32_t *uid, uint32_t *gid);

// Processes
struct csk_descriptor_move { int from; int to; };
struct csk_spawn_options {
    const char *working_directory;   // NULL: the caller's
    int new_session;                 // setsid in the child: also a process group of its own
    int new_group;                   // a process group of its own, in the caller's session
};
// The child has exactly the descriptors of `moves`, an empty signal mask and default signal dispositions. Returns the process
// id or -errno. Sources and targets may overlap in any way.
int csk_spawn(const char *path, char *const arguments[], char *const environment[], const struct csk_descriptor_move *moves,
              size_t move_count, const struct csk_spawn_options *options);
int csk_status_exited(int status);
int csk_status_exit_code(int status);
int csk_status_signal(int status);
char **csk_environment(void);
int csk_no_new_privileges(void);
// Signals that the caller ignores, and in a set-id program descriptors above 2, core dumps and tracing. Its environment is gone already
// (Inheritance.c).
int csk_drop_inheritance(void);

// Identity
int csk_set_group_ids(uint32_t group);                   // real, effective and saved
int csk_set_user_ids(uint32_t user);
int csk_has_only_ids(uint32_t user, uint32_t group);     // whether real, effective and saved ids all are these
int csk_is_elevated(void);                               // AT_SECURE
// Bit n of `wanted` is capability n. The sets keep no more than `wanted`; those of this thread.
int csk_limit_bounding_set(uint64_t wanted);             // needs CAP_SETPCAP
int csk_limit_capabilities(uint64_t wanted);             // permitted, effective, inheritable, ambient
int csk_has_capabilities_beyond(uint64_t wanted);        // in any of the five sets
int csk_has_capability(int number);                      // in the effective set
int csk_hide_memory(void);                               // not dumpable, no core file

// Signals
int csk_signal_descriptor(const int *signals, size_t count);   // signalfd, non-blocking, close-on-exec
int csk_next_signal(int descriptor);                           // 0 when none is pending
void csk_ignore_signal(int signal);

// Limits
int64_t csk_raise_open_files(int64_t maximum);           // the new soft limit or -errno
void csk_keep_free_memory(int trim, int map);            // mallopt: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
void csk_give_free_memory_back(void);                    // malloc_trim: whole pages that are free, also between others in use

// Text
const char *csk_error_text(int error);                   // never NULL

// Checksums
uint32_t csk_crc32c(uint32_t crc, const void *buffer, size_t count);
uint32_t csk_crc32c_portable(uint32_t crc, const void *buffer, size_t count);
