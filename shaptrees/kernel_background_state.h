/* What the walk with a background works on. Included by kernel.c; see kernel_background.h. */

#define TABLE_BITS 12 /* paths with more features than this always enumerate */
#define TABLE_SHARE 1 /* the most entries of a table, in rows and background rows: found by trial */
#define MOST_BITS 64

typedef struct {
    const Ensemble *e;
    const double *x, *background, *weight; /* (slots, rows), (slots, back), (back,) */
    double *phi, *output;                  /* (outputs, features, rows), and where the tree at hand adds */
    int64_t rows, back, values;
    uint64_t *misses;      /* by level: of every row, then of every background row */
    double *table, *W;     /* (bits, patterns) and (patterns,) */
    int32_t *bit, *node;   /* a feature's bit on the path, or -1; by level, the split and how far it is */
    int32_t path[MOST_BITS]; /* features, by bit */
    int bits;
    uint64_t *distinct, *place, *passes; /* patterns that occur, whose each row is, and sets of them by bit */
    double *merged, *matched;            /* weights of patterns of the background; (bits, patterns of rows) */
    int32_t *slots;                      /* of a hash table of patterns */
    uint64_t hash_mask;
    double positive[MOST_BITS][MOST_BITS], negative[MOST_BITS][MOST_BITS]; /* by misses of x, of b */
    double both[MOST_BITS][MOST_BITS], one[MOST_BITS][MOST_BITS];          /* of pairs: see kernel_background_pairs.h */
    double *pairs;                                                         /* (bits, bits), or NULL for values */
    int64_t *first, *next;                                                 /* chains of rows */
} State;

static void weigh(State *s) {
    for (int u = 0; u < MOST_BITS; u++)
        for (int a = 0; a < MOST_BITS; a++) {
            s->positive[u][a] = a ? exp(lgamma(a) + lgamma(u + 1) - lgamma(a + u + 1)) : 0;
            s->both[u][a] = a > 1 ? exp(lgamma(a - 1) + lgamma(u + 1) - lgamma(a + u)) / 2 : 0;
            s->one[u][a] = a && u ? exp(lgamma(a) + lgamma(u) - lgamma(a + u)) / 2 : 0;
            s->negative[u][a] = u ? exp(lgamma(a + 1) + lgamma(u) - lgamma(a + u + 1)) : 0;
        }
}

static void free_state(State *s) {
    free(s->misses), free(s->table), free(s->bit), free(s->node), free(s->distinct), free(s->merged), free(s->slots);
    free(s->pairs), free(s->first);
}

/* Room for the deepest tree. The caller frees it, also after a fault. */
static const char *allocate_state(State *s, int pairs) {
    const Ensemble *e = s->e;
    int64_t size = e->features;
    for (int64_t tree = 0; tree < e->trees; tree++)
        if (e->offsets[tree + 1] - e->offsets[tree] > size) size = e->offsets[tree + 1] - e->offsets[tree];
    s->bit = malloc(size * sizeof *s->bit);
    if (!s->bit) return NO_MEMORY;
    const int64_t depth = deepest(e, s->bit, NULL), patterns = (int64_t)1 << TABLE_BITS;
    for (int64_t feature = 0; feature < e->features; feature++) s->bit[feature] = -1;
    s->misses = (uint64_t *)doubles((depth + 1) * (s->rows + s->back));
    s->table = doubles((TABLE_BITS + 2) * patterns);
    s->W = s->table + TABLE_BITS * patterns;
    s->node = malloc((depth + 1) * 3 * sizeof *s->node);
    const int64_t wide = s->rows + s->back;
    s->distinct = (uint64_t *)doubles(2 * wide + (s->back / 64 + 1) * MOST_BITS);
    s->place = s->distinct + wide;
    s->passes = s->place + wide;
    s->merged = doubles(s->back + s->rows * MOST_BITS);
    s->matched = s->merged + s->back;
    for (s->hash_mask = 63; s->hash_mask < (uint64_t)(2 * wide); s->hash_mask = 2 * s->hash_mask + 1) continue;
    s->slots = malloc((s->hash_mask + 1) * sizeof *s->slots);
    if (!s->misses || !s->table || !s->node || !s->distinct || !s->merged || !s->slots) return NO_MEMORY;
    if (pairs) {
        s->pairs = doubles(MOST_BITS * MOST_BITS);
        s->first = malloc((2 * s->rows + 1) * sizeof *s->first);
        if (!s->pairs || !s->first) return NO_MEMORY;
        s->next = s->first + s->rows;
    }
    memset(s->misses, 0, (s->rows + s->back) * sizeof *s->misses);
    weigh(s);
    return NULL;
}

/* Whether a leaf of the path at hand is better served by a table of all patterns than by one of those that occur. */
static int table_is_cheaper(const State *s) {
    return s->bits <= TABLE_BITS && ((int64_t)1 << s->bits) <= TABLE_SHARE * (s->rows + s->back);
}

/* The distinct patterns among `count` ones, into `distinct`, and which of them each is, into `place`. */
static int64_t sort_out(State *s, const uint64_t *misses, int64_t count, uint64_t *distinct, uint64_t *place) {
    int64_t found = 0;
    memset(s->slots, -1, (s->hash_mask + 1) * sizeof *s->slots);
    for (int64_t i = 0; i < count; i++) {
        uint64_t slot = (misses[i] * 0x9E3779B97F4A7C15u) >> 32 & s->hash_mask;
        while (s->slots[slot] >= 0 && distinct[s->slots[slot]] != misses[i]) slot = (slot + 1) & s->hash_mask;
        if (s->slots[slot] < 0) {
            s->slots[slot] = (int32_t)found;
            distinct[found++] = misses[i];
        }
        place[i] = s->slots[slot];
    }
    return found;
}

/* The background's distinct patterns, into `distinct`, and the weight of each, into `merged`. */
static int64_t merge_background(State *s, const uint64_t *misses) {
    const int64_t patterns = sort_out(s, misses, s->back, s->distinct, s->place);
    for (int64_t i = 0; i < patterns; i++) s->merged[i] = 0;
    for (int64_t b = 0; b < s->back; b++) s->merged[s->place[b]] += s->weight[b];
    return patterns;
}
