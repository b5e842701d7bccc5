/* Interventional SHAP values: a background row's passes take the place of the cover shares. kernel.c
   includes this once for every instruction set, with NAME as in kernel_walk.h.

   At a leaf with d distinct features on its path, a row is a pattern: the bits of the features whose edges it does not
   follow, its misses. A row x and a background row b matter to the leaf where no feature is missed by both. With u
   misses of x and a of b, a feature that b misses gets v (a-1)! u! / (a+u)!, one that x misses -v a! (u-1)! / (a+u)!.

   On short paths, a table of what every pattern of x gets is made from the histogram of the background's
   patterns, whatever the size of the background: for a quadrature node p, the transform W = (x) [[0, 1-p], [p, 1]] B
   in place, by passes over the bits; then a passed feature gets W(a)/p - W(a without j)/(p(1-p)), a missed one
   -W(a)/(1-p). Longer paths take only the patterns that occur, among rows and among the background, and enumerate for
   each of the former those of the latter that pass all it misses, which are few: an intersection of sets of bits, one
   for each missed feature, finds them. */

/* Adds to the misses of a split's rows, for the child on one side. */
INLINE void NAME(enter)(const Ensemble *e, int64_t node, const double *columns, int64_t count, const uint64_t *misses,
                        uint64_t *below, uint64_t bit, int right) {
    const double *x = columns + e->slot[node] * count;
    if (e->rule[node]) {
        for (int64_t i = 0; i < count; i++) below[i] = misses[i] | (in_set(e, node, x[i]) == right ? bit : 0);
        return;
    }
    const double threshold = e->threshold[node];
    const uint64_t if_left = right ? bit : 0, if_right = right ? 0 : bit;
    for (int64_t i = 0; i < count; i++) below[i] = misses[i] | (x[i] <= threshold ? if_left : if_right);
}

/* What each pattern of misses gets at a leaf of value 1, into the table. */
INLINE void NAME(fill_table)(State *s, const uint64_t *misses) {
    const int bits = s->bits, count = (bits + 1) / 2;
    const int64_t size = (int64_t)1 << bits;
    const double *t = s->e->points + (int64_t)count * 2 * MOST_POINTS, *w = t + MOST_POINTS;
    double *histogram = s->W + size;
    memset(histogram, 0, size * sizeof *histogram);
    for (int64_t b = 0; b < s->back; b++) histogram[misses[b]] += s->weight[b];
    memset(s->table, 0, bits * size * sizeof *s->table);
    for (int q = 0; q < count; q++) {
        const double p = t[q], from_pass = w[q] / p, from_miss = -w[q] / (1 - p), both = from_miss / p;
        double *W = s->W;
        memcpy(W, histogram, size * sizeof *W);
        for (int64_t half = 1; half < size; half *= 2)
            for (int64_t i = 0; i < size; i += 2 * half) {
                double *restrict passes = W + i, *restrict missed = W + i + half;
                for (int64_t j = 0; j < half; j++) {
                    const double both_pass = passes[j];
                    passes[j] += p * missed[j];
                    missed[j] = (1 - p) * both_pass;
                }
            }
        for (int bit = 0; bit < bits; bit++) {
            const int64_t half = (int64_t)1 << bit;
            for (int64_t i = 0; i < size; i += 2 * half) {
                double *restrict T = s->table + bit * size + i;
                const double *restrict passes = W + i, *restrict missed = W + i + half;
                for (int64_t j = 0; j < half; j++) {
                    T[j] += from_pass * passes[j] + both * missed[j];
                    T[j + half] += from_miss * missed[j];
                }
            }
        }
    }
}

/* Adds a table (bits, width): row r finds its values at place[r]. */
INLINE void NAME(add_table)(State *s, const double *table, int64_t width, const uint64_t *place, const double *value) {
    for (int bit = 0; bit < s->bits; bit++)
        for (int64_t v = 0; v < s->values; v++) {
            double *restrict out = s->output + (v * s->e->features + s->path[bit]) * s->rows;
            const double *restrict T = table + bit * width;
            const double worth = value[v];
            for (int64_t row = 0; row < s->rows; row++) out[row] += worth * T[place[row]];
        }
}

/* Which of `count` patterns of the background pass each feature of the path. */
INLINE void NAME(note_passes)(State *s, const uint64_t *misses, int64_t count) {
    for (int64_t first = 0; first < count; first += 64) {
        uint64_t *passes = s->passes + first / 64 * MOST_BITS;
        const int64_t here = count - first < 64 ? count - first : 64;
        const uint64_t all = ~(uint64_t)0 >> (64 - here);
        for (int bit = 0; bit < MOST_BITS; bit++) passes[bit] = all;
        for (int64_t i = 0; i < here; i++)
            for (uint64_t m = misses[first + i]; m; m &= m - 1) passes[__builtin_ctzll(m)] &= ~((uint64_t)1 << i);
    }
}

/* What one pattern of rows gets, into every `width`-th number of `out`: from each pattern of the background that
   passes all it misses. */
INLINE void NAME(match)(State *s, uint64_t missed, const uint64_t *misses, int64_t count, double *out, int64_t width) {
    const int u = __builtin_popcountll(missed);
    double own = 0;
    for (int bit = 0; bit < s->bits; bit++) out[bit * width] = 0;
    for (int64_t first = 0; first < count; first += 64) {
        const uint64_t *passes = s->passes + first / 64 * MOST_BITS;
        uint64_t left = passes[MOST_BITS - 1];
        for (uint64_t m = missed; m && left; m &= m - 1) left &= passes[__builtin_ctzll(m)];
        for (; left; left &= left - 1) {
            const int64_t b = first + __builtin_ctzll(left);
            const int a = __builtin_popcountll(misses[b]);
            const double worth = s->merged[b] * s->positive[u][a];
            own += s->merged[b] * s->negative[u][a];
            for (uint64_t m = misses[b]; m; m &= m - 1) out[__builtin_ctzll(m) * width] += worth;
        }
    }
    for (uint64_t m = missed; m; m &= m - 1) out[__builtin_ctzll(m) * width] = -own;
}

/* A leaf without a table of all patterns: one of those that occur. */
INLINE void NAME(add_matches)(State *s, const uint64_t *row_misses, const uint64_t *misses, const double *value) {
    uint64_t *back = s->distinct, *rows = back + s->back;
    const int64_t patterns = merge_background(s, misses);
    NAME(note_passes)(s, back, patterns);
    const int64_t width = sort_out(s, row_misses, s->rows, rows, s->place);
    for (int64_t i = 0; i < width; i++) NAME(match)(s, rows[i], back, patterns, s->matched + i, width);
    NAME(add_table)(s, s->matched, width, s->place, value);
}

/* All leaves of one tree for all rows. NULL or what is wrong. */
static const char *NAME(walk_background)(State *s, int64_t tree) {
    const Ensemble *e = s->e;
    const int64_t first = e->offsets[tree], wide = s->rows + s->back;
    int32_t *node = s->node, *side = node + 1, *fresh = node + 2; /* three numbers a level */
    int64_t level = 0, edges = 0;
    s->bits = 0;
    if (is_leaf(e, first)) return NULL;
    node[0] = 0, side[0] = 0;
    while (level >= 0) {
        const int64_t at = first + node[3 * level];
        const int32_t feature = e->feature[at];
        if (side[3 * level] == 0) {
            fresh[3 * level] = s->bit[feature] < 0;
            if (fresh[3 * level]) {
                if (s->bits == MOST_BITS - 1) return "a path has more than 63 features";
                s->path[s->bits] = feature;
                s->bit[feature] = s->bits++;
            }
        } else if (side[3 * level] == 2) {
            if (fresh[3 * level]) s->bit[feature] = -1, s->bits--;
            level--;
            continue;
        }
        if (++edges >= e->offsets[tree + 1] - first) return "a node has two parents";
        const int right = side[3 * level]++;
        const int32_t child = right ? e->right[at] : e->left[at];
        const uint64_t bit = (uint64_t)1 << s->bit[feature], *misses = s->misses + level * wide;
        uint64_t *below = s->misses + (level + 1) * wide;
        NAME(enter)(e, at, s->x, s->rows, misses, below, bit, right);
        NAME(enter)(e, at, s->background, s->back, misses + s->rows, below + s->rows, bit, right);
        if (!is_leaf(e, first + child)) {
            level++;
            node[3 * level] = child, side[3 * level] = 0;
        } else if (s->pairs) {
            NAME(add_leaf_pairs)(s, below, below + s->rows, e->values + (first + child) * e->values_a_leaf);
        } else if (table_is_cheaper(s)) {
            NAME(fill_table)(s, below + s->rows);
            NAME(add_table)(s, s->table, (int64_t)1 << s->bits, below, e->values + (first + child) * e->values_a_leaf);
        } else {
            NAME(add_matches)(s, below, below + s->rows, e->values + (first + child) * e->values_a_leaf);
        }
    }
    return NULL;
}
