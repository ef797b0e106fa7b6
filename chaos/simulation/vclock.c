/* Preloaded into a private server: its wall clock is read from a page that the simulation writes (int64, microseconds
   since the epoch; 0 means the real clock). Its monotonic clock stays real, so that its event loop goes on. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *page;

__attribute__((constructor)) static void open_page(void)
{
    const char *path = getenv("VCLOCK_FILE");
    if (!path)
        return;
    int file = open(path, O_RDONLY);
    if (file < 0)
        return;
    void *mapped = mmap(0, 4096, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED)
        page = mapped;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (page && *page && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t us = *page;
        now->tv_sec = us / 1000000;
        now->tv_nsec = (us % 1000000) * 1000;
        return 0;
    }
    return syscall(SYS_clock_gettime, clock, now);
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
