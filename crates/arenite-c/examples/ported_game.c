/* A game of 1995, ported: it knows only what Windows and its own memory layer gave it then, and both are now Arenite's.
 *
 *   ported_game [--levels N] [--leak]
 *
 * Each level reserves a range and commits it as it is loaded (VirtualAlloc), keeps its textures in moveable blocks that are
 * locked while they are looked at (GlobalAlloc), has a heap of its own for sounds that goes with the level (HeapCreate), and
 * takes its objects and messages with Alloc. With --leak it forgets some of them, as such games did. In the end it says what is
 * left, and from where.
 */
#define MEMORY_WRAPPER_FLAGS 1
#define MEMORY_WRAPPER_PLACES 1
#include "compat/memory_wrapper.h"
#include "compat/win32_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAP_RESERVED = 16 << 20, MAP_STEP = 64 << 10, TEXTURES = 24, TEXTURE_SIZE = 64 * 64, OBJECTS = 300, FRAMES = 120, TICKS = 35 };

typedef struct Object {
    int x, y, dx, dy, health, texture;
    char *name;
    struct Object *next;
} Object;

typedef struct Level {
    BYTE *map; /* reserved: MAP_RESERVED bytes; committed: map_size */
    DWORD map_size;
    HGLOBAL textures[TEXTURES];
    HANDLE sounds;
    Object *objects;
    int leaking, object_count;
} Level;

static void Fatal(const char *what) {
    fprintf(stderr, "%s failed (error %lu)\n", what, (unsigned long)GetLastError());
    exit(EXIT_FAILURE);
}

static DWORD Random(DWORD *seed) {
    *seed = *seed * 214013u + 2531011u;
    return *seed >> 16 & 0x7FFF;
}

/* ---- Loading ---- */

/* Commits the map piece by piece, as if it were read from a file. */
static void Load_Map(Level *level, DWORD *seed) {
    const DWORD size = 200000 + Random(seed) * 20;
    level->map = (BYTE *)VirtualAlloc(NULL, MAP_RESERVED, MEM_RESERVE, PAGE_NOACCESS);
    if (!level->map) Fatal("VirtualAlloc");
    while (level->map_size < size) {
        BYTE *piece = level->map + level->map_size;
        if (VirtualAlloc(piece, MAP_STEP, MEM_COMMIT, PAGE_READWRITE) != piece) Fatal("VirtualAlloc");
        for (DWORD i = 0; i < MAP_STEP; i++) {
            if (piece[i] != 0) Fatal("a fresh page");
            piece[i] = (BYTE)(Random(seed) & 3);
        }
        level->map_size += MAP_STEP;
    }
    /* Nothing writes to a map while it is played. */
    DWORD before;
    if (!VirtualProtect(level->map, level->map_size, PAGE_READONLY, &before) || before != PAGE_READWRITE) Fatal("VirtualProtect");
    MEMORY_BASIC_INFORMATION info;
    if (VirtualQuery(level->map + level->map_size, &info, sizeof info) != sizeof info || info.State != MEM_RESERVE) Fatal("VirtualQuery");
}

static void Load_Textures(Level *level, DWORD *seed) {
    for (int i = 0; i < TEXTURES; i++) {
        level->textures[i] = GlobalAlloc(GMEM_MOVEABLE | GMEM_ZEROINIT, TEXTURE_SIZE);
        BYTE *pixels = (BYTE *)GlobalLock(level->textures[i]);
        if (!pixels) Fatal("GlobalLock");
        FillMemory(pixels, TEXTURE_SIZE, (BYTE)i);
        pixels[Random(seed) % TEXTURE_SIZE] = 0xFF;
        GlobalUnlock(level->textures[i]);
        /* Its mipmaps behind it: the block may move, for nobody has it locked. */
        if (i % 3 == 0) {
            HGLOBAL larger = GlobalReAlloc(level->textures[i], TEXTURE_SIZE * 4 / 3, GMEM_MOVEABLE | GMEM_ZEROINIT);
            if (!larger) Fatal("GlobalReAlloc");
            level->textures[i] = larger;
        }
    }
}

static void Load_Sounds(Level *level, DWORD *seed) {
    level->sounds = HeapCreate(0, 1 << 16, 0);
    if (!level->sounds) Fatal("HeapCreate");
    for (int i = 0; i < 40; i++) {
        const SIZE_T size = 500 + Random(seed) % 8000;
        void *sound = HeapAlloc(level->sounds, HEAP_ZERO_MEMORY, size);
        if (!sound || HeapSize(level->sounds, 0, sound) != size) Fatal("HeapAlloc");
    }
}

static Object *Spawn(Level *level, DWORD *seed) {
    Object *object = (Object *)Alloc(sizeof(Object), MEM_CLEAR);
    char *name = (char *)Alloc(24, MEM_NORMAL);
    if (!object || !name) Fatal("Alloc");
    snprintf(name, 24, "monster %d", level->object_count++);
    object->name = name;
    object->x = (int)(Random(seed) % 4096);
    object->y = (int)(Random(seed) % 4096);
    object->dx = (int)(Random(seed) % 17) - 8;
    object->dy = (int)(Random(seed) % 17) - 8;
    object->health = 20 + (int)(Random(seed) % 80);
    object->texture = (int)(Random(seed) % TEXTURES);
    object->next = level->objects;
    level->objects = object;
    return object;
}

/* ---- Playing ---- */

static void Kill(Level *level, Object **place) {
    Object *object = *place;
    *place = object->next;
    /* The bug of the original: names of the dead were forgotten. */
    if (!level->leaking || object->texture % 4 != 0) Free(object->name);
    Free(object);
}

static DWORD Play(Level *level, DWORD *seed) {
    DWORD sum = 0;
    char *log = NULL;
    size_t length = 0;
    for (int frame = 0; frame < FRAMES; frame++) {
        for (Object **place = &level->objects; *place;) {
            Object *object = *place;
            object->x = (object->x + object->dx) & 4095;
            object->y = (object->y + object->dy) & 4095;
            const DWORD cell = ((DWORD)object->y * 4096u + (DWORD)object->x) % level->map_size;
            const BYTE *pixels = (const BYTE *)GlobalLock(level->textures[object->texture]);
            if (!pixels) Fatal("GlobalLock");
            sum = sum * 31 + pixels[cell % TEXTURE_SIZE] + level->map[cell];
            GlobalUnlock(level->textures[object->texture]);
            if (level->map[cell] == 3 && (object->health -= 2) <= 0) {
                char *message = (char *)Alloc(64, MEM_TEMP);
                if (!message) Fatal("Alloc");
                const int written = snprintf(message, 64, "%s is no more\n", object->name);
                char *longer = (char *)Resize_Alloc(log, length + (size_t)written + 1);
                if (!longer) Fatal("Resize_Alloc");
                log = longer;
                CopyMemory(log + length, message, (size_t)written + 1);
                length += (size_t)written;
                Free(message);
                Kill(level, place);
            } else {
                place = &object->next;
            }
        }
        if (frame % TICKS == 0) Spawn(level, seed);
    }
    sum += (DWORD)length;
    Free(log);
    return sum;
}

static void Unload(Level *level) {
    while (level->objects) Kill(level, &level->objects);
    for (int i = 0; i < TEXTURES; i++) {
        if (GlobalFree(level->textures[i]) != NULL) Fatal("GlobalFree");
    }
    /* With all its sounds in it. */
    if (!HeapDestroy(level->sounds)) Fatal("HeapDestroy");
    if (!VirtualFree(level->map, 0, MEM_RELEASE)) Fatal("VirtualFree");
}

static int Out_Of_Memory(size_t bytes, void *context) {
    (void)context;
    fprintf(stderr, "out of memory: %lu bytes wanted, %ld are free\n", (unsigned long)bytes, Ram_Free(MEM_NORMAL));
    return 0;
}

int main(int argc, char **argv) {
    int levels = 3, leaking = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--leak") == 0) leaking = 1;
        else if (strcmp(argv[i], "--levels") == 0 && i + 1 < argc) levels = atoi(argv[++i]);
        else {
            fprintf(stderr, "usage: %s [--levels N] [--leak]\n", argv[0]);
            return EXIT_FAILURE;
        }
    }
    Set_Memory_Error(Out_Of_Memory, NULL);
    MEMORYSTATUS status;
    GlobalMemoryStatus(&status);
    printf("the machine has memory: %s\n", status.dwTotalPhys > 0 && Total_Ram_Free(MEM_NORMAL) > 0 ? "yes" : "no");
    for (int number = 1; number <= levels; number++) {
        Level level;
        ZeroMemory(&level, sizeof level);
        level.leaking = leaking;
        DWORD seed = (DWORD)number;
        Load_Map(&level, &seed);
        Load_Textures(&level, &seed);
        Load_Sounds(&level, &seed);
        for (int i = 0; i < OBJECTS; i++) Spawn(&level, &seed);
        const DWORD sum = Play(&level, &seed);
        int alive = 0;
        for (const Object *object = level.objects; object; object = object->next) alive++;
        printf("level %d: %lu bytes of map, %d of %d alive, %08lx\n", number, (unsigned long)level.map_size, alive, level.object_count,
               (unsigned long)sum);
        Unload(&level);
    }
    fflush(stdout);
    return Platform_Mem_DumpLeaks() == 0 || leaking ? EXIT_SUCCESS : EXIT_FAILURE;
}
