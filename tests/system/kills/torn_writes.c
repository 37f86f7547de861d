/* Preloaded into a process: kills it in the middle of a write.

   A kernel that is to kill a process ends its write between two pages. That hardly ever happens by
   itself, so it is done here: of the write numbered TORN_WRITE into files whose path contains
   TORN_FILE, TORN_BYTES are written, and the process is killed. Writes are counted from when
   TORN_FILE is set. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef ssize_t (*write_function)(int, const void *, size_t, off_t);

static long write_count;

static int is_watched(int file)
{
    char link[64], path[4096];
    const char *watched = getenv("TORN_FILE");
    ssize_t length;

    if (watched == NULL)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = '\0';
    return strstr(path, watched) != NULL;
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t offset)
{
    write_function write_whole = (write_function)dlsym(RTLD_NEXT, "pwrite");

    if (is_watched(file)
        && __sync_add_and_fetch(&write_count, 1) == atol(getenv("TORN_WRITE"))) {
        size_t torn = (size_t)atol(getenv("TORN_BYTES"));
        if (torn > 0)
            write_whole(file, bytes, torn < size ? torn : size, offset);
        kill(getpid(), SIGKILL);
    }
    return write_whole(file, bytes, size, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off_t offset)
{
    return pwrite(file, bytes, size, offset);
}
