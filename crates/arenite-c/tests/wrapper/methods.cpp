// memory_wrapper.h in C++: methods named as its functions, operators of every form, and blocks that change faces. Linked with
// cxx/new_delete.cpp.
#include "compat/memory_wrapper.h"

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "../check.h"

namespace {

// What a macro would clobber.
class Surface {
  public:
    void *Alloc(int width, int height) { return pixels_ = ::Alloc(static_cast<std::size_t>(width * height), MEM_CLEAR); }
    void Free() {
        ::Free(pixels_);
        pixels_ = nullptr;
    }
    static int Free(int which) { return which + 1; }
    long Ram_Free = 5;
    int Heap_Size() const { return 7; }
    void *Resize_Alloc = nullptr;

  private:
    void *pixels_ = nullptr;
};

struct Pools {
    void *(*Alloc)(std::size_t);
    void (*Free)(void *);
};

struct Unit {
    int hits;
    char name[60];
};

struct alignas(256) Wide {
    char bytes[300];
};

struct Fails {
    explicit Fails(int why) { throw why; }
    char bytes[500];
};

struct Counted {
    static int alive;
    Counted() { alive++; }
    ~Counted() { alive--; }
    char bytes[33];
};
int Counted::alive = 0;

// A block that nobody sees a compiler need not make.
void *volatile seen;

std::size_t count() { return Platform_Mem_GetCount(); }

void methods() {
    Surface surface;
    CHECK(surface.Alloc(10, 20) && count() == 1);
    surface.Free();
    CHECK(count() == 0 && Surface::Free(2) == 3 && surface.Ram_Free == 5 && surface.Heap_Size() == 7 && !surface.Resize_Alloc);
    const Pools pools = {std::malloc, std::free};
    pools.Free(pools.Alloc(10));
}

void operators() {
    // Memory that held something.
    for (int i = 0; i < 20; i++) {
        void *dirty = Alloc(sizeof(Unit));
        std::memset(dirty, 0xCC, sizeof(Unit));
        Free(dirty);
        Unit *unit = new (MEM_CLEAR) Unit;
        CHECK(unit && unit->hits == 0 && unit->name[59] == 0 && count() == 1);
        delete unit;
        CHECK(count() == 0);
    }
    Counted *many = new (MEM_CLEAR | MEM_LOCK) Counted[10];
    CHECK(many && Counted::alive == 10 && count() == 1);
    delete[] many;
    CHECK(Counted::alive == 0 && count() == 0);

    Wide *wide = new (MEM_CLEAR) Wide;
    CHECK((reinterpret_cast<std::uintptr_t>(wide) & 255) == 0 && wide->bytes[299] == 0);
    delete wide;
    Wide *row = new Wide[3];
    CHECK((reinterpret_cast<std::uintptr_t>(row) & 255) == 0);
    delete[] row;
    wide = new (std::nothrow) Wide;
    seen = wide;
    CHECK(wide && count() == 1);
    delete wide;

    // A constructor that throws gives its memory back.
    for (int form = 0; form < 3; form++) {
        int caught = 0;
        try {
            if (form == 0) delete new Fails(form + 1);
            if (form == 1) delete new (MEM_CLEAR) Fails(form + 1);
            if (form == 2) delete new (std::nothrow) Fails(form + 1);
        } catch (int why) {
            caught = why;
        }
        CHECK(caught == form + 1 && count() == 0);
    }
}

int asked;

void out_of_memory() {
    // It gives up at the third time.
    if (++asked == 3) std::set_new_handler(nullptr);
}

int wrapper_hook(std::size_t, void *context) {
    ++*static_cast<int *>(context);
    return 0;
}

// A size that no compiler sees through.
volatile std::size_t huge = static_cast<std::size_t>(1) << 46;

void no_memory() {
    int hooked = 0;
    seen = new (MEM_NORMAL) char[huge];
    CHECK(!seen);
    seen = new (std::nothrow) char[huge];
    CHECK(!seen);
    Set_Memory_Error(wrapper_hook, &hooked);
    std::set_new_handler(out_of_memory);
    bool thrown = false;
    try {
        seen = new char[huge];
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    CHECK(thrown && asked == 3 && hooked == 4);
    Set_Memory_Error(nullptr, nullptr);
    CHECK(count() == 0);
    Platform_Clear_Error();
}

void mixed() {
    char *made = new char[100];
    CHECK(Platform_Mem_GetSize(made) == 100);
    Free(made);
    Unit *taken = static_cast<Unit *>(Alloc(sizeof(Unit), MEM_CLEAR));
    delete taken;
    made = static_cast<char *>(Resize_Alloc(new char[10], 5000));
    CHECK(made && count() == 1);
    Platform_Free(made, 0);
    CHECK(count() == 0 && Platform_Last_Error() == PLATFORM_OK);

    {
        std::map<int, std::string> names;
        std::vector<std::unique_ptr<Counted>> all;
        std::vector<std::thread> threads;
        for (int i = 0; i < 1000; i++) {
            names[i] = std::string(static_cast<std::size_t>(i), 'x');
            all.push_back(std::unique_ptr<Counted>(new Counted));
        }
        for (int t = 0; t < 4; t++) {
            threads.emplace_back([] {
                std::vector<std::string> texts;
                for (std::size_t i = 0; i < 2000; i++) texts.emplace_back(i % 300, 'y');
            });
        }
        for (std::thread &thread : threads) thread.join();
        CHECK(count() > 2900 && names[999].size() == 999 && Counted::alive == 1000);
    }
    CHECK(count() == 0 && Platform_Mem_GetAllocated() == 0);
}

void collect(void *context, const char *text, std::size_t) { *static_cast<std::string *>(context) += text; }

void places() {
    std::string report;
    report.reserve(10000);
    void *block = Alloc(4321, MEM_TEMP); const int line = __LINE__;
    Platform_Mem_DumpLeaks_To(collect, &report);
    const std::string place = "methods.cpp:" + std::to_string(line);
    CHECK((report.find(place) != std::string::npos) == (MEMORY_WRAPPER_PLACES != 0));
    CHECK(report.find("of 4321 bytes") != std::string::npos);
    Free(block);
#if !MEMORY_WRAPPER_PLACES
    void *(*pointer)(std::size_t, MemoryFlagType) = Alloc;
    Free(pointer(10, MEM_CLEAR));
#endif
}

}  // namespace

int main() {
    // What the program's own runtime has taken before.
    CHECK(count() == 0);
    methods();
    operators();
    no_memory();
    mixed();
    places();
    CHECK(count() == 0 && Ram_Free() > 0 && Total_Ram_Free() > 0 && Heap_Size() > 0);
    puts("wrapper: methods and operators hold");
    return 0;
}
