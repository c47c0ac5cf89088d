/* Loads a module for itself alone, calls its `work`, and unloads it: `load MODULE TIMES`. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
    const char *answer = NULL;
    char text[100] = "";
    for (int round = count > 2 ? atoi(arguments[2]) : 1; round > 0; round--) {
        void *module = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
        if (!module) {
            puts(dlerror());
            return 1;
        }
        const char *(*work)(void) = (const char *(*)(void))dlsym(module, "work");
        if (!work || !(answer = work()))
            return 2;
        snprintf(text, sizeof text, "%s", answer);
        dlclose(module);
    }
    puts(text);
    return 0;
}
