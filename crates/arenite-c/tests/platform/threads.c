/* Figures of threads that hand blocks to each other: exact whenever they have waited for each other, peak included. */
#include "platform.h"

#include <pthread.h>
#include <string.h>

#include "../check.h"

enum { THREADS = 6, BLOCKS = 400, ROUNDS = 60 };

static pthread_barrier_t meet;
static void *shelf[THREADS][BLOCKS];
static size_t sizes[THREADS][BLOCKS];
static size_t expected, peak;

static void wait_for_all(void) { pthread_barrier_wait(&meet); }

static void *work(void *argument) {
    const int me = (int)(intptr_t)argument;
    uint64_t random = (uint64_t)me + 1;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            const size_t size = check_random(&random) % (round % 10 == 9 && i % 100 == 0 ? 3000000 : 3000);
            char *block = (char *)Platform_Alloc(size, 0);
            CHECK(block);
            memset(block, me, size < 100 ? size : 100);
            shelf[me][i] = block;
            sizes[me][i] = size;
        }
        wait_for_all();
        if (me == 0) {
            expected = 0;
            for (int t = 0; t < THREADS; t++) {
                for (int i = 0; i < BLOCKS; i++) expected += sizes[t][i];
            }
            if (expected > peak) peak = expected;
            CHECK(Platform_Mem_GetAllocated() == expected);
            CHECK(Platform_Mem_GetCount() == THREADS * BLOCKS);
            CHECK(Platform_Mem_GetPeak() == peak);
        }
        wait_for_all();
        /* What another one took. */
        const int other = (me + 1 + round % (THREADS - 1)) % THREADS;
        for (int i = 0; i < BLOCKS; i++) {
            const char *block = (const char *)shelf[other][i];
            for (size_t k = 0; k < sizes[other][i] && k < 100; k++) CHECK(block[k] == other);
            Platform_Free(shelf[other][i], sizes[other][i]);
        }
        CHECK(Platform_Last_Error() == PLATFORM_OK);
        wait_for_all();
        if (me == 0) CHECK(Platform_Mem_GetAllocated() == 0 && Platform_Mem_GetCount() == 0);
        wait_for_all();
    }
    return NULL;
}

/* Threads that come and go, one after the other and many at once, and leave blocks behind. */
static void *come_and_go(void *argument) {
    (void)argument;
    void **kept = (void **)Platform_Alloc(16 * sizeof(void *), 0);
    CHECK(kept);
    for (int i = 0; i < 16; i++) kept[i] = Platform_Alloc((size_t)i * 100, 0);
    return kept;
}

static void give_back(void **kept) {
    for (int i = 0; i < 16; i++) Platform_Free(kept[i], (size_t)i * 100);
    Platform_Free(kept, 0);
}

static void *look(void *argument) {
    volatile int *done = (volatile int *)argument;
    while (!*done) {
        CHECK(Platform_Mem_GetPeak() >= 1000000);
        FILE *nowhere = fopen("/dev/null", "w");
        CHECK(nowhere);
        Platform_Mem_DumpLeaks_To_File(nowhere);
        fclose(nowhere);
    }
    return NULL;
}

/* One thread reports while others take, free and move blocks of all sizes. */
static void *churn(void *argument) {
    uint64_t random = 77 + (uint64_t)(intptr_t)argument;
    void *blocks[50] = {0};
    for (int i = 0; i < 20000; i++) {
        void **place = &blocks[check_random(&random) % 50];
        const size_t size = check_random(&random) % (i % 50 == 0 ? 5000000 : 2000);
        void *block = Platform_Realloc(*place, 0, size);
        CHECK(block);
        *place = block;
        if (i % 3 == 0) {
            Platform_Free(*place, 0);
            *place = NULL;
        }
    }
    for (int i = 0; i < 50; i++) Platform_Free(blocks[i], 0);
    return NULL;
}

int main(void) {
    pthread_t threads[300];
    CHECK(pthread_barrier_init(&meet, NULL, THREADS) == 0);
    for (int t = 0; t < THREADS; t++) CHECK(pthread_create(&threads[t], NULL, work, (void *)(intptr_t)t) == 0);
    for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);

    void *result;
    for (int t = 0; t < 300; t++) {
        CHECK(pthread_create(&threads[0], NULL, come_and_go, NULL) == 0);
        pthread_join(threads[0], &result);
        CHECK(Platform_Mem_GetCount() == 17);
        give_back((void **)result);
        CHECK(Platform_Mem_GetCount() == 0 && Platform_Mem_GetAllocated() == 0);
    }
    for (int t = 0; t < 300; t++) CHECK(pthread_create(&threads[t], NULL, come_and_go, NULL) == 0);
    void *kept[300];
    for (int t = 0; t < 300; t++) pthread_join(threads[t], &kept[t]);
    CHECK(Platform_Mem_GetCount() == 300 * 17 && Platform_Mem_GetAllocated() == 300 * (12000 + 16 * sizeof(void *)));
    for (int t = 0; t < 300; t++) give_back((void **)kept[t]);

    volatile int done = 0;
    CHECK(pthread_create(&threads[4], NULL, look, (void *)(uintptr_t)&done) == 0);
    for (int t = 0; t < 3; t++) CHECK(pthread_create(&threads[t], NULL, churn, (void *)(intptr_t)t) == 0);
    for (int t = 0; t < 3; t++) pthread_join(threads[t], NULL);
    done = 1;
    pthread_join(threads[4], NULL);
    CHECK(Platform_Mem_GetCount() == 0 && Platform_Mem_GetAllocated() == 0 && Platform_Last_Error() == PLATFORM_OK);
    puts("platform: figures of threads are exact");
    return 0;
}
