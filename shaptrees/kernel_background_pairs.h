/* Interventional interactions at a leaf. kernel.c includes this before kernel_background.h, for every instruction set.

   With u misses of x and a of b, as there, a pair of features gets, of the leaf's value: v (a-2)! u! / (a+u-1)! where b
   misses both, -v (a-1)! (u-1)! / (a+u-1)! where b misses one and x the other, v a! (u-2)! / (a+u-1)! where x misses
   both; half of it in either cell. Only patterns that occur are looked at; there are no tables. */

/* What one pattern of rows gets at a leaf of value 1: pairs (bits, bits) above the diagonal, its values on it. */
INLINE void NAME(match_pairs)(State *s, uint64_t missed, const uint64_t *misses, int64_t count, double *out) {
    const int u = __builtin_popcountll(missed), bits = s->bits;
    double own = 0, none = 0, one[MOST_BITS] = {0};
    memset(out, 0, bits * bits * sizeof *out);
    for (int64_t b = 0; b < count; b++) {
        if (misses[b] & missed) continue;
        const int a = __builtin_popcountll(misses[b]);
        const double weight = s->merged[b], value = weight * s->positive[u][a], both = weight * s->both[u][a];
        own += weight * s->negative[u][a];
        none += weight * s->both[a][u]; /* the same with x and b in each other's place */
        for (uint64_t m = misses[b]; m; m &= m - 1) {
            const int i = __builtin_ctzll(m);
            out[i * bits + i] += value;
            one[i] += weight * s->one[u][a];
            for (uint64_t rest = m & (m - 1); rest; rest &= rest - 1) out[i * bits + __builtin_ctzll(rest)] += both;
        }
    }
    for (uint64_t m = missed; m; m &= m - 1) {
        const int j = __builtin_ctzll(m);
        for (int i = 0; i < bits; i++) out[i < j ? i * bits + j : j * bits + i] -= one[i];
        for (uint64_t rest = m & (m - 1); rest; rest &= rest - 1) out[j * bits + __builtin_ctzll(rest)] += none;
        out[j * bits + j] = -own;
    }
}

/* Adds a pattern's pairs to one row's (features, features) of every output. */
INLINE void NAME(add_matched_pairs)(State *s, const double *given, double *phi, const double *value) {
    const int64_t features = s->e->features;
    for (int64_t v = 0; v < s->values; v++)
        for (int i = 0; i < s->bits; i++)
            for (int j = i; j < s->bits; j++) {
                const int64_t a = s->path[i], b = s->path[j];
                phi[(v * features + (a < b ? a : b)) * features + (a < b ? b : a)] += value[v] * given[i * s->bits + j];
            }
}

/* Leaf by leaf: rows that miss the same features get the same. */
INLINE void NAME(add_leaf_pairs)(State *s, const uint64_t *row_misses, const uint64_t *misses, const double *value) {
    const int64_t cells = s->e->outputs * s->e->features * s->e->features;
    uint64_t *back = s->distinct, *rows = back + s->back;
    const int64_t patterns = merge_background(s, misses);
    const int64_t width = sort_out(s, row_misses, s->rows, rows, s->place);
    for (int64_t i = 0; i < width; i++) s->first[i] = -1;
    for (int64_t row = 0; row < s->rows; row++) { /* a chain of rows for each pattern */
        s->next[row] = s->first[s->place[row]];
        s->first[s->place[row]] = row;
    }
    for (int64_t i = 0; i < width; i++) {
        NAME(match_pairs)(s, rows[i], back, patterns, s->pairs);
        for (int64_t row = s->first[i]; row >= 0; row = s->next[row])
            NAME(add_matched_pairs)(s, s->pairs, s->output + row * cells, value);
    }
}
