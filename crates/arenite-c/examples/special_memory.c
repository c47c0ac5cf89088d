// Memory of someone else: textures share blocks of a device's memory, which is asked for in large chunks only; and a level's scripts have a heap of their
// own in a static buffer, as on a console with a fixed plan of its memory.
#include <arenite.h>

#include <stdio.h>
#include <string.h>

// The device: hands out memory by numbers. A real one would be Vulkan's vkAllocateMemory, or a console's call.
typedef struct {
    uintptr_t handles;
    unsigned long long out;
} device;

static int32_t take(void *user, uint64_t size, uint64_t align, void **memory) {
    device *gpu = user;
    (void)align;
    if (gpu->out + size > 64 << 20) return 1;
    gpu->out += size;
    *memory = (void *)++gpu->handles;
    return 0;
}

static void give(void *user, void *memory, uint64_t size) {
    device *gpu = user;
    (void)memory;
    gpu->out -= size;
}

static unsigned char plan[256 << 10];

int main(void) {
    device gpu = {0};
    arenite_tag textures, scripts;
    if (arenite_tag_register("gpu/textures", &textures) || arenite_tag_register("scripts", &scripts)) return 1;

    arenite_external *video;
    arenite_external_options options = {.tag = textures, .chunk = 16 << 20, .allocate = take, .release = give, .user = &gpu};
    if (arenite_external_create(&options, &video)) return 1;
    arenite_external_block *wall, *sky;
    if (arenite_external_allocate(video, 1 << 20, 4096, &wall) || arenite_external_allocate(video, 3 << 20, 4096, &sky)) return 1;
    arenite_external_retain(wall);      // a second material has it, too
    arenite_external_place place;
    arenite_external_locate(wall, &place);
    printf("the wall is in memory %zu at %llu, and %zu materials have it\n", (size_t)place.memory, (unsigned long long)place.offset, place.holders);
    arenite_external_block *intro[16];
    int frames = 0;
    while (frames < 16 && arenite_external_allocate(video, 6 << 20, 4096, &intro[frames]) == ARENITE_OK) frames++;
    printf("refused: %s\n", arenite_last_message());
    arenite_account account;
    arenite_tag_account(textures, &account);
    printf("%llu MiB of the device, charged to gpu/textures: %zu MiB\n", gpu.out >> 20, account.own_committed >> 20);
    while (frames > 0) arenite_external_release(intro[--frames]);
    printf("without the intro: %llu MiB, one empty chunk is kept\n", gpu.out >> 20);
    arenite_external_trim(video);

    arenite_fit_heap *level;
    arenite_fit_heap_options planned = {.tag = scripts, .fit = ARENITE_FIT_BEST, .buffer = plan, .buffer_size = sizeof plan};
    if (arenite_fit_heap_create(&planned, &level)) return 1;
    char *door = arenite_fit_heap_alloc(level, 1000), *lift = arenite_fit_heap_alloc(level, 2000);
    if (door == NULL || lift == NULL) return 1;
    strcpy(door, "open, wait, close");
    arenite_fit_heap_free(level, lift);
    printf("freed again: %s\n", arenite_error_message(arenite_fit_heap_free(level, lift)));
    char *longer = arenite_fit_heap_realloc(level, door, 2500, 0);
    if (longer == NULL || strcmp(longer, "open, wait, close") != 0) return 1;
    printf("the door's script %s\n", longer == door ? "grew where it was" : "moved");
    if (arenite_fit_heap_alloc(level, sizeof plan) == NULL) printf("refused: %s\n", arenite_last_message());
    arenite_fit_stats stats;
    arenite_fit_heap_figures(level, &stats);
    printf("%llu of %llu bytes are used\n", (unsigned long long)stats.used, (unsigned long long)stats.capacity);
    if (arenite_fit_heap_destroy(level)) return 1;

    arenite_external_destroy(video);    // its blocks stay as long as somebody has them
    arenite_external_release(sky);
    arenite_external_release(wall);
    if (gpu.out != 16 << 20) return 1;  // the wall is still in use
    return arenite_external_release(wall) == ARENITE_OK && stats.used_blocks == 1 && gpu.out == 0 ? 0 : 1;
}
