/* n! by GMP, as a program: `gmp N digits|product`, `gmp calls N COUNT`,
   `gmp version`. */
#include <gmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int usage(void) {
    fputs("usage: gmp N digits|product, gmp calls N COUNT, gmp version\n", stderr);
    return 2;
}

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e9 + now.tv_nsec;
}

/* Nanoseconds that one product with its digits takes, in a loop. */
static int calls(unsigned long n, unsigned long count) {
    unsigned long digits = 0;
    double started = now_ns();
    for (unsigned long i = 0; i < count; i++) {
        mpz_t product;
        mpz_init(product);
        mpz_fac_ui(product, n);
        char *text = mpz_get_str(NULL, 10, product);
        digits += strlen(text);
        free(text);
        mpz_clear(product);
    }
    double each_ns = (now_ns() - started) / count;
    printf("%.0f %lu\n", each_ns, digits / count);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "version") == 0) {
        puts(gmp_version);
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "calls") == 0) {
        unsigned long count = strtoul(argv[3], NULL, 10);
        return count == 0 ? usage() : calls(strtoul(argv[2], NULL, 10), count);
    }
    if (argc != 3) {
        return usage();
    }
    mpz_t product;
    mpz_init(product);
    mpz_fac_ui(product, strtoul(argv[1], NULL, 10));
    if (strcmp(argv[2], "product") == 0) {
        printf("%zu\n", mpz_sizeinbase(product, 2));
    } else if (strcmp(argv[2], "digits") == 0) {
        char *text = mpz_get_str(NULL, 10, product);
        size_t length = strlen(text);
        text[length] = '\n';
        if (fwrite(text, 1, length + 1, stdout) != length + 1) {
            return 1;
        }
    } else {
        return usage();
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
