/* A module that allocates when it is loaded; linked to a program, before that one begins. */
#include <stdlib.h>

static void *volatile first, *volatile second, *volatile third;

__attribute__((constructor, noinline)) void plugin_begins(void)
{
    first = malloc(100);
    second = calloc(10, 100);
    third = malloc(5000);
    free(third);
}

__attribute__((noinline)) void plugin_work(void)
{
    third = malloc(2000);
    third = realloc(third, 3000);
}
