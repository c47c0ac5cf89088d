// Every form of `new` and `delete` with cxx/new_delete_by_tag.cpp: whose account it is on, alignments, and what is refused.
#include <compat/memory_wrapper.h>

#include <new>
#include <thread>

#include "counted.hpp"

using namespace arenite;

struct alignas(256) wide {
    unsigned char bytes[256];
};

static void *volatile shown;

// Compilers may leave `new` and `delete` out where nobody sees the block.
template <class T>
static T *show(T *block) {
    shown = block;
    return block;
}

static int handled;

static void no_room() {
    handled++;
    std::set_new_handler(nullptr);
}

int main() {
    const tag mine("cxx/new");
    const auto live = [&] { return mine.heap_figures().live_blocks; };
    {
        tag_scope scope(mine);
        int *one = show(new int(5));
        counted *many = show(new counted[10]);
        wide *aligned = show(new wide), *array = show(new wide[3]);
        char *zero = show(new char[0]), *quiet = show(new (std::nothrow) char[100]);
        wide *both = show(new (std::nothrow) wide);
        CHECK(zero && quiet && live() == 7 && ALIGNED(one, 16) && ALIGNED(aligned, 256) && ALIGNED(array, 256) && ALIGNED(both, 256));
        CHECK(arenite_owns(one) && arenite_owns(both));
        delete one;
        delete[] many;
        CHECK(live() == 5 && counted::live == 0);
        delete aligned;
        delete[] array;
        delete[] zero;
        ::operator delete[](quiet, std::nothrow);
        delete both;
        delete static_cast<int *>(nullptr);
        CHECK(live() == 0);

        // Freed on another thread, under another tag.
        int *far = show(new int);
        std::thread([far] { delete far; }).join();
        CHECK(live() == 0);
        // One of the C functions is as good.
        CHECK(arenite_free(show(new int)) == ARENITE_OK && live() == 0);
        // The wrapper's own blocks go to `delete`, too, of every size.
        for (std::size_t size = 0; size < (8 << 20); size = size * 3 + 1) {
            const int count = static_cast<int>(Platform_Mem_GetCount());
            char *clear = show(new (MEM_CLEAR) char[size]);
            CHECK(clear && (size == 0 || (clear[0] == 0 && clear[size - 1] == 0)) && static_cast<int>(Platform_Mem_GetCount()) == count + 1);
            arenite_clear_error();
            delete[] clear;
            CHECK(arenite_last_error() == ARENITE_OK);
            CHECK(static_cast<int>(Platform_Mem_GetCount()) == count && live() == 0);
        }

        // A budget refuses; the handler is asked first.
        mine.hard_budget(8 << 20);
        std::set_new_handler(no_room);
        bool refused = false;
        volatile std::size_t large = 64 << 20;
        try {
            delete[] show(new char[large]);
        } catch (const std::bad_alloc &) {
            refused = true;
        }
        CHECK(refused && handled == 1 && arenite_last_error() == ARENITE_OVER_BUDGET);
        char *none = show(new (std::nothrow) char[large]);
        CHECK(none == nullptr && live() == 0);
        char *fits = show(new char[1 << 20]);
        CHECK(live() == 1);
        delete[] fits;
    }
    CHECK(live() == 0);
    return 0;
}
