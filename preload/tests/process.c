/* What happens to whole processes: forks while others allocate, threads that hand blocks on and end, memory that is at an
 * end, and what glibc tells of its heap. Prints one line if all is well. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what)                                                        \
    do {                                                                   \
        if (!(what)) {                                                     \
            printf("line %d: %s\n", __LINE__, #what);                      \
            fflush(stdout);                                                \
            _exit(1);                                                      \
        }                                                                  \
    } while (0)

const char *work(void); /* of early.c */

static int stop;
static char *volatile kept;

static void *allocator(void *nothing)
{
    for (unsigned state = 1; !__atomic_load_n(&stop, __ATOMIC_RELAXED);) {
        state = state * 1103515245u + 12345u;
        char *small = malloc(state >> 20), *large = malloc((state >> 8) % 700000);
        CHECK(small && large);
        free(large);
        large = calloc(1, 300000 + (state >> 16));
        CHECK(large && large[299999] == 0);
        free(large);
        free(small);
    }
    return nothing;
}

static void ends_well(pid_t child)
{
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void forks(void)
{
    pthread_t all[4];
    for (int index = 0; index < 4; index++)
        CHECK(pthread_create(&all[index], NULL, allocator, NULL) == 0);
    for (int round = 0; round < 40; round++) {
        pid_t child = fork();
        if (child == 0) {
            /* Here there is one thread; it can do all that the four did, begin others, and fork. */
            alarm(20);
            for (size_t size = 1; size < 3000000; size = size * 2 + 1)
                free(realloc(malloc(size), size * 2));
            malloc_trim(0);
            CHECK(strcmp(work(), "the module is well") == 0);
            pid_t grandchild = fork();
            if (grandchild == 0)
                _exit(malloc(1000000) == NULL);
            ends_well(grandchild);
            _exit(0);
        }
        ends_well(child);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int index = 0; index < 4; index++)
        CHECK(pthread_join(all[index], NULL) == 0);
}

#define THREADS 1000
static void *handed[THREADS];

static void *hand_on(void *at)
{
    void **place = at;
    size_t size = 16 + (size_t)(place - handed) * 37 % 5000;
    free(__atomic_exchange_n(place, NULL, __ATOMIC_ACQ_REL));
    char *block = malloc(size);
    CHECK(block);
    memset(block, 1, size);
    free(malloc(size * 3));
    /* To the thread that begins after the next one. */
    free(__atomic_exchange_n(&handed[(place - handed + 2) % THREADS], block, __ATOMIC_ACQ_REL));
    return NULL;
}

static size_t resident(void)
{
    size_t pages = 0;
    char text[100];
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fgets(text, sizeof text, file) && sscanf(text, "%*s %zu", &pages) == 1);
    fclose(file);
    return pages * 4096;
}

/* A thousand threads, few at a time, twenty times over: what is in use and what is resident stays as after the first time. */
static void thousand(int rounds)
{
    size_t first_used = 0, first_resident = 0;
    for (int round = 0; round < rounds; round++) {
        for (int from = 0; from < THREADS; from += 20) {
            pthread_t all[20];
            for (int index = 0; index < 20; index++)
                CHECK(pthread_create(&all[index], NULL, hand_on, &handed[from + index]) == 0);
            for (int index = 0; index < 20; index++)
                CHECK(pthread_join(all[index], NULL) == 0);
        }
        for (int index = 0; index < THREADS; index++) {
            free(handed[index]);
            handed[index] = NULL;
        }
        malloc_trim(0);
        struct mallinfo2 now = mallinfo2();
        if (round == 1)
            first_used = now.uordblks, first_resident = resident();
        if (round > 1) {
            /* What the C library keeps for stacks of threads is a block or two more or less. */
            CHECK(now.uordblks <= first_used + 8192);
            CHECK(resident() <= first_resident + (2 << 20));
        }
    }
}

/* Takes blocks of a size until there is none, and gives them back. Answers how many there were. */
static long until_none(size_t size)
{
    void **list = NULL;
    long count = 0;
    for (;; count++) {
        errno = 0;
        void **block = malloc(size);
        if (!block)
            break;
        *block = list;
        list = block;
    }
    CHECK(errno == ENOMEM);
    errno = 0;
    CHECK(!calloc(2, 1 << 30) && errno == ENOMEM);
    if (list) {
        errno = 0;
        CHECK(!realloc(list, 1 << 30) && errno == ENOMEM);
        void *place = &place;
        CHECK(posix_memalign(&place, 4096, 1 << 30) == ENOMEM && place == &place);
    }
    while (list) {
        void **next = *list;
        free(list);
        list = next;
    }
    return count;
}

static void *in_a_thread(void *nothing)
{
    CHECK(until_none(70000) > 100);
    return nothing;
}

/* A real end of memory: `malloc` answers null, and when some comes back it serves again. In a process of its own. */
static void exhausted(void)
{
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {300 << 20, 300 << 20};
        CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
        const size_t sizes[] = {16, 100, 1000, 5000, 40000, 300000, 5 << 20};
        for (int round = 0; round < 2; round++)
            for (int at = 0; at < 7; at++) {
                long count = until_none(sizes[at]);
                CHECK((size_t)count * sizes[at] > (32 << 20));
            }
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, in_a_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
        pid_t grandchild = fork();
        if (grandchild == 0)
            _exit(until_none(1000) < 1000);
        ends_well(grandchild);
        _exit(0);
    }
    ends_well(child);
}

static void figures(void)
{
    struct mallinfo2 before = mallinfo2();
    kept = malloc(10000000);
    memset(kept, 1, 10000000);
    struct mallinfo2 after = mallinfo2();
    CHECK(after.uordblks + after.hblkhd >= before.uordblks + before.hblkhd + 10000000);
    free(kept);
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    CHECK(mallinfo().uordblks >= 0);
    CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1 && mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1);
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    CHECK(malloc_info(0, file) == 0 && malloc_info(7, file) != 0);
    fclose(file);
    CHECK(strncmp(text, "<malloc version=", 16) == 0 && strstr(text, "</malloc>"));
    free(text);
    malloc_trim(0);
}

/* glibc's own names, which some programs call when they bring a `malloc` of their own. */
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static void own_names(void)
{
    char *block = __libc_malloc(100);
    block = realloc(block, 200000);
    CHECK(block && malloc_usable_size(block) >= 200000);
    __libc_free(block);
    block = malloc(50);
    block = __libc_realloc(block, 5000);
    free(block);
    block = __libc_memalign(512, 100);
    CHECK((size_t)block % 512 == 0);
    free(block);
    block = __libc_calloc(100, 7);
    CHECK(block[699] == 0);
    free(block);
}

int main(void)
{
    CHECK(strcmp(work(), "the module is well") == 0);
    own_names();
    figures();
    exhausted();
    thousand(20);
    forks();
    puts("the process is well");
    return 0;
}
