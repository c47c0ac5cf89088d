/* The program of the comparison: without arguments all cases, with `random SEED STEPS` a random program of each kind. */
#include "oracle.h"

const char *group;
unsigned long cases;

int main(int count, char **arguments)
{
    /* A crash must not lose what was said before. (Windows' library has no buffering by lines.) */
    setvbuf(stdout, NULL, _IONBF, 0);
    if (count == 4 && !strcmp(arguments[1], "random")) {
        uint64_t seed = strtoul(arguments[2], NULL, 10);
        int steps = atoi(arguments[3]);
        group = "virtual";
        random_virtual(seed, steps);
        group = "heap";
        random_heap(seed, steps);
        group = "global";
        random_global(seed, steps);
        return 0;
    }
    if (count != 1)
        return 2;
    group = "virtual";
    virtual_cases();
    group = "heap";
    heap_cases();
    group = "global";
    global_cases();
    group = "other";
    other_cases();
    return 0;
}
