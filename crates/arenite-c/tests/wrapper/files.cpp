// Two files of one program with different sets of flags: each one's own mean what they say. (This is one; the other includes it.)
#include "compat/memory_wrapper.h"

#include <cstring>

#include "../check.h"

#ifndef OTHER
#define OTHER check_first
int check_second();
#endif

int OTHER();
int OTHER() {
    struct Unit {
        char bytes[64];
    };
    for (int i = 0; i < 100; i++) {
        void *dirty = Alloc(64);
        std::memset(dirty, 0xCC, 64);
        Free(dirty);
        Unit *unit = new (MEM_CLEAR) Unit;
        for (char byte : unit->bytes) CHECK(byte == 0);
        delete unit;
    }
    return MEM_CLEAR;
}

#if MEMORY_WRAPPER_FLAGS == 1
int main() {
    CHECK(check_first() == 4 && check_second() == 2);
    puts("wrapper: both sets of flags in one program");
    return 0;
}
#endif
