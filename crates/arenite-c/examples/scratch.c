// Memory while a function runs: scopes that nest, and take everything with them.
#include <arenite.h>

#include <stdio.h>
#include <string.h>

// Splits a line into words, in memory of the caller's scope.
static char **words_of(arenite_scratch *scratch, const char *line, size_t *count) {
    size_t most = strlen(line) / 2 + 1;
    char **words = arenite_scratch_alloc(scratch, most * sizeof *words);
    char *copy = arenite_scratch_alloc(scratch, strlen(line) + 1);
    if (words == NULL || copy == NULL) return NULL;
    strcpy(copy, line);
    *count = 0;
    for (char *at = copy; *at;) {
        while (*at == ' ') at++;
        if (*at) words[(*count)++] = at;
        while (*at && *at != ' ') at++;
        if (*at) *at++ = 0;
    }
    return words;
}

int main(void) {
    arenite_tag tag;
    arenite_scratch *scratch;
    arenite_scratch_stats stats;
    if (arenite_tag_register("scratch", &tag) || arenite_scratch_create(tag, 0, &scratch)) {
        fprintf(stderr, "%s\n", arenite_last_message());
        return 1;
    }
    static const char *lines[] = {"load wall floor door", "unload  door", ""};
    size_t all = 0;
    for (int line = 0; line < 3; line++) {
        arenite_scope scope;
        if (arenite_scratch_enter(scratch, &scope)) return 1;
        size_t count = 0;
        char **words = words_of(scratch, lines[line], &count);
        if (words == NULL) return 1;
        for (size_t word = 0; word < count; word++) printf("%s%s", word ? ", " : "", words[word]);
        printf(" (%zu)\n", count);
        all += count;
        if (arenite_scratch_leave(scratch, scope)) return 1;
    }
    arenite_scratch_figures(scratch, &stats);
    printf("%zu words, and %zu bytes in use\n", all, stats.used);
    arenite_scratch_destroy(scratch);
    return all == 6 && stats.used == 0 ? 0 : 1;
}
