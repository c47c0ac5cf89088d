/* A program as one was written in 1995: it knows Win32 and nothing else. The same source is built for Windows, and here against
 * "compat/win32_memory.h"; both print the same. Levels are loaded into reserved space, 64 KiB at a time; sounds are moveable handles
 * of which the oldest are discarded; what belongs to a level is in a heap of its own, which is destroyed with everything in it.
 */
#include <stdio.h>

#ifdef _WIN32
#include <windows.h>
#else
#include "compat/win32_memory.h"
#endif

#define LEVEL_SPACE (64u << 20)
#define STEP 0x10000u
#define SOUNDS 32

static BYTE *level;
static SIZE_T level_used, level_committed;
static HGLOBAL sounds[SOUNDS];

static BYTE *level_alloc(SIZE_T size)
{
    BYTE *block = level + level_used;
    while (level_used + size > level_committed) {
        if (!VirtualAlloc(level + level_committed, STEP, MEM_COMMIT, PAGE_READWRITE)) {
            printf("out of memory, error %u\n", (unsigned)GetLastError());
            return NULL;
        }
        level_committed += STEP;
    }
    level_used += (size + 15) & ~(SIZE_T)15;
    return block;
}

static void play(int number)
{
    HANDLE things = HeapCreate(HEAP_NO_SERIALIZE, STEP, 0);
    MEMORY_BASIC_INFORMATION info;
    PROCESS_HEAP_ENTRY entry;
    unsigned long sum = 0, count = 0;
    int i;

    for (i = 0; i < 200; i++) {
        SIZE_T size = (SIZE_T)(number * 1000 + i * 37);
        BYTE *texture = level_alloc(size);
        DWORD *thing = (DWORD *)HeapAlloc(things, HEAP_ZERO_MEMORY, 64 + (SIZE_T)(i % 7) * 24);
        if (!texture || !thing)
            return;
        FillMemory(texture, size, (BYTE)i);
        sum += texture[size - 1] + thing[15];
        thing[0] = (DWORD)i;
    }
    VirtualQuery(level, &info, sizeof info);
    printf("level %d: %lu KiB committed of %u MiB, sum %lu\n", number, (unsigned long)(info.RegionSize >> 10), LEVEL_SPACE >> 20, sum);

    for (i = 0; i < SOUNDS; i++) {
        BYTE *sound;
        if (!sounds[i])
            sounds[i] = GlobalAlloc(GMEM_MOVEABLE | GMEM_DISCARDABLE, (SIZE_T)(1000 + i));
        if (GlobalFlags(sounds[i]) & GMEM_DISCARDED)
            GlobalReAlloc(sounds[i], (SIZE_T)(2000 + i), GMEM_MOVEABLE | GMEM_ZEROINIT);
        sound = (BYTE *)GlobalLock(sounds[i]);
        if (!sound || GlobalHandle(sound) != sounds[i])
            printf("sound %d is lost, error %u\n", i, (unsigned)GetLastError());
        else
            CopyMemory(sound, level + i * 16, 16);
        if (i % 3)
            GlobalUnlock(sounds[i]);
    }
    /* Every other sound may go; those that are still locked stay. */
    for (i = 0; i < SOUNDS; i += 2)
        count += GlobalDiscard(sounds[i]) != NULL;
    printf("level %d: %lu sounds discarded, sound 1 has %u bytes, flags %x\n", number, count, (unsigned)GlobalSize(sounds[1]),
           (unsigned)GlobalFlags(sounds[1]));
    for (i = 0; i < SOUNDS; i += 3)
        while (GlobalUnlock(sounds[i]))
            ;

    ZeroMemory(&entry, sizeof entry);
    for (count = sum = 0; HeapWalk(things, &entry);)
        if (entry.wFlags & PROCESS_HEAP_ENTRY_BUSY) {
            count++;
            sum += *(DWORD *)entry.lpData;
        }
    printf("level %d: %lu things, sum %lu, destroyed %d\n", number, count, sum, HeapDestroy(things));
    printf("level %d: over %d\n", number, VirtualFree(level, 0, MEM_DECOMMIT));
    level_used = level_committed = 0;
}

int main(void)
{
    int i, freed = 0;
    level = (BYTE *)VirtualAlloc(NULL, LEVEL_SPACE, MEM_RESERVE, PAGE_NOACCESS);
    if (!level)
        return 1;
    for (i = 1; i <= 5; i++)
        play(i);
    for (i = 0; i < SOUNDS; i++)
        freed += GlobalFree(sounds[i]) == NULL;
    printf("%d sounds freed, the space %d\n", freed, VirtualFree(level, 0, MEM_RELEASE));
    return 0;
}
