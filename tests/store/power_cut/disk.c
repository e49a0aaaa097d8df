/* A disk that remembers only what was synced, and that can be told to fail. For tests, by LD_PRELOAD.
 *
 * For files directly in DISK_FOLDER it keeps, in DISK_SHADOW, what a power cut at this moment would certainly leave:
 * a file's bytes get there when that file is synced (fsync or fdatasync returned 0) and not before. Files whose
 * names end in -shm or .lock need not survive and are left alone.
 *
 * While the file DISK_FAULT exists it holds "operation suffix errno": that operation (pwrite, fdatasync, fsync,
 * ftruncate) on files whose names end so fails with that error and does nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 64
#define DESCRIPTORS 1024

struct range { off_t from, to; };
struct file {
    char name[256];
    struct range *dirty;
    size_t count, room;
};

static struct file files[FILES];
static struct file *of[DESCRIPTORS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int ends(const char *name, const char *suffix)
{
    size_t n = strlen(name), s = strlen(suffix);
    return n >= s && !strcmp(name + n - s, suffix);
}

/* The part of a path after DISK_FOLDER, or NULL for a file that is none of ours. */
static const char *ours(const char *path)
{
    const char *folder = getenv("DISK_FOLDER");
    size_t n = folder ? strlen(folder) : 0;
    if (!n || strncmp(path, folder, n) || path[n] != '/' || strchr(path + n + 1, '/')) return NULL;
    if (ends(path, "-shm") || ends(path, ".lock")) return NULL;
    return path + n + 1;
}

static void shadow_path(char *path, const char *name)
{
    snprintf(path, PATH_MAX, "%s/%s", getenv("DISK_SHADOW"), name);
}

static void opened(int fd, const char *path)
{
    const char *name = fd >= 0 && fd < DESCRIPTORS ? ours(path) : NULL;
    if (!name) return;
    pthread_mutex_lock(&lock);
    struct file *free_one = NULL, *found = NULL;
    for (int i = 0; i < FILES && !found; i++) {
        if (!strcmp(files[i].name, name)) found = &files[i];
        else if (!files[i].name[0] && !free_one) free_one = &files[i];
    }
    if (!found) {
        if (!free_one) abort();
        found = free_one;
        snprintf(found->name, sizeof found->name, "%s", name);
    }
    of[fd] = found;
    pthread_mutex_unlock(&lock);
}

static void wrote(int fd, off_t from, ssize_t length)
{
    struct file *f = fd >= 0 && fd < DESCRIPTORS ? of[fd] : NULL;
    if (!f || length <= 0) return;
    pthread_mutex_lock(&lock);
    if (f->count && f->dirty[f->count - 1].to == from) {
        f->dirty[f->count - 1].to = from + length;
    } else {
        if (f->count == f->room) {
            f->room = f->room ? f->room * 2 : 64;
            f->dirty = realloc(f->dirty, f->room * sizeof *f->dirty);
            if (!f->dirty) abort();
        }
        f->dirty[f->count++] = (struct range){from, from + length};
    }
    pthread_mutex_unlock(&lock);
}

static void synced(int fd)
{
    static __typeof__(pwrite64) *write_there;
    struct file *f = fd >= 0 && fd < DESCRIPTORS ? of[fd] : NULL;
    struct stat st;
    char path[PATH_MAX];
    static char block[1 << 16];
    if (!f || fstat(fd, &st)) return;
    if (!write_there) write_there = (__typeof__(pwrite64) *)dlsym(RTLD_NEXT, "pwrite64");
    shadow_path(path, f->name);
    pthread_mutex_lock(&lock);
    int (*open_there)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    int (*cut_there)(int, off64_t) = (int (*)(int, off64_t))dlsym(RTLD_NEXT, "ftruncate64");
    int out = open_there(path, O_RDWR | O_CREAT, 0600);
    if (out < 0) abort();
    for (size_t i = 0; i < f->count; i++) {
        for (off_t at = f->dirty[i].from; at < f->dirty[i].to && at < st.st_size;) {
            off_t left = f->dirty[i].to - at;
            ssize_t n = pread64(fd, block, left < (off_t)sizeof block ? (size_t)left : sizeof block, at);
            if (n <= 0) break;
            if (write_there(out, block, n, at) != n) abort();
            at += n;
        }
    }
    if (cut_there(out, st.st_size)) abort();
    ((int (*)(int))dlsym(RTLD_NEXT, "close"))(out);
    f->count = 0;
    pthread_mutex_unlock(&lock);
}

static int fails(const char *operation, int fd)
{
    struct file *f = fd >= 0 && fd < DESCRIPTORS ? of[fd] : NULL;
    const char *path = getenv("DISK_FAULT");
    char asked[32], suffix[64];
    int error = 0;
    FILE *control;
    if (!f || !path || !(control = fopen(path, "r"))) return 0;
    int found = fscanf(control, "%31s %63s %d", asked, suffix, &error) == 3;
    fclose(control);
    if (!found || strcmp(asked, operation) || !ends(f->name, suffix)) return 0;
    errno = error;
    return 1;
}

#define OPEN(name) \
int name(const char *path, int flags, ...) \
{ \
    REAL(name); \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    int fd = real(path, flags, mode); \
    opened(fd, path); \
    return fd; \
}
OPEN(open)
OPEN(open64)

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
    REAL(pwrite64);
    if (fails("pwrite", fd)) return -1;
    ssize_t done = real(fd, data, n, at);
    wrote(fd, at, done);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    return pwrite64(fd, data, n, at);
}

ssize_t write(int fd, const void *data, size_t n)
{
    REAL(write);
    off_t at = fd >= 0 && fd < DESCRIPTORS && of[fd] ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t done = real(fd, data, n);
    wrote(fd, at, done);
    return done;
}

int ftruncate64(int fd, off64_t size)
{
    REAL(ftruncate64);
    struct stat before;
    if (fails("ftruncate", fd)) return -1;
    int had = fstat(fd, &before);
    int result = real(fd, size);
    /* What is cut off and later lies there again is not what the shadow still has. */
    if (!result && !had && before.st_size > size) wrote(fd, size, before.st_size - size);
    return result;
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    if (fails("fdatasync", fd)) return -1;
    int result = real(fd);
    if (!result) synced(fd);
    return result;
}

int fsync(int fd)
{
    REAL(fsync);
    if (fails("fsync", fd)) return -1;
    int result = real(fd);
    if (!result) synced(fd);
    return result;
}

int unlink(const char *path)
{
    REAL(unlink);
    int result = real(path);
    const char *name = result ? NULL : ours(path);
    if (name) {
        char shadow[PATH_MAX];
        shadow_path(shadow, name);
        real(shadow);
        pthread_mutex_lock(&lock);
        for (int i = 0; i < FILES; i++)
            if (!strcmp(files[i].name, name)) files[i].count = 0;
        pthread_mutex_unlock(&lock);
    }
    return result;
}

int close(int fd)
{
    REAL(close);
    if (fd >= 0 && fd < DESCRIPTORS) of[fd] = NULL;
    return real(fd);
}
