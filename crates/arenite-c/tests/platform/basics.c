/* What platform.h says of each function, one by one. C11 and C++17. */
#include "platform.h"

#include <string.h>
#include <sys/mman.h>

#include "../check.h"

static size_t bytes(void) { return Platform_Mem_GetAllocated(); }

static int aligned(const void *block) { return ((uintptr_t)block & 15) == 0; }

static void blocks_of_all_sizes(void) {
    static const size_t sizes[] = {0,    1,    15,    16,    17,     100,    1007,   1008,    1009,
                                   1024, 4096, 32752, 32768, 100000, 262144, 1 << 20, (1 << 20) + 1, 9 << 20};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    void *blocks[COUNT];
    size_t sum = 0;
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = Platform_Alloc(sizes[i], PLATFORM_MEM_NORMAL);
        CHECK(blocks[i] && aligned(blocks[i]));
        CHECK(Platform_Mem_GetSize(blocks[i]) == sizes[i] && Platform_Mem_Owns(blocks[i]) == 1);
        memset(blocks[i], i + 1, sizes[i]);
        sum += sizes[i];
        CHECK(bytes() == sum && Platform_Mem_GetCount() == (size_t)i + 1 && Platform_Mem_GetPeak() == sum);
        for (int k = 0; k < i; k++) CHECK(blocks[k] != blocks[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < sizes[i]; k += 511) CHECK(((unsigned char *)blocks[i])[k] == i + 1);
        Platform_Free(blocks[i], i % 2 ? sizes[i] : 0);
        sum -= sizes[i];
        CHECK(bytes() == sum && Platform_Mem_GetCount() == (size_t)(COUNT - i - 1));
    }
    CHECK(Platform_Last_Error() == PLATFORM_OK);
    Platform_Free(NULL, 0);
    Platform_Free(NULL, 7);
    CHECK(Platform_Last_Error() == PLATFORM_OK);
}

static void flags(void) {
    for (size_t size = 0; size < 3000000; size = size * 2 + 1) {
        /* Where something was before. */
        void *dirty = Platform_Alloc(size, PLATFORM_MEM_TEMP);
        CHECK(dirty);
        memset(dirty, 0xEE, size);
        Platform_Free(dirty, size);
        for (uint32_t lock = 0; lock <= PLATFORM_MEM_LOCK; lock += PLATFORM_MEM_LOCK) {
            unsigned char *clear = (unsigned char *)Platform_Alloc(size, PLATFORM_MEM_CLEAR | lock);
            CHECK(clear && aligned(clear));
            for (size_t i = 0; i < size; i++) CHECK(clear[i] == 0);
            CHECK(bytes() == size);
            memset(clear, 0xDD, size);
            unsigned char *longer = (unsigned char *)Platform_Realloc(clear, size, size + 5000);
            CHECK(longer && bytes() == size + 5000);
            for (size_t i = 0; i < size; i++) CHECK(longer[i] == 0xDD);
            Platform_Free(longer, 0);
            CHECK(bytes() == 0);
        }
    }
    void *odd = Platform_Alloc(10, 0xFFFFFFF9u);
    CHECK(odd);
    Platform_Free(odd, 10);
}

static void alignment(void) {
    for (size_t align = 1; align <= 4u << 20; align *= 2) {
        for (size_t size = 0; size < 100000; size = size * 7 + 1) {
            unsigned char *block = (unsigned char *)Platform_Alloc_Aligned(size, align, PLATFORM_MEM_CLEAR);
            CHECK(block && ((uintptr_t)block & (align - 1)) == 0 && aligned(block));
            for (size_t i = 0; i < size; i++) CHECK(block[i] == 0);
            CHECK(Platform_Mem_GetSize(block) == size && bytes() == size);
            memset(block, 0x5A, size);
            block = (unsigned char *)Platform_Realloc(block, size, size + 100);
            CHECK(block && ((uintptr_t)block & (align - 1)) == 0);
            for (size_t i = 0; i < size; i++) CHECK(block[i] == 0x5A);
            Platform_Free(block, size + 100);
            CHECK(bytes() == 0);
        }
    }
    CHECK(!Platform_Alloc_Aligned(10, 0, 0) && Platform_Last_Error() == PLATFORM_ERROR_ARGUMENT);
    CHECK(!Platform_Alloc_Aligned(10, 48, 0) && Platform_Last_Error() == PLATFORM_ERROR_ARGUMENT);
    CHECK(!Platform_Alloc_Aligned(10, (size_t)1 << 31, 0) && Platform_Last_Error() == PLATFORM_ERROR_ARGUMENT);
    Platform_Clear_Error();
}

static void too_much(void) {
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 16, SIZE_MAX / 2, SIZE_MAX / 2 + 1, (size_t)1 << 47};
    unsigned char *block = (unsigned char *)Platform_Alloc(100, 0);
    CHECK(block);
    memset(block, 3, 100);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        Platform_Clear_Error();
        CHECK(!Platform_Alloc(sizes[i], PLATFORM_MEM_NORMAL));
        CHECK(Platform_Last_Error() == PLATFORM_ERROR_TOO_LARGE || Platform_Last_Error() == PLATFORM_ERROR_SYSTEM);
        CHECK(!Platform_Alloc(sizes[i], PLATFORM_MEM_CLEAR | PLATFORM_MEM_LOCK));
        CHECK(!Platform_Alloc_Aligned(sizes[i], 64, 0));
        CHECK(!Platform_Alloc_Debug(sizes[i], 0, "here", 1));
        CHECK(!Platform_Realloc(block, 100, sizes[i]) && !Platform_Realloc(NULL, 0, sizes[i]));
        for (int k = 0; k < 100; k++) CHECK(block[k] == 3);
        CHECK(bytes() == 100 && Platform_Mem_GetCount() == 1);
    }
    Platform_Free(block, 100);
    Platform_Clear_Error();
}

static void realloc_keeps_content(void) {
    static const size_t sizes[] = {0, 10, 5, 100, 1008, 1009, 40000, 3000, 70000, 1100000, 40000000, 2000000, 50000, 1, 0, 20};
    const size_t peak = Platform_Mem_GetPeak();
    size_t before = 0;
    unsigned char *block = (unsigned char *)Platform_Realloc(NULL, 123, 0);
    CHECK(block);
    for (unsigned i = 1; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t both = before < sizes[i] ? before : sizes[i];
        memset(block, (int)i, before);
        block = (unsigned char *)Platform_Realloc(block, i % 2 ? 0 : before, sizes[i]);
        CHECK(block && aligned(block) && bytes() == sizes[i] && Platform_Mem_GetCount() == 1);
        for (size_t k = 0; k < both; k++) CHECK(block[k] == i);
        before = sizes[i];
    }
    /* A block that moves never counts as two. */
    CHECK(Platform_Mem_GetPeak() == (peak > 40000000 ? peak : 40000000));
    Platform_Free(block, 0);
}

static void hints(void) {
    Platform_Mem_Stats before, after;
    Platform_Mem_GetStats(&before);
    void *block = Platform_Alloc(100, 0);
    block = Platform_Realloc(block, 100, 200);
    block = Platform_Realloc(block, 0, 300);
    block = Platform_Realloc(block, 299, 400);
    CHECK(block);
    Platform_Free(block, 4000);
    block = Platform_Alloc(0, 0);
    Platform_Free(block, 1);
    Platform_Mem_GetStats(&after);
    CHECK(after.wrong_sizes == before.wrong_sizes + 3);
    CHECK(after.allocated == 0 && after.count == 0 && after.double_frees == before.double_frees);
    CHECK(Platform_Last_Error() == PLATFORM_OK);
    Platform_Mem_GetStats(NULL);
    CHECK(Platform_Last_Error() == PLATFORM_ERROR_NULL);
    Platform_Clear_Error();
}

/* Each of them refused with its code, whatever is called, and nothing else has happened. */
static void refused(void *pointer, int code) {
    const size_t had = bytes(), count = Platform_Mem_GetCount();
    Platform_Clear_Error();
    Platform_Free(pointer, 0);
    CHECK(Platform_Last_Error() == code);
    Platform_Clear_Error();
    Platform_Free(pointer, 64);
    CHECK(Platform_Last_Error() == code);
    Platform_Clear_Error();
    CHECK(!Platform_Realloc(pointer, 0, 10) && Platform_Last_Error() == code);
    Platform_Clear_Error();
    CHECK(Platform_Mem_Owns(pointer) == (code == PLATFORM_ERROR_DAMAGED) && Platform_Last_Error() == PLATFORM_OK);
    CHECK(Platform_Mem_GetSize(pointer) == 0 && Platform_Last_Error() == code);
    CHECK(bytes() == had && Platform_Mem_GetCount() == count);
    CHECK(strlen(Platform_Error_Message(code)) > 5);
    Platform_Clear_Error();
}

static void mistakes(void) {
    static char fixed[64];
    Platform_Mem_Stats before, after;
    Platform_Mem_GetStats(&before);
    char local[64];
    char *foreign = (char *)malloc(100), *large = (char *)malloc(10 << 20);
    char *closed = (char *)mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(foreign && large && closed != MAP_FAILED);
    refused(foreign, PLATFORM_ERROR_FOREIGN);
    refused(large, PLATFORM_ERROR_FOREIGN);
    refused(large + 16, PLATFORM_ERROR_FOREIGN);
    refused(closed, PLATFORM_ERROR_FOREIGN);
    refused(closed + 4096 + 16, PLATFORM_ERROR_FOREIGN);
    munmap(closed, 1 << 20);
    refused(closed + 16, PLATFORM_ERROR_FOREIGN);
    for (int i = 0; i < 32; i++) {
        refused(local + i, PLATFORM_ERROR_FOREIGN);
        refused(fixed + i, PLATFORM_ERROR_FOREIGN);
    }
    static const uintptr_t nowhere[] = {1,          8,           16,           4096,          0x3FFFF0,     0x400000,
                                        0xDEADBEE0, 0xDEADBEEF0, 0x7FFFFFFFFFF0, 0x800000000000, UINTPTR_MAX, UINTPTR_MAX - 15,
                                        UINTPTR_MAX - 0x3FFFFF, (uintptr_t)1 << 63};
    for (unsigned i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) refused((void *)nowhere[i], PLATFORM_ERROR_FOREIGN);
    free(foreign);
    free(large);

    static const size_t sizes[] = {1, 64, 1000, 5000, 100000, 1200000, 20000000};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t size = sizes[i];
        char *block = (char *)Platform_Alloc(size, 0);
        CHECK(block);
        memset(block, 0x11, size);
        for (size_t at = 1; at < size; at = at * 3 + 1) refused(block + at, PLATFORM_ERROR_MISALIGNED);
        if (size >= 32) refused(block + size / 2 / 16 * 16, PLATFORM_ERROR_MISALIGNED);
        for (size_t at = 0; at < size; at++) CHECK(block[at] == 0x11);
        Platform_Free(block, 0);
        CHECK(Platform_Last_Error() == PLATFORM_OK);
        refused(block, PLATFORM_ERROR_DOUBLE_FREE);
        refused(block, PLATFORM_ERROR_DOUBLE_FREE);
    }
    char *odd = (char *)Platform_Alloc_Aligned(100, 4096, 0);
    refused(odd + 16, PLATFORM_ERROR_MISALIGNED);
    Platform_Free(odd, 0);
    refused(odd, PLATFORM_ERROR_DOUBLE_FREE);
    char *locked = (char *)Platform_Alloc(100, PLATFORM_MEM_LOCK);
    Platform_Free(locked, 100);
    refused(locked, PLATFORM_ERROR_DOUBLE_FREE);
    Platform_Mem_GetStats(&after);
    CHECK(after.double_frees >= before.double_frees + 4 * 16 && after.foreign_pointers > before.foreign_pointers + 4 * 60);

    /* Written in front of: by one byte, anywhere. */
    for (int at = 1; at <= 16; at++) {
        char *block = (char *)Platform_Alloc(40, 0);
        const size_t had = bytes();
        block[-at] ^= 0x20;
        refused(block, PLATFORM_ERROR_DAMAGED);
        block[-at] ^= 0x20;
        CHECK(bytes() == had);
        Platform_Free(block, 40);
    }
    char *far = (char *)Platform_Alloc_Aligned(40, 256, 0);
    for (int at = 17; at <= 24; at++) {
        far[-at] ^= 0x20;
        Platform_Free(far, 0);
        CHECK(Platform_Last_Error() == PLATFORM_ERROR_DAMAGED && bytes() == 40);
        far[-at] ^= 0x20;
        Platform_Clear_Error();
    }
    /* One that says it begins where another one does. */
    char *other = (char *)Platform_Alloc_Aligned(40, 256, 0);
    char saved[8];
    memcpy(saved, far - 24, 8);
    memcpy(far - 24, other - 24, 8);
    Platform_Free(far, 0);
    CHECK(Platform_Last_Error() == PLATFORM_ERROR_DAMAGED && bytes() == 80);
    CHECK(!Platform_Realloc(far, 0, 5000) && bytes() == 80);
    memcpy(far - 24, saved, 8);
    Platform_Clear_Error();
    Platform_Free(other, 0);
    Platform_Free(far, 0);
    CHECK(bytes() == 0 && Platform_Last_Error() == PLATFORM_OK);
}

struct text {
    char text[4000];
    size_t length;
    int lines;
};

static void collect(void *context, const char *line, size_t length) {
    struct text *text = (struct text *)context;
    CHECK(line[length] == 0 && strlen(line) == length && line[length - 1] == '\n');
    CHECK(text->length + length < sizeof text->text);
    memcpy(text->text + text->length, line, length + 1);
    text->length += length;
    text->lines++;
    /* It may call whatever it likes. */
    Platform_Free(Platform_Alloc(1000, 0), 0);
}

static void leaks(void) {
    struct text text = {{0}, 0, 0};
    void *blocks[8];
    CHECK(Platform_Mem_DumpLeaks_To(collect, &text) == 0 && strstr(text.text, "no block is left"));
    char file[] = "level.c";
    for (int i = 0; i < 3; i++) blocks[i] = Platform_Alloc_Debug(100, 0, file, 42);
    file[0] = 'X'; /* The text was kept. */
    blocks[3] = PLATFORM_ALLOC_HERE(5000000, PLATFORM_MEM_CLEAR);
    blocks[4] = Platform_Alloc(7, 0);
    blocks[5] = Platform_Alloc_Aligned(77, 512, 0);
    blocks[6] = Platform_Alloc_Debug(10, PLATFORM_MEM_LOCK, NULL, 3);
    blocks[7] = Platform_Realloc(Platform_Alloc_Debug(1, 0, "music.c", 9), 1, 2000);
    text.length = 0;
    text.lines = 0;
    CHECK(Platform_Mem_DumpLeaks_To(collect, &text) == 8);
    CHECK(strstr(text.text, "8 blocks left, 5002394 bytes\n"));
    CHECK(strstr(text.text, "3 blocks of 100 bytes, from level.c:42\n"));
    CHECK(strstr(text.text, "1 block of 5000000 bytes, from ") && strstr(text.text, "basics.c:"));
    CHECK(strstr(text.text, "1 block of 2000 bytes, from music.c:9\n"));
    CHECK(strstr(text.text, "1 block of 7 bytes, from a place that is not known\n"));
    CHECK(strstr(text.text, "1 block of 77 bytes, from a place that is not known\n"));
    CHECK(strstr(text.text, "1 block of 10 bytes, from a place that is not known\n"));
    CHECK(strstr(text.text, "given sizes were wrong\n") && strstr(text.text, "freed twice\n"));
    FILE *out = tmpfile();
    CHECK(out && Platform_Mem_DumpLeaks_To_File(out) == 8 && (size_t)ftell(out) == text.length);
    fclose(out);
    CHECK(Platform_Mem_DumpLeaks() == 8);
    for (int i = 0; i < 8; i++) Platform_Free(blocks[i], 0);
    CHECK(Platform_Mem_DumpLeaks() == 0);
    CHECK(Platform_Mem_DumpLeaks_To(NULL, NULL) == 0 && Platform_Last_Error() == PLATFORM_ERROR_NULL);
    Platform_Clear_Error();
}

static void machine(void) {
    const long available = Platform_Ram_Free(), total = Platform_Total_Ram_Free();
    CHECK(available > 0 && available <= 0x7FFFFFFF && total > 0 && total <= 0x7FFFFFFF);
    CHECK((int32_t)available > 0 && (int32_t)total > 0);
    FILE *info = fopen("/proc/meminfo", "r");
    CHECK(info);
    char line[200];
    double kib = 0;
    while (fgets(line, sizeof line, info)) {
        if (strncmp(line, "MemAvailable:", 13) == 0) kib = atof(line + 13);
    }
    fclose(info);
    /* Others use it meanwhile. */
    if (kib * 1024 < 2e9) CHECK(available > kib * 1024 * 0.5 && available < kib * 1024 * 2);
    else CHECK(available > 1000000000);
}

static void memory(void) {
    char a[64] = "0123456789", b[64] = {0};
    Platform_MemCopy(b, a, 11);
    CHECK(strcmp(b, "0123456789") == 0 && Platform_MemCmp(a, b, sizeof a) == 0);
    Platform_MemMove(b + 2, b, 8);
    CHECK(strcmp(b, "0101234567") == 0);
    Platform_MemCopy(b, b + 2, 8);
    CHECK(strcmp(b, "0123456767") == 0);
    Platform_MemSet(b, 0x141, 3);
    CHECK(strcmp(b, "AAA3456767") == 0);
    CHECK(Platform_MemCmp(a, b, 1) < 0 && Platform_MemCmp(b, a, 1) > 0 && Platform_MemCmp("\xFF", "\x01", 1) > 0);
    Platform_ZeroMemory(b, 4);
    CHECK(b[0] == 0 && b[3] == 0 && b[4] == '4');
    Platform_MemCopy(NULL, NULL, 0);
    Platform_MemSet(NULL, 1, 0);
    CHECK(Platform_MemCmp(NULL, a, 0) == 0 && Platform_Last_Error() == PLATFORM_OK);
    Platform_MemCopy(NULL, a, 1);
    CHECK(Platform_Last_Error() == PLATFORM_ERROR_NULL);
    Platform_Clear_Error();
    Platform_ZeroMemory(NULL, 5);
    CHECK(Platform_Last_Error() == PLATFORM_ERROR_NULL);
    Platform_Clear_Error();
}

int main(void) {
    CHECK(Platform_Mem_GetCount() == 0 && bytes() == 0 && Platform_Mem_GetPeak() == 0);
    blocks_of_all_sizes();
    flags();
    alignment();
    too_much();
    realloc_keeps_content();
    hints();
    mistakes();
    leaks();
    machine();
    memory();
    CHECK(Platform_Mem_GetCount() == 0 && bytes() == 0);
    puts("platform: basics hold");
    return 0;
}
