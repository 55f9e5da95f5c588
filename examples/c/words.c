/* words: counts the lines, words and bytes of standard input, and prints the ten most
 * frequent words. `words factorials` prints 0! to 10!.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FREQUENT = 10, BLOCK_BYTES = 64 << 10 };

struct word {
    char *bytes;
    size_t length;
    uint64_t count;
};

/* A hash table with linear probing. Its capacity is a power of two. */
static struct word *table;
static size_t capacity, used;

static void *checked(void *memory) {
    if (memory == NULL) {
        fputs("words: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* FNV-1a. */
static uint32_t hash(const char *bytes, size_t length) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    return hash;
}

static struct word *find(const char *bytes, size_t length) {
    size_t i = hash(bytes, length) & (capacity - 1);
    while (table[i].bytes != NULL
           && (table[i].length != length || memcmp(table[i].bytes, bytes, length) != 0))
        i = (i + 1) & (capacity - 1);
    return &table[i];
}

static void grow(void) {
    struct word *old = table;
    size_t old_capacity = capacity;
    capacity = old_capacity == 0 ? 1024 : 2 * old_capacity;
    table = checked(calloc(capacity, sizeof *table));
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].bytes != NULL)
            *find(old[i].bytes, old[i].length) = old[i];
    free(old);
}

static void count(const char *bytes, size_t length) {
    if (2 * used >= capacity)
        grow();
    struct word *word = find(bytes, length);
    if (word->bytes == NULL) {
        word->bytes = memcpy(checked(malloc(length)), bytes, length);
        word->length = length;
        used++;
    }
    word->count++;
}

/* The most frequent words first, and words of one count by their bytes. */
static int compare(const void *a, const void *b) {
    const struct word *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    size_t shorter = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->bytes, y->bytes, shorter);
    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

static void count_words(void) {
    static char block[BLOCK_BYTES];
    uint64_t lines = 0, words = 0, bytes = 0;
    size_t read, length = 0, room = 0;
    char *word = NULL;

    while ((read = fread(block, 1, sizeof block, stdin)) > 0) {
        bytes += read;
        for (size_t i = 0; i < read; i++) {
            unsigned char byte = block[i];
            if (byte == '\n')
                lines++;
            if (byte >= 'A' && byte <= 'Z')
                byte += 'a' - 'A';
            /* All bytes of a character beyond ASCII are letters. */
            if ((byte >= 'a' && byte <= 'z') || byte >= 0x80) {
                if (length == room)
                    word = checked(realloc(word, room = 2 * room + 64));
                word[length++] = (char)byte;
            } else if (length > 0) {
                count(word, length);
                words++;
                length = 0;
            }
        }
    }
    if (ferror(stdin)) {
        perror("words: standard input");
        exit(1);
    }
    if (length > 0) {
        count(word, length);
        words++;
    }

    printf("lines %llu\nwords %llu\nbytes %llu\n", (unsigned long long)lines,
           (unsigned long long)words, (unsigned long long)bytes);
    size_t entries = 0;
    for (size_t i = 0; i < capacity; i++)
        if (table[i].bytes != NULL)
            table[entries++] = table[i];
    if (entries > 0)
        qsort(table, entries, sizeof *table, compare);
    for (size_t i = 0; i < entries && i < FREQUENT; i++) {
        printf("%llu ", (unsigned long long)table[i].count);
        fwrite(table[i].bytes, 1, table[i].length, stdout);
        putchar('\n');
    }
}

static void print_factorials(void) {
    uint64_t factorial = 1;
    for (unsigned n = 0; n <= 10; n++) {
        factorial *= n > 0 ? n : 1;
        printf("%u! = %llu\n", n, (unsigned long long)factorial);
    }
}

int main(int argc, char **argv) {
    if (argc == 1) {
        count_words();
    } else if (argc == 2 && strcmp(argv[1], "factorials") == 0) {
        print_factorials();
    } else {
        fputs("usage: words [factorials]\n", stderr);
        return 2;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("words: standard output");
        return 1;
    }
    return 0;
}
