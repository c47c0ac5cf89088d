/* Planted bugs: one for each name. `corpus NAME` makes the mistake and, if nobody notices, prints "unnoticed" and ends with 0.
 * `corpus` alone lists the names, each with what the hardened heap must do about it: `fault` (a page without access is hit), or
 * words that its message has; nothing if it need not find it.
 *
 * Compiled without optimisation of what is known of malloc, so that the mistakes are really made. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static volatile char sink;
static char in_data[64];

/* Neighbours of the same size on both sides, as programs have them. */
static char *block(size_t size)
{
    for (int index = 0; index < 20; index++)
        memset(malloc(size), 1, size);
    char *made = malloc(size);
    memset(made, 2, size);
    return made;
}

/* What a program does afterwards: other blocks come and go. */
static void go_on(size_t size)
{
    for (int index = 0; index < 4000; index++)
        free(malloc(size));
}

static void overflow_by_1(void) { char *p = block(60); p[60] = 'x'; free(p); }
static void overflow_by_zero_byte(void) { char *p = block(64); p[64] = 0; free(p); }
static void overflow_by_8(void) { char *p = block(64); memset(p + 64, 'x', 8); free(p); }
static void overflow_after_shrinking(void) { char *p = realloc(block(1000), 900); p[905] = 'x'; free(p); }
static void overflow_that_skips_the_edge(void) { char *p = block(900); p[950] = 'x'; free(p); }
static void overflow_of_aligned(void) { block(100); char *p = aligned_alloc(256, 200); p[200] = 'x'; free(p); }
static void overflow_of_zeroed(void) { char *p = calloc(7, 11); p[77] = 'x'; free(p); }
static void overflow_of_nothing(void) { char *p = malloc(0); p[0] = 'x'; free(p); }
static void overflow_of_100_kb(void) { char *p = block(100001); p[100001] = 'x'; free(p); }
static void overflow_of_100_kb_to_the_page(void) { char *p = block(102400); p[102400] = 'x'; free(p); }
static void overflow_of_5_mb(void) { char *p = block(5000001); p[5000001] = 'x'; free(p); }
static void overflow_far_beyond(void) { char *p = block(60); memset(p, 'x', 1 << 20); free(p); }
static void underflow_by_1(void) { char *p = block(64); p[-1] = 'x'; free(p); }
static void underflow_by_8(void) { char *p = block(500); memset(p - 8, 'x', 8); free(p); }
static void underflow_of_100_kb(void) { char *p = block(100001); p[-1] = 'x'; free(p); }
static void double_free(void) { char *p = block(64); free(p); free(p); }
static void double_free_with_another_between(void) { char *p = block(64), *q = block(64); free(p); free(q); free(p); }
static void double_free_after_reuse(void) { char *p = block(64); free(p); go_on(64); free(p); }
static void double_free_of_100_kb(void) { char *p = block(100000); free(p); free(p); }
static void *free_it(void *p) { free(p); return NULL; }
static void double_free_by_another_thread(void)
{
    char *p = block(64);
    pthread_t thread;
    pthread_create(&thread, NULL, free_it, p);
    pthread_join(thread, NULL);
    free(p);
}
static void free_of_the_middle(void) { char *p = block(64); free(p + 16); }
static void free_of_the_middle_of_100_kb(void) { char *p = block(100000); free(p + 4096); }
static void free_of_the_stack(void) { char local[64] __attribute__((aligned(16))); sink = local[0] = 1; free(local); }
static void free_of_a_static(void) { free(in_data); }
static void free_of_code(void) { free((void *)(uintptr_t)free_of_the_stack); }
static void free_of_a_mapping(void)
{
    free((char *)mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 64);
}
static void free_of_a_number(void) { free((void *)(uintptr_t)0x1230); }
static void free_with_another_size(void)
{
    void (*free_sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
    char *p = block(64);
    if (!free_sized) {
        puts("no free_sized");
        exit(77);
    }
    free_sized(p, 32);
}
static void realloc_of_a_freed_block(void) { char *p = block(64); free(p); sink = *(char *)realloc(p, 100); }
static void realloc_of_the_middle(void) { char *p = block(64); sink = *(char *)realloc(p + 16, 100); }
static void size_of_a_freed_block(void) { char *p = block(64); free(p); sink = (char)malloc_usable_size(p); }
static void write_after_free(void) { char *p = block(64); free(p); p[20] = 'x'; go_on(64); }
static void write_after_free_of_the_first_bytes(void) { char *p = block(64); free(p); memset(p, 0, 8); go_on(64); }
static void write_after_free_at_the_end(void) { char *p = block(3000); free(p); p[2999] = 'x'; go_on(3000); }
static void write_after_free_later(void) { char *p = block(64); free(p); go_on(64); p[20] = 'x'; for (int i = 0; i < 20; i++) block(64); go_on(64); for (int i = 0; i < 2000; i++) block(64); }
static void write_after_realloc(void) { char *p = block(64), *q = realloc(p, 5000); p[20] = 'x'; go_on(64); free(q); }
static void write_after_free_of_100_kb(void) { char *p = block(100000); free(p); p[50000] = 'x'; }
static void read_after_free_of_100_kb(void) { char *p = block(100000); free(p); sink = p[50000]; }
static void read_after_free_of_5_mb(void) { char *p = block(5000000); free(p); sink = p[50000]; }
static void write_after_free_till_the_end(void) { char *p = block(64); free(p); p[20] = 'x'; }
static void overflow_and_never_freed(void) { char *p = block(64); p[64] = 'x'; }

static const struct {
    const char *name, *words;
    void (*make)(void);
} bugs[] = {
#define BUG(name, words) {#name, words, name}
    BUG(overflow_by_1, "overflow: 1 byte"),
    BUG(overflow_by_zero_byte, "overflow: 1 byte"),
    BUG(overflow_by_8, "overflow: 8 bytes"),
    BUG(overflow_after_shrinking, "overflow: 6 bytes"),
    BUG(overflow_that_skips_the_edge, ""),
    BUG(overflow_of_aligned, "overflow: 1 byte"),
    BUG(overflow_of_zeroed, "overflow: 1 byte"),
    BUG(overflow_of_nothing, "overflow: 1 byte"),
    BUG(overflow_of_100_kb, "overflow: 1 byte"),
    BUG(overflow_of_100_kb_to_the_page, "fault"),
    BUG(overflow_of_5_mb, "overflow: 1 byte"),
    BUG(overflow_far_beyond, "fault"),
    BUG(overflow_and_never_freed, "overflow: 1 byte"),
    BUG(underflow_by_1, "underflow:"),
    BUG(underflow_by_8, "underflow:"),
    BUG(underflow_of_100_kb, "underflow:"),
    BUG(double_free, "double free:"),
    BUG(double_free_with_another_between, "double free:"),
    BUG(double_free_after_reuse, "double free:"),
    BUG(double_free_of_100_kb, "double free:"),
    BUG(double_free_by_another_thread, "double free:"),
    BUG(free_of_the_middle, "invalid free: 16 bytes inside"),
    BUG(free_of_the_middle_of_100_kb, "invalid free: 4096 bytes inside"),
    BUG(free_of_the_stack, "foreign free:"),
    BUG(free_of_a_static, "foreign free:"),
    BUG(free_of_code, "foreign free:"),
    BUG(free_of_a_mapping, "foreign free:"),
    BUG(free_of_a_number, "foreign free:"),
    BUG(free_with_another_size, "wrong layout:"),
    BUG(realloc_of_a_freed_block, "use after free:"),
    BUG(realloc_of_the_middle, "invalid free: 16 bytes inside"),
    BUG(size_of_a_freed_block, "use after free:"),
    BUG(write_after_free, "use after free: byte 20"),
    BUG(write_after_free_of_the_first_bytes, "use after free: byte 0"),
    BUG(write_after_free_at_the_end, "use after free: byte 2999"),
    BUG(write_after_free_later, "use after free: byte 20"),
    BUG(write_after_free_till_the_end, "use after free: byte 20"),
    BUG(write_after_realloc, "use after free: byte 20"),
    BUG(write_after_free_of_100_kb, "fault"),
    BUG(read_after_free_of_100_kb, "fault"),
    BUG(read_after_free_of_5_mb, "fault"),
};

int main(int count, char **words)
{
    for (size_t index = 0; index < sizeof bugs / sizeof *bugs; index++) {
        if (count < 2)
            printf("%s\t%s\n", bugs[index].name, bugs[index].words);
        else if (!strcmp(words[1], bugs[index].name)) {
            bugs[index].make();
            puts("unnoticed");
            return 0;
        }
    }
    return count < 2 ? 0 : 2;
}
