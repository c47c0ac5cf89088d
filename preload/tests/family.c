/* Every function of the family, its edges, threads that end with memory in flight, and forks while others allocate.
 * Prints one line if all is well; the first thing that is not ends the program. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what)                                                        \
    do {                                                                   \
        if (!(what)) {                                                     \
            printf("line %d: %s\n", __LINE__, #what);                      \
            exit(1);                                                       \
        }                                                                  \
    } while (0)

static volatile size_t absurd = SIZE_MAX - 100;

static int is_aligned(const void *block, size_t align) { return (uintptr_t)block % align == 0; }

static void edges(void)
{
    void *none = malloc(0);
    CHECK(none && is_aligned(none, 16));
    free(none);
    free(NULL);
    errno = 7;
    void *block = malloc(100);
    free(block);
    CHECK(errno == 7);
    errno = 0;
    CHECK(!malloc(absurd) && errno == ENOMEM);
    errno = 0;
    CHECK(!calloc(absurd / 2, 4) && errno == ENOMEM);
    errno = 0;
    CHECK(!reallocarray(NULL, absurd / 2, 4) && errno == ENOMEM);
    CHECK(malloc_usable_size(NULL) == 0);
    block = malloc(1000);
    memset(block, 7, malloc_usable_size(block));
    errno = 0;
    CHECK(!realloc(block, absurd) && errno == ENOMEM);
    CHECK(((char *)block)[999] == 7);
    CHECK(realloc(block, 0) == NULL);
    for (size_t align = 1; align <= (1 << 22); align *= 2) {
        for (size_t size = 0; size < 300000; size = size * 5 + 1) {
            void *a = aligned_alloc(align, size), *m = memalign(align, size), *p = NULL;
            CHECK(a && m && is_aligned(a, align) && is_aligned(m, align));
            if (align >= sizeof(void *)) {
                CHECK(posix_memalign(&p, align, size) == 0 && is_aligned(p, align));
                memset(p, 3, size);
            }
            memset(a, 1, size);
            memset(m, 2, size);
            CHECK(size == 0 || (*(char *)a == 1 && *(char *)m == 2));
            free(a);
            free(m);
            free(p);
        }
    }
    CHECK(posix_memalign(&block, 24, 10) == EINVAL && posix_memalign(&block, 2, 10) == EINVAL);
    block = valloc(10);
    CHECK(is_aligned(block, 4096));
    free(block);
    block = pvalloc(10);
    CHECK(is_aligned(block, 4096) && malloc_usable_size(block) >= 4096);
    free(block);
}

static void zeros(void)
{
    for (int round = 0; round < 3; round++)
        for (size_t size = 1; size < 9000000; size = size * 3 + 5) {
            unsigned char *block = calloc(1, size);
            CHECK(block);
            for (size_t at = 0; at < size; at += 61)
                CHECK(block[at] == 0);
            CHECK(block[size - 1] == 0);
            memset(block, 0xaa, size);
            free(block);
        }
}

static void growth(void)
{
    unsigned char *block = NULL;
    size_t size = 0;
    for (size_t next = 1; next < 20000000; next = next * 2 + 3) {
        block = realloc(block, next);
        CHECK(block);
        for (size_t at = 0; at < size; at += 97)
            CHECK(block[at] == (unsigned char)at);
        for (size_t at = 0; at < next; at += 1)
            block[at] = (unsigned char)at;
        size = next;
    }
    block = realloc(block, 10);
    CHECK(block[9] == 9);
    free(block);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *handed[512];

/* Allocates, takes what others have handed on, and ends. */
static void *passer(void *seed)
{
    unsigned state = (unsigned)(uintptr_t)seed * 2654435761u + 1;
    for (int round = 0; round < 400; round++) {
        state = state * 1103515245u + 12345u;
        size_t size = (state >> 16) % 3000 + sizeof(size_t) + 1;
        size_t *block = malloc(size);
        CHECK(block);
        *block = size;
        ((unsigned char *)block)[size - 1] = (unsigned char)size;
        pthread_mutex_lock(&lock);
        size_t *other = handed[state % 512];
        handed[state % 512] = block;
        pthread_mutex_unlock(&lock);
        if (other) {
            CHECK(*other < 4000 && ((unsigned char *)other)[*other - 1] == (unsigned char)*other);
            free(other);
        }
    }
    return NULL;
}

static void threads(void)
{
    for (uintptr_t round = 0; round < 100; round++) {
        pthread_t all[8];
        for (int index = 0; index < 8; index++)
            CHECK(pthread_create(&all[index], NULL, passer, (void *)(round * 8 + index)) == 0);
        if (round % 10 == 0) {
            /* While they allocate. */
            pid_t child = fork();
            CHECK(child >= 0);
            if (child == 0) {
                for (int index = 0; index < 1000; index++)
                    free(malloc(index * 3));
                pthread_t one;
                if (pthread_create(&one, NULL, passer, (void *)round) != 0 || pthread_mutex_trylock(&lock) == 0)
                    _exit(0);
                _exit(0);
            }
            int status;
            CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        for (int index = 0; index < 8; index++)
            CHECK(pthread_join(all[index], NULL) == 0);
    }
    for (int index = 0; index < 512; index++)
        free(handed[index]);
}

int main(void)
{
    edges();
    zeros();
    growth();
    threads();
    puts("the family is well");
    return 0;
}
