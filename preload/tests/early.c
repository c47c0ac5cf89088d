/* A library that is busy before the program begins, and around each fork: linked into process.c, whose tests need that the
 * heap is ready before any of it. Loaded by load.c as a module, whose threads and thread-local values come and go with it. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_key_t key;
static void *kept[64];

static void *churn(void *seed)
{
    unsigned state = (unsigned)(size_t)seed + 1;
    void *blocks[64] = {0};
    for (int round = 0; round < 3000; round++) {
        state = state * 1103515245u + 12345u;
        unsigned at = state >> 16 & 63;
        size_t size = (state >> 8) % (round % 100 ? 2000 : 300000) + 1;
        free(blocks[at]);
        if (!(blocks[at] = malloc(size)))
            abort();
        memset(blocks[at], 1, size);
    }
    for (int at = 0; at < 64; at++)
        free(blocks[at]);
    /* Given back when the thread ends, perhaps after its place of the heap's. */
    pthread_setspecific(key, malloc(100));
    return NULL;
}

static void value_goes(void *value)
{
    free(value);
    static __thread int rounds;
    if (++rounds < 3)
        pthread_setspecific(key, calloc(1, 3000));
}

static void threads(void)
{
    pthread_t all[4];
    for (size_t index = 0; index < 4; index++)
        if (pthread_create(&all[index], NULL, churn, (void *)index) != 0)
            abort();
    for (int index = 0; index < 4; index++)
        pthread_join(all[index], NULL);
}

/* Around a fork: enough that the heap must ask the system. */
static void around(void)
{
    for (size_t size = 3000000; size < 3400000; size += 8192) {
        char *block = malloc(size);
        if (!block)
            abort();
        block[size - 1] = 1;
        free(block);
    }
    for (int at = 0; at < 64; at++) {
        free(kept[at]);
        kept[at] = malloc(40000 + at);
    }
}

__attribute__((constructor)) static void begin(void)
{
    pthread_key_create(&key, value_goes);
#ifndef MODULE
    pthread_atfork(around, around, around);
#endif
    around();
    threads();
}

__attribute__((destructor)) static void end(void)
{
    for (int at = 0; at < 64; at++) {
        free(kept[at]);
        kept[at] = NULL;
    }
    pthread_key_delete(key);
}

const char *work(void)
{
    threads();
    return "the module is well";
}
