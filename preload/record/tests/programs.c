/* Programs that know what they allocate, for check.py: each prints lines "FUNCTION calls blocks bytes", what the function of that name
 * has asked for, and what of it lives at the end. What the C library asks for beside is nobody's here.
 *
 *   truth THREADS    random programs        edges     calls of every function      exits     who is called when the process ends
 *   threads          threads with names     fork      children, meanwhile          plugin FILE
 *   exec PROGRAM…    in a child, and waits  leave     the process ends by _exit
 *   closes FILE      all files but its own  signals   a thread waits for them       limits   files may not be large
 *   crowd            threads, at once       small     a child of a small stack      far      a frame pointer that is none
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define APART __attribute__((noinline, noclone))
#define CHECK(what)                                                      \
    do {                                                                 \
        if (!(what)) {                                                   \
            fprintf(stderr, "line %d: %s\n", __LINE__, #what);           \
            abort();                                                     \
        }                                                                \
    } while (0)

/* A call must not become a jump, or whoever asked is not in the stack. */
static void *volatile last;
static void *kept(void *block) { return last = block; }

/* ---- truth ---- */
enum { PLACES = 500, ROUNDS = 60000, MOST = 8 };
struct share {
    unsigned state;
    long calls, blocks, bytes;
    void *block[PLACES];
    size_t size[PLACES];
};
static struct share shares[MOST];
/* Blocks go from thread to thread. */
static struct { void *block; size_t size; } given[64];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned next(struct share *mine) { return (mine->state = mine->state * 1664525u + 1013904223u) >> 8; }

APART static void *truth_take(struct share *mine, size_t size)
{
    void *block = NULL;
    mine->calls++;
    switch (next(mine) % 8) {
    case 0: block = calloc(1, size); break;
    case 1: block = aligned_alloc(64, size); break;
    case 2: CHECK(posix_memalign(&block, 256, size) == 0); break;
    case 3: block = memalign(32, size); break;
    case 4: block = reallocarray(NULL, 1, size); break;
    default: block = malloc(size);
    }
    CHECK(block);
    return kept(block);
}

APART static void *truth_resize(struct share *mine, void *block, size_t size)
{
    mine->calls++;
    return kept(realloc(block, size));
}

static size_t some_size(struct share *mine)
{
    unsigned kind = next(mine) % 100;
    return kind == 0 ? next(mine) % 500000 : kind < 20 ? next(mine) % 5000 : next(mine) % 200;
}

static void *truth_thread(void *share)
{
    struct share *mine = share;
    for (int round = 0; round < ROUNDS; round++) {
        unsigned place = next(mine) % PLACES, what = next(mine) % 16;
        if (!mine->block[place]) {
            size_t size = some_size(mine) + 1;
            mine->block[place] = truth_take(mine, size);
            mine->size[place] = size;
        } else if (what < 4) {
            size_t size = some_size(mine) + 1;
            mine->block[place] = truth_resize(mine, mine->block[place], size);
            mine->size[place] = size;
        } else if (what < 6) {
            unsigned at = next(mine) % 64;
            pthread_mutex_lock(&lock);
            void *block = given[at].block;
            size_t size = given[at].size;
            given[at].block = mine->block[place], given[at].size = mine->size[place];
            pthread_mutex_unlock(&lock);
            mine->block[place] = block, mine->size[place] = size;
        } else if (what < 12) {
            free(mine->block[place]);
            mine->block[place] = NULL;
        }
    }
    return NULL;
}

static void truth(int threads)
{
    pthread_t all[MOST];
    CHECK(threads >= 1 && threads <= MOST);
    for (int index = 0; index < threads; index++) {
        shares[index].state = 12345u + index;
        CHECK(pthread_create(&all[index], NULL, truth_thread, &shares[index]) == 0);
    }
    long calls = 0, blocks = 0, bytes = 0;
    for (int index = 0; index < threads; index++) {
        pthread_join(all[index], NULL);
        calls += shares[index].calls;
        for (int place = 0; place < PLACES; place++)
            if (shares[index].block[place])
                blocks++, bytes += shares[index].size[place];
    }
    for (int at = 0; at < 64; at++)
        if (given[at].block)
            blocks++, bytes += given[at].size;
    printf("truth_ %ld %ld %ld\n", calls, blocks, bytes);
}

/* ---- edges: each a function of its own, so that it has a line in the report ---- */
#define EDGE(name, calls, blocks, bytes, body)                           \
    APART static void name(void)                                         \
    {                                                                    \
        body;                                                            \
        printf("%s %d %d %d\n", #name, calls, blocks, bytes);            \
    }

/* Of no bytes, which no line tells of; if it were not seen, it would be a stranger that is resized. */
EDGE(edge_nothing, 1, 1, 33, kept(realloc(kept(malloc(0)), 33)))
EDGE(edge_free_null, 0, 0, 0, free(NULL))
EDGE(edge_realloc_null, 1, 1, 70, kept(realloc(NULL, 70)))
EDGE(edge_realloc_to_nothing, 1, 0, 0, kept(realloc(kept(malloc(71)), 0)))
EDGE(edge_realloc, 2, 1, 100000, kept(realloc(kept(malloc(72)), 100000)))
EDGE(edge_realloc_refused, 1, 1, 73, void *block = kept(malloc(73)); CHECK(!realloc(block, PTRDIFF_MAX)))
EDGE(edge_calloc, 1, 1, 7 * 11, kept(calloc(7, 11)))
EDGE(edge_calloc_refused, 0, 0, 0, errno = 0; CHECK(!kept(calloc(SIZE_MAX / 2, 3)) && errno == ENOMEM))
EDGE(edge_reallocarray, 2, 1, 5 * 30, kept(reallocarray(kept(reallocarray(NULL, 3, 30)), 5, 30)))
EDGE(edge_reallocarray_refused, 1, 1, 74, CHECK(!reallocarray(kept(malloc(74)), SIZE_MAX / 2, 3)))
EDGE(edge_aligned_alloc, 1, 1, 192, kept(aligned_alloc(64, 192)))
EDGE(edge_memalign, 1, 1, 75, CHECK((size_t)kept(memalign(512, 75)) % 512 == 0))
EDGE(edge_posix_memalign, 1, 1, 76, void *block; CHECK(posix_memalign(&block, 128, 76) == 0); kept(block))
EDGE(edge_posix_memalign_refused, 0, 0, 0, void *block; CHECK(posix_memalign(&block, 3, 76) == EINVAL))
EDGE(edge_valloc, 1, 1, 77, CHECK((size_t)kept(valloc(77)) % 4096 == 0))
EDGE(edge_pvalloc, 1, 1, 78, CHECK((size_t)kept(pvalloc(78)) % 4096 == 0))
EDGE(edge_freed, 1, 0, 0, free(kept(malloc(79))))
EDGE(edge_large, 1, 1, 300 << 20, kept(malloc(300 << 20)))

/* What looks at `errno` after a free finds what was there before. */
APART static void errno_stays(void)
{
    for (int size = 1; size < 300000; size = size * 2 + 1) {
        void *block = kept(malloc(size));
        errno = 12345;
        free(block);
        CHECK(errno == 12345);
    }
}

static void edges(void)
{
    errno_stays();
    edge_nothing(), edge_free_null(), edge_realloc_null(), edge_realloc_to_nothing(), edge_realloc(), edge_realloc_refused();
    edge_calloc(), edge_calloc_refused(), edge_reallocarray(), edge_reallocarray_refused(), edge_aligned_alloc();
    edge_memalign(), edge_posix_memalign(), edge_posix_memalign_refused(), edge_valloc(), edge_pvalloc(), edge_freed();
    edge_large();
}

/* ---- exits ---- */
APART static void exit_first(void) { kept(malloc(1000)); }
APART static void exit_second(void)
{
    free(kept(malloc(2000)));
    kept(malloc(2001));
}
APART __attribute__((destructor)) static void exit_destructor(void)
{
    if (last)
        kept(malloc(3000));
}

static void exits(void)
{
    kept(NULL);
    atexit(exit_second);
    atexit(exit_first);
    puts("exit_first 1 1 1000\nexit_second 2 1 2001\nexit_destructor 1 1 3000");
}

/* ---- threads ---- */
static pthread_key_t key;
APART static void thread_value_goes(void *value)
{
    static __thread int rounds;
    free(value);
    if (++rounds < 3)
        pthread_setspecific(key, kept(malloc(50)));
}

APART static void *thread_work(void *number)
{
    char name[16];
    snprintf(name, sizeof name, "worker %zu", (size_t)number % 10);
    free(kept(malloc(10)));
    pthread_setname_np(pthread_self(), name);
    pthread_setspecific(key, kept(malloc(60)));
    return kept(malloc(20 + (size_t)number % 100));
}

static void threads(void)
{
    long bytes = 0;
    CHECK(pthread_key_create(&key, thread_value_goes) == 0);
    for (size_t from = 0; from < 1200; from += 20) {
        pthread_t all[20];
        for (size_t index = 0; index < 20; index++)
            CHECK(pthread_create(&all[index], NULL, thread_work, (void *)(from + index)) == 0);
        for (size_t index = 0; index < 20; index++) {
            void *block;
            pthread_join(all[index], &block);
            if (index % 2)
                free(block);
            else
                bytes += 20 + (from + index) % 100;
        }
    }
    printf("thread_work 3600 600 %ld\nthread_value_goes 2400 0 0\n", bytes);
}

/* ---- fork ---- */
static int stop;
APART static void *fork_busy(void *count)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        free(kept(malloc(30)));
        ++*(long *)count;
    }
    return NULL;
}

APART static void fork_child_work(void)
{
    /* More than all buffers of the recorder have room for. */
    for (int round = 0; round < 300000; round++)
        free(kept(malloc(40 + round % 1000)));
    for (int round = 0; round < 100; round++)
        kept(malloc(41));
}

APART static void fork_parent_work(void)
{
    free(kept(malloc(51)));
    kept(malloc(52));
}

static void forks(void)
{
    pthread_t busy[2];
    long counts[2] = {0};
    for (int index = 0; index < 2; index++)
        CHECK(pthread_create(&busy[index], NULL, fork_busy, &counts[index]) == 0);
    for (int round = 0; round < 20; round++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            if (round % 5 == 0)
                fork_child_work();
            kept(malloc(42));
            if (round % 2)
                _exit(0);
            exit(0);
        }
        int status;
        fork_parent_work();
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int index = 0; index < 2; index++)
        pthread_join(busy[index], NULL);
    printf("fork_parent_work 40 20 1040\nfork_child_work 0 0 0\nfork_busy %ld 0 0\n", counts[0] + counts[1]);
}

/* ---- plugin, exec, leave ---- */
static void plugin(const char *file)
{
    void *library = dlopen(file, RTLD_NOW);
    if (!library)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(library);
    ((void (*)(void))dlsym(library, "plugin_work"))();
    puts("plugin_begins 3 2 1100\nplugin_work 2 1 3000");
    /* And one that comes and goes. */
    for (int round = 0; round < 50; round++) {
        void *other = dlopen("libutil.so.1", RTLD_NOW);
        CHECK(!other || dlclose(other) == 0);
        CHECK(!dlopen("/no/such/library.so", RTLD_NOW));
    }
}

APART static void exec_work(void) { kept(malloc(700)); }

static void exec(char **command)
{
    pid_t child = fork();
    if (child == 0) {
        execvp(command[0], command);
        _exit(1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    exec_work();
    puts("exec_work 1 1 700");
}

APART static void leave_work(void) { kept(malloc(800)); }

static void leave(void)
{
    leave_work();
    puts("leave_work 1 1 800");
    fflush(stdout);
    /* Longer than what was not written yet waits. */
    usleep(400000);
    kept(malloc(801));
    _exit(7);
}

/* ---- closes, signals, limits: what a library can get in the way of ---- */
static void some_work(void)
{
    for (int round = 0; round < 100; round++) {
        for (int size = 1; size < 5000; size++)
            free(kept(malloc(size)));
        usleep(2000);
    }
}

static void closes(const char *file)
{
    for (int number = 3; number < 4096; number++)
        close(number);
    int first = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(first == 3 && write(first, "mine", 4) == 4);
    /* All numbers below 1024 are the program's now. */
    while (dup(first) >= 0 && fcntl(1023, F_GETFD) < 0)
        ;
    some_work();
    CHECK(lseek(first, 0, SEEK_END) == 4 && fcntl(1000, F_GETFD) >= 0);
}

static void signals(void)
{
    sigset_t all;
    int came = 0;
    CHECK(sigemptyset(&all) == 0 && sigaddset(&all, SIGTERM) == 0 && sigaddset(&all, SIGUSR1) == 0);
    CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
    for (int round = 0; round < 20; round++) {
        int which = round % 2 ? SIGTERM : SIGUSR1;
        CHECK(kill(getpid(), which) == 0 && sigwait(&all, &came) == 0 && came == which);
    }
}

static void limits(void)
{
    struct rlimit most = {1 << 16, 1 << 16};
    CHECK(setrlimit(RLIMIT_FSIZE, &most) == 0);
    some_work();
}

/* ---- crowd ---- */
static pthread_barrier_t all_there;
static void *crowd_thread(void *nothing)
{
    pthread_barrier_wait(&all_there);
    for (int round = 0; round < 1000; round++)
        free(kept(malloc(16 + round)));
    pthread_barrier_wait(&all_there);
    return nothing;
}

static void crowd(void)
{
    pthread_t threads[20];
    pthread_barrier_init(&all_there, NULL, 20);
    for (int index = 0; index < 20; index++)
        CHECK(pthread_create(&threads[index], NULL, crowd_thread, NULL) == 0);
    for (int index = 0; index < 20; index++)
        pthread_join(threads[index], NULL);
}

/* ---- small ---- */
static void *small_thread(void *nothing)
{
    pid_t child = fork();
    if (child == 0) {
        kept(malloc(43));
        exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return nothing;
}

static void on_stack_of(void *stack, size_t size, void *(*work)(void *))
{
    pthread_t thread;
    pthread_attr_t how;
    CHECK(pthread_attr_init(&how) == 0);
    CHECK((stack ? pthread_attr_setstack(&how, stack, size) : pthread_attr_setstacksize(&how, size)) == 0);
    CHECK(pthread_create(&thread, &how, work, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

/* ---- far: pages behind a stack that were there when it was first seen, and are not any more ---- */
enum { STACK = 1 << 20, BEHIND = 64 << 20 };
static char *behind;
static void *far_thread(void *nothing)
{
    free(kept(malloc(44)));
    CHECK(munmap(behind, BEHIND) == 0);
    char *far = behind + BEHIND / 2;
    (void)far;
#ifdef __x86_64__
    /* What a compiler may do that needs no frame pointer. */
    __asm__ volatile("push %%rbp\n\tpush %%rbx\n\tmov %%rsp, %%rbx\n\tsub $128, %%rsp\n\tand $-16, %%rsp\n\tmov %0, %%rbp\n\t"
                     "mov $64, %%edi\n\tcall malloc@plt\n\tmov %%rbx, %%rsp\n\tpop %%rbx\n\tpop %%rbp"
                     :
                     : "r"(far)
                     : "memory", "cc", "rax", "rdi", "rsi", "rdx", "rcx", "r8", "r9", "r10", "r11");
#endif
    return nothing;
}

static void far_away(void)
{
    char *both = mmap(NULL, STACK + BEHIND, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(both != MAP_FAILED);
    behind = both + STACK;
    on_stack_of(both, STACK, far_thread);
}

int main(int count, char **words)
{
    static char room[1 << 16];
    const char *what = count > 1 ? words[1] : "";
    /* What is printed asks for nothing. */
    setvbuf(stdout, room, _IOFBF, sizeof room);
    if (!strcmp(what, "truth") && count == 3)
        truth(atoi(words[2]));
    else if (!strcmp(what, "edges"))
        edges();
    else if (!strcmp(what, "exits"))
        exits();
    else if (!strcmp(what, "threads"))
        threads();
    else if (!strcmp(what, "fork"))
        forks();
    else if (!strcmp(what, "plugin") && count == 3)
        plugin(words[2]);
    else if (!strcmp(what, "exec") && count > 2)
        exec(words + 2);
    else if (!strcmp(what, "leave"))
        leave();
    else if (!strcmp(what, "closes") && count == 3)
        closes(words[2]);
    else if (!strcmp(what, "signals"))
        signals();
    else if (!strcmp(what, "limits"))
        limits();
    else if (!strcmp(what, "crowd"))
        crowd();
    else if (!strcmp(what, "small"))
        on_stack_of(NULL, 64 << 10, small_thread);
    else if (!strcmp(what, "far"))
        far_away();
    else
        return 2;
    return 0;
}
