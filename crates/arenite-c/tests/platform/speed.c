/* Platform_Alloc/Free against malloc/free of the C library: the same work, in turns, the best of many rounds.
 *
 *   speed                  every pattern, nanoseconds a pair, and how many times as long as malloc
 *   speed pattern which    one pattern, `ours` or `libc`, a million pairs: for callgrind
 */
#include "platform.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void *(*take_fn)(size_t);
typedef void (*give_fn)(void *);

static void *libc_take(size_t size) { return malloc(size); }
static void libc_give(void *block) { free(block); }
static void *our_take(size_t size) { return Platform_Alloc(size, PLATFORM_MEM_NORMAL); }
static void our_give(void *block) { Platform_Free(block, 0); }

/* Both through a pointer that the compiler does not know, so that it can drop neither. */
static volatile take_fn takes[2] = {our_take, libc_take};
static volatile give_fn gives[2] = {our_give, libc_give};

enum { LIVE = 4096 };

static uint64_t next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void fail(void) {
    fputs("no memory\n", stderr);
    exit(1);
}

/* One block at a time. */
static void pair(take_fn take, give_fn give, long pairs) {
    for (long i = 0; i < pairs; i++) {
        void *block = take(64);
        if (!block) fail();
        *(volatile char *)block = 1;
        give(block);
    }
}

/* Many are taken, then all are given back, the last one first. */
static void stack(take_fn take, give_fn give, long pairs) {
    static _Thread_local void *blocks[LIVE];
    for (long done = 0; done < pairs; done += LIVE) {
        for (int i = 0; i < LIVE; i++) {
            blocks[i] = take(48);
            if (!blocks[i]) fail();
            *(volatile char *)blocks[i] = 1;
        }
        for (int i = LIVE; i-- > 0;) give(blocks[i]);
    }
}

/* Sizes of a game, in any order: one of many blocks is replaced. */
static void mixed(take_fn take, give_fn give, long pairs) {
    static _Thread_local void *blocks[LIVE];
    uint64_t random = 1;
    for (long i = 0; i < pairs; i++) {
        uint64_t draw = next(&random);
        void **place = &blocks[draw % LIVE];
        give(*place);
        size_t size = draw >> 12;
        size = size % 16 ? 16 + size / 16 % 240 : 256 + size / 16 % 3840;
        *place = take(size);
        if (!*place) fail();
        *(volatile char *)*place = 1;
    }
    for (int i = 0; i < LIVE; i++) {
        give(blocks[i]);
        blocks[i] = NULL;
    }
}

struct job {
    void (*run)(take_fn, give_fn, long);
    int which;
    long pairs;
};

static void *work(void *argument) {
    const struct job *job = (const struct job *)argument;
    job->run(takes[job->which], gives[job->which], job->pairs);
    return NULL;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static const struct {
    const char *name;
    void (*run)(take_fn, give_fn, long);
    int threads;
} patterns[] = {
    {"pair", pair, 1}, {"stack", stack, 1}, {"mixed", mixed, 1}, {"pair on 2 threads", pair, 2}, {"mixed on 2 threads", mixed, 2},
};
enum { PATTERNS = sizeof patterns / sizeof patterns[0] };

int main(int argc, char **argv) {
    const int chosen = argc == 3;
    const long pairs = chosen ? 1000000 : 400000;
    /* Threads are there from the start in both, so that neither is spared its atomics. */
    for (int p = 0; p < PATTERNS; p++) {
        if (chosen) {
            if (strcmp(argv[1], patterns[p].name) == 0) {
                const int which = strcmp(argv[2], "libc") == 0;
                patterns[p].run(takes[which], gives[which], pairs);
                return 0;
            }
            continue;
        }
        double best[2] = {1e9, 1e9};
        for (int round = 0; round < 25; round++) {
            for (int turn = 0; turn < 2; turn++) {
                const int which = (turn + round) % 2;
                struct job job = {patterns[p].run, which, pairs};
                pthread_t threads[2];
                const double start = seconds();
                for (int t = 1; t < patterns[p].threads; t++) {
                    if (pthread_create(&threads[t], NULL, work, &job) != 0) fail();
                }
                work(&job);
                for (int t = 1; t < patterns[p].threads; t++) pthread_join(threads[t], NULL);
                const double took = (seconds() - start) / (double)pairs * 1e9;
                if (took < best[which]) best[which] = took;
            }
        }
        printf("%-20s %7.2f ns   malloc %7.2f ns   %.2f times\n", patterns[p].name, best[0], best[1], best[0] / best[1]);
    }
    if (chosen) {
        fputs("no such pattern\n", stderr);
        return 1;
    }
    return Platform_Mem_GetCount() != 0;
}
