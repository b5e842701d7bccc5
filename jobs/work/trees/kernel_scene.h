/* What the walk with a background works on. Included by kernel.c; see kernel_background.h. */

#define TABLE_BITS 12 /* paths with more features than this always enumerate */
#define MOST_BITS 64

typedef struct {
    const Ensemble *e;
    const double *x, *background, *weight; /* (slots, rows), (slots, back), (back,) */
    double *phi, *output;                  /* (outputs, features, rows), and where the tree at hand adds */
    int64_t rows, back, words, values;
    uint64_t *misses;      /* by level: of every row, then of every background row */
    double *table, *W;     /* (bits, patterns) and (patterns,) */
    int32_t *bit, *node;   /* a feature's bit on the path, or -1; by level, the split and how far it is */
    int32_t path[MOST_BITS]; /* features, by bit */
    int bits;
    uint64_t *left, *passes; /* (words,), (words, MOST_BITS): sets of background rows */
    double positive[MOST_BITS][MOST_BITS], negative[MOST_BITS][MOST_BITS]; /* by misses of x, of b */
} Scene;

static void weigh(Scene *s) {
    for (int u = 0; u < MOST_BITS; u++)
        for (int a = 0; a < MOST_BITS; a++) {
            s->positive[u][a] = a ? exp(lgamma(a) + lgamma(u + 1) - lgamma(a + u + 1)) : 0;
            s->negative[u][a] = u ? exp(lgamma(a + 1) + lgamma(u) - lgamma(a + u + 1)) : 0;
        }
}

static void strike(Scene *s) {
    free(s->misses), free(s->table), free(s->bit), free(s->node), free(s->left);
}

/* Room for the deepest tree. The caller strikes the scene, also after a fault. */
static const char *set(Scene *s) {
    const Ensemble *e = s->e;
    int64_t size = e->features;
    for (int64_t tree = 0; tree < e->trees; tree++)
        if (e->offsets[tree + 1] - e->offsets[tree] > size) size = e->offsets[tree + 1] - e->offsets[tree];
    s->bit = malloc(size * sizeof *s->bit);
    if (!s->bit) return NO_MEMORY;
    const int64_t depth = deepest(e, s->bit), patterns = (int64_t)1 << TABLE_BITS;
    for (int64_t feature = 0; feature < e->features; feature++) s->bit[feature] = -1;
    s->words = (s->back + 63) / 64;
    s->misses = (uint64_t *)doubles((depth + 1) * (s->rows + s->back));
    s->table = doubles((TABLE_BITS + 2) * patterns);
    s->W = s->table + TABLE_BITS * patterns;
    s->node = malloc((depth + 1) * 3 * sizeof *s->node);
    s->left = malloc(s->words * (MOST_BITS + 1) * sizeof *s->left);
    s->passes = s->left + s->words;
    if (!s->misses || !s->table || !s->node || !s->left) return NO_MEMORY;
    memset(s->misses, 0, (s->rows + s->back) * sizeof *s->misses);
    weigh(s);
    return NULL;
}

/* Whether a leaf of the path at hand is better served by a table than by enumeration: both estimated in about
   nanoseconds, by measurement. A pair of rows matches with about 3/4 for every feature. */
static int table_is_cheaper(const Scene *s) {
    if (s->bits > TABLE_BITS) return 0;
    double matching = 4.0 * s->back;
    for (int bit = 0; bit < s->bits; bit++) matching *= 0.75;
    const double enumerate = s->rows * (10 + matching + s->words * s->bits / 2.0);
    return s->bits * ((s->bits + 1) / 2) * (double)(1 << s->bits) < enumerate;
}
