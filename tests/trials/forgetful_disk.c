/* Writes down, in order, all that a program does to the files of one directory, and what of it was synchronised.
 *
 * Loaded with LD_PRELOAD. FORGETFUL_DIRECTORY is the directory (absolute, no symbolic links), FORGETFUL_JOURNAL the file
 * that the journal goes to, outside of it. One call at a time, a synchronisation too: what the journal has before one is
 * what the disk has after it. tests/trials/forgetful_disk.py reads the journal and makes of it what a power loss leaves.
 *
 * What can change a file and is not understood here (a shared writable map, a duplicated descriptor, copies within the
 * kernel) is written down as such, and the reader refuses the journal. LMDB's lock.mdb is a map, and worthless after a
 * restart. One process at a time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, MKDIR, WRITE, TRUNCATE, SYNC, RENAME, REMOVE, DURABLE, NOT_UNDERSTOOD };
enum { CREATES = 1, TRUNCATES = 2 };
enum { DESCRIPTORS = 65536 };

struct record { uint8_t kind, flags; uint16_t path_length; uint32_t opened; uint64_t offset, length; } __attribute__((packed));

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static const char *directory;
static size_t directory_length;
static int journal = -1;
static uint32_t opened_so_far;
static uint32_t opened[DESCRIPTORS];   /* which opening a descriptor is of; 0 for those that are of no interest */
static uint8_t is_synchronous[DESCRIPTORS], appends[DESCRIPTORS], is_lock[DESCRIPTORS];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define LOCKED(call) \
    pthread_mutex_lock(&one_at_a_time); __typeof__(call) result = (call); int failure = errno;
#define DONE pthread_mutex_unlock(&one_at_a_time); errno = failure; return result

__attribute__((constructor)) static void begin(void) {
    directory = getenv("FORGETFUL_DIRECTORY");
    const char *path = getenv("FORGETFUL_JOURNAL");
    if (!directory || !path) return;
    directory_length = strlen(directory);
    journal = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void put(const void *bytes, size_t length) {
    for (const char *at = bytes; length > 0;) {
        long written = syscall(SYS_write, journal, at, length);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) abort();
        at += written, length -= (size_t)written;
    }
}

static void note(int kind, int flags, const char *path, uint32_t which, uint64_t offset, uint64_t length) {
    struct record record = {(uint8_t)kind, (uint8_t)flags, (uint16_t)strlen(path), which, offset, length};
    put(&record, sizeof record);
    put(path, strlen(path));
}

/* The path below the directory, or NULL for those elsewhere. `at` as in openat. */
static const char *inside(int at, const char *path, char *whole) {
    if (journal < 0 || !path) return NULL;
    char start[PATH_MAX] = "", link[64];
    if (path[0] != '/') {
        if (at == AT_FDCWD) { if (!getcwd(start, sizeof start)) return NULL; }
        else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            ssize_t length = readlink(link, start, sizeof start - 1);
            if (length < 0) return NULL;
            start[length] = 0;
        }
        strcat(start, "/");
    }
    if (snprintf(whole, PATH_MAX, "%s%s", start, path) >= PATH_MAX) return NULL;
    size_t length = strlen(whole);
    while (length > 1 && whole[length - 1] == '/') whole[--length] = 0;
    if (strncmp(whole, directory, directory_length)) return NULL;
    if (whole[directory_length] == 0) return ".";
    return whole[directory_length] == '/' ? whole + directory_length + 1 : NULL;
}

static void note_opened(int descriptor, int at, const char *path, int flags) {
    char whole[PATH_MAX];
    const char *name = inside(at, path, whole);
    if (descriptor < 0 || descriptor >= DESCRIPTORS) return;
    opened[descriptor] = 0;
    if (!name) return;
    opened[descriptor] = ++opened_so_far;
    is_synchronous[descriptor] = (flags & O_DSYNC) != 0;  /* O_SYNC includes its bit */
    appends[descriptor] = (flags & O_APPEND) != 0;
    is_lock[descriptor] = strstr(name, "lock.mdb") != NULL;
    note(OPEN, (flags & O_CREAT ? CREATES : 0) | (flags & O_TRUNC ? TRUNCATES : 0), name, opened[descriptor], 0, 0);
}

#define OPEN_AT(name) \
    int name(int at, const char *path, int flags, ...) { \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        LOCKED((int)syscall(SYS_openat, at, path, flags, mode)); \
        note_opened(result, at, path, flags); DONE; }
#define OPEN_HERE(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        LOCKED((int)syscall(SYS_openat, AT_FDCWD, path, flags, mode)); \
        note_opened(result, AT_FDCWD, path, flags); DONE; }
OPEN_AT(openat) OPEN_AT(openat64) OPEN_HERE(open) OPEN_HERE(open64)

int close(int descriptor) {
    LOCKED((int)syscall(SYS_close, descriptor));
    if (descriptor >= 0 && descriptor < DESCRIPTORS) opened[descriptor] = 0;
    DONE;
}

static uint32_t of_interest(int descriptor) {
    return journal >= 0 && descriptor >= 0 && descriptor < DESCRIPTORS ? opened[descriptor] : 0;
}

static uint64_t place_of_next_write(int descriptor) {
    struct stat about;
    if (appends[descriptor] && !fstat(descriptor, &about)) return (uint64_t)about.st_size;
    return (uint64_t)lseek(descriptor, 0, SEEK_CUR);
}

static void note_written(int descriptor, const struct iovec *parts, uint64_t offset, ssize_t written) {
    if (written <= 0) return;
    note(WRITE, 0, "", opened[descriptor], offset, (uint64_t)written);
    for (size_t left = (size_t)written; left > 0; parts++) {
        size_t length = parts->iov_len < left ? parts->iov_len : left;
        put(parts->iov_base, length);
        left -= length;
    }
    if (is_synchronous[descriptor]) note(DURABLE, 0, "", opened[descriptor], 0, 0);
}

static ssize_t write_at(int descriptor, const struct iovec *parts, int count, off_t offset) {
    uint32_t which = of_interest(descriptor);
    if (!which) return syscall(SYS_pwritev, descriptor, parts, count, offset, 0);
    LOCKED((ssize_t)syscall(SYS_pwritev, descriptor, parts, count, offset, 0));
    note_written(descriptor, parts, (uint64_t)offset, result);
    DONE;
}

static ssize_t write_next(int descriptor, const struct iovec *parts, int count) {
    uint32_t which = of_interest(descriptor);
    if (!which) return syscall(SYS_writev, descriptor, parts, count);
    uint64_t offset = place_of_next_write(descriptor);
    LOCKED((ssize_t)syscall(SYS_writev, descriptor, parts, count));
    note_written(descriptor, parts, offset, result);
    DONE;
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
    struct iovec part = {(void *)bytes, length};
    return of_interest(descriptor) ? write_next(descriptor, &part, 1) : syscall(SYS_write, descriptor, bytes, length);
}
ssize_t writev(int descriptor, const struct iovec *parts, int count) { return write_next(descriptor, parts, count); }
ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) {
    struct iovec part = {(void *)bytes, length};
    return write_at(descriptor, &part, 1, offset);
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t offset) {
    return pwrite(descriptor, bytes, length, offset);
}
ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
    return write_at(descriptor, parts, count, offset);
}
ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off64_t offset) {
    return write_at(descriptor, parts, count, offset);
}

int ftruncate(int descriptor, off_t length) {
    LOCKED((int)syscall(SYS_ftruncate, descriptor, length));
    if (!result && of_interest(descriptor)) note(TRUNCATE, 0, "", opened[descriptor], 0, (uint64_t)length);
    DONE;
}
int ftruncate64(int descriptor, off64_t length) { return ftruncate(descriptor, length); }

static int synchronise(long number, int descriptor) {
    LOCKED((int)syscall(number, descriptor));
    if (!result && of_interest(descriptor)) note(SYNC, 0, "", opened[descriptor], 0, 0);
    DONE;
}
int fsync(int descriptor) { return synchronise(SYS_fsync, descriptor); }
int fdatasync(int descriptor) { return synchronise(SYS_fdatasync, descriptor); }

int mkdirat(int at, const char *path, mode_t mode) {
    char whole[PATH_MAX];
    LOCKED((int)syscall(SYS_mkdirat, at, path, mode));
    const char *name = result ? NULL : inside(at, path, whole);
    if (name) note(MKDIR, 0, name, 0, 0, 0);
    DONE;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int unlinkat(int at, const char *path, int flags) {
    char whole[PATH_MAX];
    const char *name = inside(at, path, whole);
    LOCKED((int)syscall(SYS_unlinkat, at, path, flags));
    if (!result && name) note(REMOVE, 0, name, 0, 0, 0);
    DONE;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int renameat(int from_at, const char *from, int to_at, const char *to) {
    char whole_from[PATH_MAX], whole_to[PATH_MAX];
    const char *old = inside(from_at, from, whole_from), *new = inside(to_at, to, whole_to);
    LOCKED((int)syscall(SYS_renameat2, from_at, from, to_at, to, 0));
    if (!result && (old || new)) {
        if (!old || !new) note(NOT_UNDERSTOOD, 0, "a rename into or out of the directory", 0, 0, 0);
        else { note(RENAME, 0, old, 0, 0, strlen(new)); put(new, strlen(new)); }
    }
    DONE;
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

static void refuse(int descriptor, const char *what) {
    if (!of_interest(descriptor) || is_lock[descriptor]) return;
    pthread_mutex_lock(&one_at_a_time);
    note(NOT_UNDERSTOOD, 0, what, 0, 0, 0);
    pthread_mutex_unlock(&one_at_a_time);
}
void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
    if ((protection & PROT_WRITE) && (flags & MAP_SHARED)) refuse(descriptor, "a shared writable map");
    return (void *)syscall(SYS_mmap, address, length, protection, flags, descriptor, offset);
}
void *mmap64(void *address, size_t length, int protection, int flags, int descriptor, off64_t offset) {
    return mmap(address, length, protection, flags, descriptor, offset);
}
int dup(int descriptor) { refuse(descriptor, "dup"); return (int)syscall(SYS_dup, descriptor); }
int dup2(int old, int new) {
    refuse(old, "dup2"); refuse(new, "dup2");
    return REAL(dup2)(old, new);
}
int dup3(int old, int new, int flags) { refuse(old, "dup3"); refuse(new, "dup3"); return (int)syscall(SYS_dup3, old, new, flags); }
int fallocate(int descriptor, int mode, off_t offset, off_t length) {
    refuse(descriptor, "fallocate");
    return (int)syscall(SYS_fallocate, descriptor, mode, offset, length);
}
int fallocate64(int descriptor, int mode, off64_t offset, off64_t length) {
    return fallocate(descriptor, mode, offset, length);
}
int posix_fallocate(int descriptor, off_t offset, off_t length) {
    refuse(descriptor, "posix_fallocate");
    return REAL(posix_fallocate)(descriptor, offset, length);
}
int posix_fallocate64(int descriptor, off64_t offset, off64_t length) { return posix_fallocate(descriptor, offset, length); }
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags) {
    refuse(to, "copy_file_range");
    return syscall(SYS_copy_file_range, from, from_at, to, to_at, length, flags);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t length) {
    refuse(to, "sendfile");
    return syscall(SYS_sendfile, to, from, offset, length);
}
ssize_t sendfile64(int to, int from, off64_t *offset, size_t length) { return sendfile(to, from, (off_t *)offset, length); }
int truncate(const char *path, off_t length) {
    char whole[PATH_MAX];
    if (inside(AT_FDCWD, path, whole)) note(NOT_UNDERSTOOD, 0, "truncate by path", 0, 0, 0);
    return (int)syscall(SYS_truncate, path, length);
}
int link(const char *from, const char *to) {
    char whole[PATH_MAX];
    if (inside(AT_FDCWD, to, whole)) note(NOT_UNDERSTOOD, 0, "link", 0, 0, 0);
    return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}
